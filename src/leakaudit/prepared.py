"""From the table that is given to numbers, names of rows, and texts."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from leakaudit.spellings import commonest_spelling

FEWEST_ROWS = 10
MOST_CATEGORIES = 200
TEXT_LENGTH = 25  # letters on average, from which on a column of words is one of texts
TEXT_DIMENSIONS = 16
MOSTLY_EMPTY = 0.5  # share of all cells
LONGEST_NAME = 60  # characters of a column's name in a sentence
LARGEST = 1e18  # numbers beyond it, and infinity, stand for a missing value
# Columns that name rows. A column of numbers is one only where its name ends so.
NAMES_A_ROW = re.compile(
    r"(^|[_\W])(id|ids|uuid|file|filename|path|name|title|track|song|artist|album|speaker|singer"
    r"|composer|subject|patient|session|recording|clip|url|isrc|mbid)($|[_\W])|[a-z](Id|ID)$",
)
NUMBER_OF_A_ROW = re.compile(
    r"(^|[_\W])(id|ids|uuid)$|[a-z](Id|ID)$"
    r"|^(file|track|song|artist|album|speaker|subject|patient|session|recording|clip)$",
    re.IGNORECASE,
)
MISSING = "missing"  # block of the columns that say where values are missing


@dataclass
class Prepared:
    """What an audit looks at.

    `numbers` (n, d) are the columns that vary, without gaps: measured numbers, columns of zeros and
    ones for categories, for gaps ("missing=...") and dimensions of texts. `home` gives the given
    column of each. `names` (n, any) name rows and are no features. `texts` (n, any) are free texts.
    `empty` is the share of cells without a value, `indicators` the made columns of zeros and ones.
    """

    numbers: pd.DataFrame
    names: pd.DataFrame
    texts: pd.DataFrame
    home: dict[str, str]
    indicators: set[str]
    empty: float
    notes: list[str] = field(default_factory=list)

    def given(self, columns: Sequence[str]) -> list[str]:
        """The columns of the table that these columns of numbers were made of."""
        return list(dict.fromkeys(self.home.get(column, column) for column in columns))


def list_of(names: Sequence[str], most: int = 3) -> str:
    """The first few names, none longer than LONGEST_NAME, and how many more there are."""
    shown = []
    for name in names[:most]:
        shown.append(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…")
    text = ", ".join(shown)
    if len(names) > most:
        text += f" and {len(names) - most} more"
    return text


def _is_name(name: str, values: pd.Series) -> bool:
    """Whether a column names rows (track_id, file name, artist) and is no feature."""
    distinct = values.nunique()
    if pd.api.types.is_numeric_dtype(values):
        if not NUMBER_OF_A_ROW.search(name) or distinct < max(10, len(values) // 50):
            return False
        whole = pd.to_numeric(values.dropna(), errors="coerce")
        return bool((whole % 1 == 0).all())
    if NAMES_A_ROW.search(name if name != name.upper() else name.lower()):
        return distinct >= min(20, len(values) // 4)
    return distinct > min(MOST_CATEGORIES, len(values) // 2) and not _is_text(values)


def _is_text(values: pd.Series) -> bool:
    """Whether a column of words holds texts of several words."""
    words = values.dropna().astype(str)
    if words.empty:
        return False
    return bool(words.str.len().mean() >= TEXT_LENGTH and (words.str.count(" ") >= 2).mean() > 0.5)


def _vectors_of(texts: pd.Series) -> pd.DataFrame | None:
    """Texts as dimensions of their words (TF-IDF, then SVD); None where there are too few words."""
    from sklearn.decomposition import TruncatedSVD  # two seconds, and few tables have texts
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(max_features=3000, sublinear_tf=True)
    try:
        counts = words.fit_transform(texts.fillna("").astype(str))
    except ValueError:  # no words at all
        return None
    size = min(TEXT_DIMENSIONS, counts.shape[1] - 1, counts.shape[0] - 1)
    if size < 2:
        return None
    values = TruncatedSVD(size, random_state=0).fit_transform(counts)
    columns = [f"{texts.name}~{i}" for i in range(size)]
    return pd.DataFrame(values, index=texts.index, columns=columns)


def sort_columns(X: np.ndarray | pd.DataFrame) -> Prepared:
    """Sort the columns of X (n, d) into numbers, categories, names of rows and texts.

    ValueError, in one sentence, for fewer than 10 rows, no column that varies, or a column name
    that occurs twice.
    """
    table = pd.DataFrame(X).reset_index(drop=True)
    if not isinstance(X, pd.DataFrame):
        table.columns = [f"column_{i}" for i in range(table.shape[1])]
    table.columns = table.columns.astype(str)
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise ValueError(f"The column {twice[0]!r} occurs twice; give each column its own name.")
    notes: list[str] = []
    table = table.apply(_plain_cells)
    names = [c for c in table if _is_name(c, table[c])]
    words = [c for c in table if not pd.api.types.is_numeric_dtype(table[c]) and c not in names]
    texts, categories, left = _sorted_words(table, words)
    if left:
        notes.append(f"Left out, because they hold one value or none: {list_of(left)}.")
    if names:
        notes.append(f"Taken as names of rows, not as features: {list_of(names)}.")
    unique_numbers = [
        c for c in names if pd.api.types.is_numeric_dtype(table[c]) and table[c].is_unique
    ]
    skipped = [c for c in (*words, *names) if c not in unique_numbers]
    numbers = _finite(table.drop(columns=skipped).astype(float), notes)
    empty = float(numbers.isna().to_numpy().mean()) if numbers.size else 0.0
    parts, home, indicators = _with_gaps(numbers, notes)
    for column in texts:
        vectors = _vectors_of(table[column])
        if vectors is not None:
            parts.append(vectors)
            home |= dict.fromkeys(vectors, column)
    if categories:
        made = pd.get_dummies(table[categories], prefix_sep="=", dtype=float)
        parts.append(made)
        indicators |= set(made)
        for column in categories:
            home |= {c: column for c in made if c.startswith(f"{column}=") and c not in home}
    numbers = _varying(pd.concat(parts, axis=1), notes)
    if len(numbers) < FEWEST_ROWS or numbers.empty:
        raise ValueError(
            f"The table has {len(numbers)} rows and {numbers.shape[1]} columns that vary; an audit "
            f"needs at least {FEWEST_ROWS} rows, and a column."
        )
    return Prepared(numbers, table[names], table[texts], home, indicators, empty, notes)


def _plain_cells(values: pd.Series) -> pd.Series:
    """A column as numbers or words: truth values become 0 and 1, lists and the like their text.

    ValueError for complex numbers, of which no part is the obvious one."""
    if values.dtype == bool:
        return values.astype(float)
    if pd.api.types.is_complex_dtype(values):
        raise ValueError(
            f"The column {values.name!r} holds complex numbers; give their real and imaginary "
            "parts, or their sizes, as columns."
        )
    if values.dtype == object:
        nested = [not isinstance(value, Hashable) for value in values]
        return values.mask(nested, values.astype(str)) if any(nested) else values
    return values


def _finite(numbers: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The numbers without those beyond LARGEST, whose squares overflow: they count as missing."""
    beyond = numbers.abs() > LARGEST
    if beyond.to_numpy().any():
        notes.append(
            f"Infinite numbers, and those beyond {LARGEST:.0e}, count as missing: "
            f"{list_of(list(numbers.columns[beyond.any()]))}."
        )
    return numbers.mask(beyond)


def _sorted_words(
    table: pd.DataFrame, words: Sequence[str]
) -> tuple[list[str], list[str], list[str]]:
    """Columns of texts, of categories, and those that hold one value."""
    texts, categories, left = [], [], []
    for column in words:
        distinct = table[column].nunique()
        if distinct < 2:
            left.append(column)
        elif distinct > min(MOST_CATEGORIES, len(table) // 2):
            texts.append(column)
        else:
            categories.append(column)
    return texts, categories, left


def _with_gaps(
    numbers: pd.DataFrame, notes: list[str]
) -> tuple[list[pd.DataFrame], dict[str, str], set[str]]:
    """The numbers with their means in the gaps, and columns that say where the gaps are."""
    gaps = numbers.columns[numbers.isna().any()]
    if not len(gaps):
        return [numbers], {}, set()
    where = numbers[gaps].isna().astype(float).add_prefix(f"{MISSING}=")
    count = int(numbers.isna().sum().sum())
    notes.append(
        f"{count} values are missing, in {list_of(list(gaps))}. The mean of the column stands for "
        "them, and the audit looks at where they are missing."
    )
    home = dict(zip(where, gaps))
    filled = numbers.fillna(numbers.mean()).fillna(0.0)
    return [filled, where], home, set(where)


def _varying(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The columns that are not constant."""
    low, high = table.min(), table.max()
    size = np.maximum(np.maximum(high.abs(), low.abs()), 1e-300)
    varies = high - low > 1e-12 * size
    if not varies.all():
        notes.append(f"Constant, and left out: {list_of(list(table.columns[~varies]))}.")
    return table.loc[:, varies]


def one_spelling(values: Sequence | np.ndarray, what: str, notes: list[str]) -> np.ndarray:
    """Labels or groups (n,) of which spellings that differ in case, blanks or Unicode form are one,
    the commonest; None where there is none. A note says which were joined."""
    series = pd.Series(np.asarray(values, dtype=object))
    joined, others = commonest_spelling(series.dropna().astype(str))
    if not others:
        return series.where(series.notna(), None).to_numpy(object)
    notes.append(f"Other spellings of {what}, counted as the same: {list_of(others)}.")
    return joined.reindex(series.index).where(series.notna(), None).to_numpy(object)


def codes_of(values: Sequence | np.ndarray, n: int, what: str) -> np.ndarray:
    """Codes (n,) of labels or groups in their sorted order, -1 where there is none."""
    if len(values) != n:
        raise ValueError(f"There are {len(values)} {what} for {n} rows; each row needs one.")
    series = pd.Series(np.asarray(values, dtype=object))
    codes = np.full(n, -1)
    known = series.notna().to_numpy()
    codes[known] = np.unique(series[known].astype(str), return_inverse=True)[1]
    return codes


OTHERS = "other columns"  # block of the columns whose names say of no block
EVERYTHING = "all columns"  # the same block where there is no other


def blocks_of(
    prepared: Prepared, asked: Mapping[str, Sequence[str]] | None, known: Sequence[str]
) -> dict[str, list[str]]:
    """Blocks of columns: those asked for, or those that the names of the columns say.

    `known` are the columns of the given table, which `asked` may name. ValueError for another.
    """
    table = prepared.numbers
    if asked is None:
        return blocks_by_name(table, prepared.home)
    every = {str(c) for c in known}
    home = {}
    for block, columns in asked.items():
        for column in map(str, columns):
            if column not in every:
                raise ValueError(f"There is no column {column!r} in the table; a block names it.")
            home[column] = block
    blocks: dict[str, list[str]] = {block: [] for block in asked}
    for column in table:
        name = home.get(prepared.home.get(column, column), OTHERS)
        if column.startswith(f"{MISSING}="):
            name = MISSING
        blocks.setdefault(name, []).append(column)
    return blocks


def blocks_by_name(table: pd.DataFrame, home: Mapping[str, str]) -> dict[str, list[str]]:
    """Columns are one block where their names differ from the first digit on (emb_0, emb_1), or
    where they hold zeros and ones and their names differ after the last "=" or "_".

    All others are one block together, and so are the columns that say where values are missing.
    """
    keys = {}
    for column in table:
        digit = re.search(r"\d", column)
        end = max(column.rfind("="), column.rfind("_"))
        if column.startswith(f"{MISSING}="):
            keys[column] = MISSING
        elif column in home:
            keys[column] = home[column]
        elif digit:
            keys[column] = column[: digit.start()].rstrip(" _.-") or "columns"
        elif end > 0 and table[column].isin((0, 1)).all():
            keys[column] = column[:end]
    size = pd.Series(keys, dtype=object).value_counts()
    blocks: dict[str, list[str]] = {}
    for column in table:
        key = keys.get(column, OTHERS)
        if key != MISSING and size.get(key, 0) < 2:
            key = OTHERS
        blocks.setdefault(key, []).append(column)
    if set(blocks) <= {OTHERS, MISSING}:
        return {EVERYTHING if name == OTHERS else name: blocks[name] for name in blocks}
    return blocks
