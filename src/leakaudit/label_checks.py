"""Checks of the columns and blocks for the label."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from leakaudit import blocks, columns, directions, families, leaks, pictures, transforms
from leakaudit.case import Case
from leakaudit.prepared import EVERYTHING, MISSING, OTHERS, list_of

NAMED_IN_TEXT = 0.3  # share of rows whose text has the word of their class, above chance
DRAWS = 39  # permutations of the effect of a block
STANDS_OUT = "stands out"
TWO_VALUES = 0.97  # share of variance between a class and the rest, of a jump between two values
ONLY_TWO_VALUES = 0.999  # the same, of a column that hardly holds anything else
JUMPS = 0.8  # share of variance between a class and the rest that no tail of one class has
HIDDEN = 2.2  # times the odds that half of the columns leave, where a block varies with nothing


def check_texts(case: Case) -> None:
    """Texts that hold the name of their class."""
    words = [re.escape(name) for name in case.classes if len(name) >= 3 and not name.isdigit()]
    if len(words) < 2:
        return
    pattern = re.compile(rf"\b({'|'.join(words)})\b", re.IGNORECASE)
    index = case.numbers.index
    labels = pd.Series(case.labels, index=index).str.lower()
    for column in case.prepared.texts:
        text = case.prepared.texts[column].reindex(index).fillna("").astype(str).str.lower()
        hits = text.str.findall(pattern)
        own = np.array([label in found for label, found in zip(labels, hits)])
        other = np.array([bool(set(found) - {label}) for label, found in zip(labels, hits)])
        share = float(own.mean() - other.mean() / max(len(case.classes) - 1, 1))
        if share >= NAMED_IN_TEXT:
            made = [c for c in case.numbers if case.prepared.home.get(c) == column]
            says = (
                f"{own.mean():.0%} of the texts in {column} have the name of their class in them."
            )
            case.accuse("label in a text", column, made or [column], says, effect=share)


def check_names(case: Case) -> None:
    """Numbers that name rows, and whose order says the label."""
    names = case.prepared.names.reindex(case.numbers.index)
    for column in names:
        values = names[column]
        if not pd.api.types.is_numeric_dtype(values) or column in case.numbers:
            continue
        X = values.fillna(values.mean()).to_numpy(float)[:, None]
        row = columns.by_column(X, case.codes, case.groups, seed=case.seed).iloc[0]
        if row["labels"] >= columns.COPY and row["p"] <= leaks.LIKELY:
            says = f"The numbers in {column} run in the order of the classes."
            case.accuse("copy of the label", column, [column], says, effect=row["labels"])


def check_categories(case: Case) -> None:
    """Words, each of which occurs in one class only: the label by other names, or its templates."""
    home = case.prepared.home
    words = {column: home[column] for column in case.suspects() if "=" in column and column in home}
    for source in dict.fromkeys(words.values()):
        made = [column for column in words if words[column] == source]
        value = case.numbers[made].to_numpy().argmax(axis=1)
        pure = blocks.repeated_by_class(value, case.codes, case.groups)
        if pure is None or pure[0] < blocks.BUNCHED:
            continue
        kind, what = "copy of the label", "is the label by other names"
        if len(made) > 1.5 * len(case.classes):
            kind, what = "templates by class", "has texts that were made for a class"
        says = f"{source} {what}: {pure[0]:.0%} of its rows hold a value that one class has alone."
        case.accuse(kind, source, made, says, effect=pure[1])


def check_blocks_of_texts(case: Case, tight: dict[str, blocks.Bunches]) -> None:
    """Blocks whose rows are few texts or vectors, with or without regard to the class."""
    for name, bunch in tight.items():
        if name not in case.blocks:
            continue
        free = case.suspects(case.blocks[name])
        X = case.numbers[case.blocks[name]].to_numpy()
        if not free or not blocks.is_vector(X):
            continue
        if bunch.by_class:
            says = (
                f"{bunch.share:.0%} of the {bunch.unit} stand in tight bunches of {name}, of about "
                f"{bunch.size} each and nearly all of one class: texts or vectors made for a class."
            )
            case.accuse(
                "templates by class",
                name,
                free,
                says,
                effect=bunch.share,
                picture=_line_up(case, free),
            )
        elif bunch.pure < blocks.PURE:
            says = (
                f"{bunch.share:.0%} of the {bunch.unit} have one of a few texts or vectors of "
                f"{name}, each for about {bunch.size} of them, whatever their class."
            )
            case.accuse("few distinct rows", name, free, says, effect=bunch.share)


def _line_up(case: Case, names: list[str]) -> dict:
    """The picture of columns: the first one, or the best discriminant direction of several."""
    X = case.numbers[names].to_numpy(float)
    if len(names) == 1:
        return pictures.by_class(X[:, 0], case.labels, names[0])
    line = directions.projection(X, case.codes)
    return pictures.by_class(line, case.labels, f"best direction of {list_of(names, 2)}")


def check_columns(case: Case) -> pd.DataFrame:
    """Columns that are copies of the label, or stand far above all others; returns `by_column`."""
    table = case.numbers
    each = columns.by_column(table.to_numpy(), case.codes, case.groups, seed=case.seed)
    each = each.set_index(table.columns)
    best = each[["labels", "one"]].max(axis=1)
    free = pd.Series(table.columns.isin(case.suspects()), index=table.columns)
    sure = free & (each["p"] <= leaks.LIKELY)
    one_surely = (each["one"] >= columns.COPY) & (each["sure"] >= leaks.SURE)
    strong = sure & ((each["labels"] >= columns.COPY) | one_surely)
    standing = pd.Series(False, index=table.columns)
    judged = each[free & ~strong]
    for measure in ("labels", "one"):
        if len(judged):
            standing[judged.index] |= columns.standing_out(judged[measure].to_numpy())
    standing &= sure & ~strong
    suspects = table.columns[strong | standing]
    if not len(suspects):
        return each
    alive, rest_alive, n_groups = _alive(case, suspects)
    shares = columns.between_share(table[suspects].to_numpy(), case.codes)
    exact = pd.Series(shares >= TWO_VALUES, index=suspects)
    many = (each["labels"] >= columns.COPY) & (len(case.classes) >= 5)
    jumps = (each["labels"] >= columns.COPY)[suspects] | (shares >= JUMPS)
    lifeless = (jumps & ~alive) | exact
    lifeless &= ~_one_among_many(case, suspects) | (shares >= ONLY_TWO_VALUES)
    copies = [c for c in suspects if strong[c] and (many[c] or lifeless[c])]
    for members in case.blocks.values():  # most of a one-hot block are copies: then all are
        if 2 * len(set(members) & set(copies)) > len(members):
            copies = [c for c in suspects if c in copies or (strong[c] and c in members)]
    doubtful = [c for c in suspects if strong[c] and c not in copies]
    if copies and n_groups < blocks.ENOUGH and not (exact | many)[copies].any():
        doubtful, copies = [*doubtful, *copies], []
    if copies:
        _accuse_copies(case, copies, each)
    if doubtful:
        case.report.questions.append(
            f"Nearly without error, classes are told apart by {list_of(doubtful)}. Measured "
            "columns may do that, and so may columns that were made with the label. Who made "
            "these, and did they know the label? Name with --measured each column whose maker "
            "did not."
        )
    outstanding = [c for c in suspects if standing[c] and not alive[c]]
    if outstanding and rest_alive and n_groups >= blocks.ENOUGH:
        measure = each["labels"]
        if measure[outstanding].max() < columns.OUTSTANDING:
            measure = each["one"]
        next_best = measure[free].drop(outstanding).max()
        says = (
            f"It says {measure[outstanding].max():.2f} of the label (0: chance, 1: all), the next "
            f"best column {next_best:.2f}. Within a class it varies with no other column, and the "
            "others vary together."
        )
        case.accuse(
            STANDS_OUT,
            list_of(case.prepared.given(outstanding)),
            outstanding,
            says,
            effect=best[outstanding].max(),
            p=each["p"][outstanding].max(),
            picture=_line_up(case, outstanding),
        )
    return each


def check_one_hot(case: Case, each: pd.DataFrame) -> None:
    """A category that is spread over a column each, and together stands far above all columns.

    Each of its columns names one category and says little alone. Read back to one column, it is
    judged as `check_columns` judges others; `each` is what that check measured.
    """
    spread = {}
    for name, members in case.blocks.items():
        free = case.suspects(members)
        category = blocks.category_of(case.numbers[free].to_numpy()) if free else None
        if category is not None:
            spread[name] = (free, category)
    one_hot = {column for free, _ in spread.values() for column in free}
    others = [c for c in case.suspects() if c not in one_hot]
    if not spread or len(others) < 3:
        return
    rest = case.numbers[others].to_numpy()
    best = each.loc[others, ["labels", "one"]].max()
    needed = (best + columns.ABOVE_THE_REST).clip(lower=columns.OUTSTANDING)
    for name, (members, category) in spread.items():
        X = category[:, None].astype(float)
        row = columns.by_column(X, case.codes, case.groups, seed=case.seed).iloc[0]
        above = needed.index[row[needed.index] >= needed]
        if not len(above) or row["p"] > leaks.LIKELY:
            continue
        mine = case.numbers[members].to_numpy()
        life = blocks.life_of(mine, rest, case.codes, case.groups, case.seed)
        lively = blocks.vary_together(rest, case.codes, case.groups, case.seed)
        if life.n_groups < blocks.ENOUGH or life.p <= 0.01 or not lively:
            continue
        measure = above[0]
        says = (
            f"Together these {len(members)} columns of two values are one category, which says "
            f"{row[measure]:.2f} of the label (0: chance, 1: all). The best of the other columns "
            f"says {best[measure]:.2f}. Within a class the category varies with "
            "no other column, and the others vary together."
        )
        case.accuse(
            STANDS_OUT,
            name,
            members,
            says,
            effect=row[measure],
            p=row["p"],
            picture=_line_up(case, members),
        )


def _one_among_many(case: Case, suspects: pd.Index) -> pd.Series:
    """Which suspects are a minority of a named block of many columns.

    One of twelve notes may be that of a single class, and hardly sound elsewhere. A label comes as
    a column of its own, or as a block that tells every class.
    """
    among = pd.Series(False, index=suspects)
    for name, members in case.blocks.items():
        mine = [c for c in members if c in among.index]
        named = name not in (OTHERS, EVERYTHING)
        if named and len(members) >= blocks.VECTOR and 2 * len(mine) < len(members):
            among[mine] = True
    return among


def _alive(case: Case, suspects: pd.Index) -> tuple[pd.Series, bool, int]:
    """Which of the suspects vary with the other columns within classes, whether the others vary
    together, and the number of groups that this was seen on."""
    table, codes, groups = case.numbers, case.codes, case.groups
    own = columns.group_classes(codes, groups)
    alone = columns.within(table[suspects].to_numpy(), codes, groups, None)
    others = [c for c in table if c not in suspects and c not in case.accused]
    others = [c for c in others if not c.startswith(f"{MISSING}=")]
    if not others:
        return pd.Series(False, index=suspects), False, len(own)
    rest = table[others].to_numpy()
    p = columns.shared_variation(alone, columns.within(rest, codes, groups), own, case.seed)[:-1]
    lively = blocks.vary_together(rest, codes, groups, case.seed)
    return pd.Series(p <= 0.01, index=suspects), lively, len(own)


def _accuse_copies(case: Case, copies: list[str], each: pd.DataFrame) -> None:
    best = each.loc[copies, ["labels", "one"]].max(axis=1)
    together = leaks.effect(
        case.numbers[copies].to_numpy(), case.codes, case.groups, DRAWS, case.seed
    )
    share = 0.0
    if together is not None and together.p <= leaks.LIKELY:
        share = together.share
    given = case.prepared.given(copies)
    if len(copies) == 1:
        says = f"This column tells classes apart nearly without error ({best.max():.2f} of 1)."
    else:
        says = (
            f"Each of these {len(copies)} columns tells one class from the others, or all classes "
            f"apart, nearly without error. Together they say {share:.2f} of the label (0 is "
            "chance, 1 is all of it)."
        )
    case.accuse(
        "copy of the label",
        list_of(given),
        copies,
        says,
        effect=max(share, each.loc[copies, "labels"].max()),
        p=each.loc[copies, "p"].max(),
        picture=_line_up(case, copies[:1]),
    )


def check_encodings(case: Case) -> None:
    """Class probabilities, and target encoding."""
    names = case.classes
    for block, members in case.blocks.items():
        free = case.suspects(members)
        if len(free) != len(names):
            continue
        share = blocks.class_probabilities(case.numbers[free].to_numpy(), case.codes)
        if share >= leaks.LEAKY:
            says = (
                "There is a column for each class, and all rows have the same sum. The largest "
                f"column names the class ({share:.2f} on a scale from 0, chance, to 1, always)."
            )
            case.accuse("class probabilities", block, free, says, effect=share)
    encoded, strengths = [], []
    for column in case.suspects():
        values = case.numbers[column].to_numpy()
        r = transforms.target_encoded(values, case.codes, names, case.seed)
        if r is not None:
            encoded.append(column)
            strengths.append(r)
    if encoded:
        says = "Rows that share a value share the mean label of these rows: the value is that mean."
        case.accuse(
            "target encoding", list_of(encoded), encoded, says, effect=min(1.0, max(strengths))
        )


def check_class_scaling(case: Case) -> None:
    """Columns that were scaled, centred or turned class by class."""
    gaps = {c.removeprefix(f"{MISSING}=") for c in case.numbers if c.startswith(f"{MISSING}=")}
    free = [c for c in case.suspects() if c not in gaps and c not in case.prepared.indicators]
    if not free:
        return
    scaled = transforms.scaled_by_class(case.numbers[free].to_numpy(), case.codes)
    guilty = [column for column, bad in zip(free, scaled) if bad]
    if guilty:
        says = (
            "The classes agree in their mean, spread or correlations more exactly than independent "
            "rows can: these columns were scaled, centred or turned class by class."
        )
        case.accuse(
            "scaled by class",
            list_of(guilty),
            guilty,
            says,
            effect=1.0,
            picture=_line_up(case, guilty[:1]),
        )


def check_directions(case: Case) -> None:
    """The label in a sum of columns, of which no single one shows it."""
    parts = {}
    numbers = [c for c in case.suspects() if c not in case.prepared.indicators]
    for name, members in case.blocks.items():
        free = [c for c in members if c in numbers]
        if len(free) >= 4:
            parts[name] = free
    everything = numbers
    if len(parts) != 1 and len(everything) >= 4:
        parts["all columns"] = everything
    for name, free in parts.items():
        left = [c for c in free if c not in case.accused]
        if len(left) < 4:
            continue
        X = case.numbers[left].to_numpy()
        best = directions.best_direction(X, case.codes, case.groups, case.seed)
        if best.holds_the_label:
            says = (
                f"One direction of {name} holds the label: {best.share:.1%} of its variance lies "
                f"between classes, on rows that did not choose it. Half of the columns leave "
                f"{best.half:.0%}, where measured columns would repeat each other."
            )
            case.accuse(
                "label in a direction",
                name,
                left,
                says,
                effect=best.share,
                picture=_line_up(case, left),
            )


def check_blocks(case: Case) -> None:
    """Blocks that say the label, and by their variation within classes whether they may."""
    loud = []
    shares = {}
    for name, members in case.blocks.items():
        left = [c for c in members if c not in case.accused]
        effect = None
        if left:
            X = case.numbers[left].to_numpy()
            effect = leaks.effect(X, case.labels, case.groups, DRAWS, case.seed)
        trusted = bool(set(members) & case.trusted)
        case.report.add_block(name, len(members), trusted, effect)
        if effect is not None:
            shares[name] = effect.share
            if not trusted and effect.p <= leaks.LIKELY:
                loud.append((name, left, effect))
    loud.sort(key=lambda one: -one[2].share)
    for name, left, effect in loud:
        if name == MISSING:
            _missing(case, left, effect)
        else:
            next_best = max((s for other, s in shares.items() if other != name), default=1.0)
            _judge(case, name, left, effect, next_best)


def _missing(case: Case, members: list[str], effect: leaks.Effect) -> None:
    """Gaps by class."""
    if effect.share < leaks.LEAKY:
        return
    given = case.prepared.given(members)
    each = columns.by_column(
        case.numbers[members].to_numpy(), case.codes, case.groups, seed=case.seed
    )
    guilty = [
        column for column, p, one in zip(members, each["p"], each["one"]) if p <= 0.05 and one > 0.1
    ]
    guilty = guilty or members
    says = (
        f"Where values are missing ({list_of(given)}) says {effect.share:.2f} of the label (0: "
        "chance, 1: all)."
    )
    case.accuse(
        "missing by class",
        list_of(case.prepared.given(guilty)),
        guilty,
        says,
        effect=effect.share,
        p=effect.p,
        paste=f"table[{case.prepared.given(guilty)!r}].isna().groupby(labels).mean()",
    )


def _judge(
    case: Case, name: str, members: list[str], effect: leaks.Effect, next_best: float
) -> None:
    """Accuse a block, ask about it, or say nothing."""
    X, codes, groups = case.numbers[members].to_numpy(), case.codes, case.groups
    pure = blocks.repeated_by_class(
        families.row_hashes(case.numbers[members]), case.codes, case.groups
    )
    if pure is not None and len(members) >= blocks.VECTOR:
        says = (
            f"{pure[0]:.0%} of its rows occur again in another group, nearly always in one class."
        )
        case.accuse("templates by class", name, members, says, effect=pure[1], p=effect.p)
        return
    spread = (effect.spread - effect.chance) / max(1 - effect.chance, 1e-9)
    read = blocks.tight_classes(X, case.labels, effect.read(leaks.SURE))
    strong = effect.share >= columns.COPY
    far_above = effect.share >= max(columns.OUTSTANDING, next_best + columns.ABOVE_THE_REST)
    if not (strong or read or far_above):
        return
    who = f"says {effect.share:.2f} of the label (0: chance, 1: all)"
    if read and not strong:
        who = f"says surely which rows are {list_of(read)}"
    others = _other_columns(case, members)
    if len(others) < 3:
        if strong or read:
            _ask(case, name, who, "nothing else in the table can be compared with it")
        return
    here = np.ones(len(codes), bool)
    if not strong and read:
        here = np.isin(case.labels, read)
    seen = X
    if spread >= columns.COPY or (far_above and spread >= 0.9 * effect.share):
        seen = leaks.outlying(X, groups)
    rest = case.numbers[others].to_numpy()[here]
    life = blocks.life_of(seen[here], rest, codes[here], groups[here], case.seed)
    if life.n_groups < blocks.ENOUGH:
        if strong or read:
            why = f"{life.n_groups} groups are too few to compare it with the other columns"
            _ask(case, name, who, why)
        return
    lifeless = seen is not X or life.inside > 0.01
    above = effect.share >= next_best + columns.ABOVE_THE_REST
    hidden = strong and above and not lifeless and _needs_all_columns(case, X)
    lively = blocks.vary_together(rest, codes[here], groups[here], case.seed)
    if life.nowhere and lively and (lifeless or hidden):
        kind = "says the label" if strong or read else STANDS_OUT
        if seen is not X:
            kind = "spread by class"
        says = f"The block {name!r} {who}. Within a class it varies with nothing else in the table."
        picture = _line_up(case, members)
        case.accuse(kind, name, members, says, effect=effect.share, p=effect.p, picture=picture)
        return
    _ask_if_it_says_much(case, name, who, strong, bool(read), life)


def _ask_if_it_says_much(
    case: Case, name: str, who: str, strong: bool, read: bool, life: blocks.Life
) -> None:
    """Leave a question about a block that says the label and is not accused."""
    if strong:
        _ask(case, name, who, _what_is_known(case, life))
    elif read and life.nowhere:
        _ask(case, name, who, "within these classes it varies with nothing else in the table")


def _other_columns(case: Case, members: list[str]) -> list[str]:
    """The columns that a block is compared with: not its own, not accused, no marks of gaps."""
    others = [c for c in case.numbers if c not in case.accused and c not in members]
    return [c for c in others if not c.startswith(f"{MISSING}=")]


def _needs_all_columns(case: Case, X: np.ndarray) -> bool:
    """Whether half of the columns say far less of the label than all, unlike measurements."""
    best = directions.best_direction(X, case.codes, case.groups, case.seed, strong=0.9)
    return best.times_the_odds >= HIDDEN


def _what_is_known(case: Case, life: blocks.Life) -> str:
    """Where a block varies with other columns within a class, and where not, in a sentence."""
    still = [str(case.classes[code]) for code, alive in life.classes.items() if not alive]
    if life.nowhere:
        return "within a class it varies with nothing else in the table"
    if still and len(still) < len(case.classes):
        return f"within {list_of(still)} it varies with nothing else in the table"
    return "it varies with other columns within the classes, but so do columns made from both"


def _ask(case: Case, name: str, who: str, why: str) -> None:
    """Leave a question that only the owner of the table can answer."""
    case.report.questions.append(
        f"The block {name!r} {who}; {why}. Was it made without the label? If you know that it was "
        f"measured, say --measured {name!r}."
    )
