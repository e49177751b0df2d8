"""The Genius Song Lyrics table (5 million texts, 9 GB) read in bounded memory: filter, and a seeded sample per tag.

Used by the command line (`python -m helpers lyrics`) and page "Data".
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .long_jobs import hidden

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("helpers")

CHUNK = 10_000  # rows that are looked at together
COLUMNS = ("id", "title", "artist", "tag", "language", "lyrics")


def scan(
    path: str | Path,
    *,
    tags: Sequence[str] | None = None,
    language: str | None = "en",
    per_tag: int = 1000,
    seed: int = 0,
    quiet: bool = False,
) -> pd.DataFrame:
    """A random sample of `per_tag` texts of each tag, from a table of lyrics of any size, in one streaming pass.

    `path` is a .csv (quotes and line breaks inside lyrics intact) or .parquet with the columns id, title, artist, tag,
    language and lyrics; empty lyrics are passed over.  `tags=None` takes every tag, `language=None` every language.
    A row's place in the draw is a hash of its id and `seed`, so the sample does not depend on order or chunk size, and
    a larger `per_tag` extends it.  Memory holds the sample and a few chunks, whatever the size of the file.
    Returns (n, 6) `COLUMNS`, sorted by tag and place in the draw.
    Raises FileNotFoundError, or ValueError for a missing column, a tag that does not occur, text that is not UTF-8 or
    broken quotes.  Sampling: the k smallest of uniform random keys (Vitter 1985, section 1).
    """
    import polars as pl
    from tqdm import tqdm

    if per_tag < 1:
        raise ValueError(f"per_tag={per_tag}: take at least 1 text of each tag")
    path = Path(path)
    table = _open(path)
    wanted = table.filter(pl.col("tag").is_not_null())
    if tags is not None:
        wanted = wanted.filter(pl.col("tag").is_in(list(tags)))
    if language is not None:
        wanted = wanted.filter(pl.col("language") == language)
    drawn: dict[str, list[tuple]] = {}  # tag: [(place, id, title, ...)], sorted, at most per_tag
    with tqdm(desc="lyrics", unit="row", unit_scale=True, disable=hidden(quiet)) as bar:
        for chunk in _chunks(wanted, path):
            bar.update(len(chunk))
            places = _places(chunk["id"], seed)
            last = {tag: found[-1][0] for tag, found in drawn.items() if len(found) == per_tag}
            limit = chunk["tag"].replace_strict(last, default=2**64 - 1, return_dtype=pl.UInt64)
            rows = np.flatnonzero(places < limit.to_numpy())
            fresh: dict[str, list[tuple]] = {}
            # Python strings: a polars row would keep the text of its whole chunk alive
            for place, row in zip(places[rows].tolist(), chunk[rows].rows(), strict=True):
                if (row[-1] or "").strip():
                    fresh.setdefault(row[COLUMNS.index("tag")], []).append((place, *row))
            for tag, found in fresh.items():
                drawn[tag] = sorted(drawn.get(tag, []) + found)[:per_tag]
    missing = [t for t in tags or () if t not in drawn]
    if missing or not drawn:
        seen = table.select("tag").unique().collect(engine="streaming")["tag"].drop_nulls().sort().to_list()
        what = f"no texts of the tag {missing[0]!r}" if missing else "no texts are left"
        where = f" in language {language!r}" if language is not None else ""
        raise ValueError(f"{path}: {what}{where}; the tags of the table are {', '.join(map(str, seen[:20]))}")
    return pd.DataFrame([row[1:] for tag in sorted(drawn) for row in drawn[tag]], columns=list(COLUMNS))


def _open(path: Path) -> pl.LazyFrame:
    import polars as pl

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such table of lyrics")
    if path.suffix.lower() == ".parquet":
        table = pl.scan_parquet(path)
    elif path.suffix.lower() == ".csv":
        if not path.stat().st_size:
            raise ValueError(f"{path}: the file is empty")
        # every column as text: 9 GB are not read twice to guess types, and a stray word in `id` is no error
        table = pl.scan_csv(path, infer_schema=False)
    else:
        raise ValueError(f"{path}: a table of lyrics is a .csv or .parquet file (unpack a .zip first)")
    try:
        names = table.collect_schema().names()
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path}: not a readable table ({_first_line(error)})") from None
    missing = [c for c in COLUMNS if c not in names]
    if missing:
        raise ValueError(f"{path}: column {missing[0]!r} is missing; needed are {', '.join(COLUMNS)}")
    return table.select(pl.col(c).cast(pl.String) for c in COLUMNS)


def _chunks(table: pl.LazyFrame, path: Path) -> Iterator[pl.DataFrame]:
    import polars as pl

    try:
        yield from table.collect_batches(engine="streaming", maintain_order=False, chunk_size=CHUNK)
    except pl.exceptions.PolarsError as error:
        raise ValueError(
            f"{path}: cannot be read to the end ({_first_line(error)}); it must be UTF-8 with balanced quotes"
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]


def _places(ids: pl.Series, seed: int) -> np.ndarray:
    """(n,) uint64 uniform pseudo-random numbers from the ids: FNV-1a of other ids' text, then SplitMix64."""
    import polars as pl

    number = ids.cast(pl.Int64, strict=False)
    strange = np.flatnonzero(number.is_null().to_numpy()) if number.null_count() else ()
    x = (number.fill_null(0) if len(strange) else number).to_numpy().astype(np.uint64)
    for i in strange:  # not a number: hash the text itself
        h = 0xCBF29CE484222325
        for byte in (ids[int(i)] or "").encode():
            h = ((h ^ byte) * 0x100000001B3) % 2**64
        x[i] = h
    with np.errstate(over="ignore"):
        x = x + np.uint64((seed * 0xD1342543DE82EF95 + 0x9E3779B97F4A7C15) % 2**64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
