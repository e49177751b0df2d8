"""The Genius Song Lyrics table (5 million texts, 9 GB) read in bounded memory: filter, and a seeded
sample per tag.

Used by the command line (`python -m musicbook lyrics`) and page "Data".
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from musicbook.corpus.long_jobs import hidden

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
    """A random sample of `per_tag` texts of each tag, from a table of lyrics of any size, in one
    streaming pass.

    `path` is a .csv (quotes and line breaks inside lyrics intact) or .parquet with the columns id,
    title, artist, tag, language and lyrics; empty lyrics are passed over.  `tags=None` takes every
    tag, `language=None` every language. A row's place in the draw is a hash of its id and `seed`,
    so the sample does not depend on order or chunk size, and a larger `per_tag` extends it.  Memory
    holds the sample and a few chunks, whatever the size of the file. Returns (n, 6) `COLUMNS`,
    sorted by tag and place in the draw. Rows of a .csv that are no UTF-8, or have too many or too
    few fields, are left out and named in a warning, and as (line, reason) in the result's
    `attrs["faults"]`. Raises FileNotFoundError, or ValueError for a missing column or a tag that
    does not occur. Sampling: the k smallest of uniform random keys (Vitter 1985, section 1)."""
    import polars as pl

    if per_tag < 1:
        raise ValueError(f"per_tag={per_tag}: take at least 1 text of each tag")
    path = Path(path)
    table = _open(path)
    faults: list[tuple[int, str]] = []
    try:
        every_column = pl.QueryOptFlags(
            projection_pushdown=False
        )  # or a row with too many fields is shifted unseen
        chunks = _wanted(table, tags, language).collect_batches(
            engine="streaming", maintain_order=False, chunk_size=CHUNK, optimizations=every_column
        )
        drawn = _draw(chunks, per_tag, seed, quiet)
    except pl.exceptions.PolarsError as error:
        if path.suffix.lower() != ".csv":
            raise ValueError(f"{path}: cannot be read to the end ({_first_line(error)})") from None
        log.warning("%s: some rows are not well formed; it is read again, row by row", path)
        well = (
            _wanted(chunk.lazy(), tags, language).collect() for chunk in _row_by_row(path, faults)
        )
        drawn = _draw(well, per_tag, seed, quiet)
    if faults:
        first = "; ".join(f"line {line}: {why}" for line, why in faults[:5])
        more = " …" if len(faults) > 5 else ""
        log.warning("%s: %d rows are left out: %s%s", path, len(faults), first, more)
    missing = [t for t in tags or () if t not in drawn]
    if missing or not drawn:
        seen = _tags(table) if not faults else []
        what = f"no texts of the tag {missing[0]!r}" if missing else "no texts are left"
        where = f" in language {language!r}" if language is not None else ""
        known = f"; the tags of the table are {', '.join(seen[:20])}" if seen else ""
        if faults:
            line, reason = faults[0][0], faults[0][1]
            known += f"; {len(faults)} rows could not be read, the first: line {line}, {reason}"
        raise ValueError(f"{path}: {what}{where}{known}")
    found = pd.DataFrame(
        [row[1:] for tag in sorted(drawn) for row in drawn[tag]], columns=list(COLUMNS)
    )
    found.attrs["faults"] = faults
    return found


def _wanted(table: pl.LazyFrame, tags: Sequence[str] | None, language: str | None) -> pl.LazyFrame:
    import polars as pl

    wanted = table.filter(pl.col("tag").is_not_null())
    if tags is not None:
        wanted = wanted.filter(pl.col("tag").is_in(list(tags)))
    if language is not None:
        wanted = wanted.filter(pl.col("language") == language)
    return wanted


def _tags(table: pl.LazyFrame) -> list[str]:
    found = (
        table.select("tag")
        .unique()
        .collect(engine="streaming")["tag"]
        .drop_nulls()
        .sort()
        .to_list()
    )
    return list(map(str, found))


def _draw(
    chunks: Iterator[pl.DataFrame], per_tag: int, seed: int, quiet: bool
) -> dict[str, list[tuple]]:
    """{tag: [(place, id, title, ...)]}, sorted, at most `per_tag` of each."""
    import polars as pl
    from tqdm import tqdm

    drawn: dict[str, list[tuple]] = {}
    with tqdm(desc="lyrics", unit="row", unit_scale=True, disable=hidden(quiet)) as bar:
        for chunk in chunks:
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
    return drawn


def _open(path: Path) -> pl.LazyFrame:
    import polars as pl

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such table of lyrics")
    if path.suffix.lower() == ".parquet":
        table = pl.scan_parquet(path)
    elif path.suffix.lower() == ".csv":
        if not path.stat().st_size:
            raise ValueError(f"{path}: the file is empty")
        # every column as text: 9 GB are not read twice to guess types, and a stray word in `id` is
        # no error
        table = pl.scan_csv(path, infer_schema=False)
    else:
        raise ValueError(
            f"{path}: a table of lyrics is a .csv or .parquet file (unpack a .zip first)"
        )
    try:
        names = table.collect_schema().names()
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"{path}: not a readable table ({_first_line(error)})") from None
    missing = [c for c in COLUMNS if c not in names]
    if missing:
        raise ValueError(
            f"{path}: column {missing[0]!r} is missing; needed are {', '.join(COLUMNS)}"
        )
    return table.select(pl.col(c).cast(pl.String) for c in COLUMNS)


def _row_by_row(path: Path, faults: list[tuple[int, str]]) -> Iterator[pl.DataFrame]:
    """The well-formed rows of a .csv, in chunks; (line, what is wrong) of the others goes to
    `faults`."""
    import polars as pl

    from musicbook.corpus.joined import each_row

    names: list[str] = []
    rows: list[dict[str, str]] = []
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        for line, row, why in each_row(file, ","):
            if not names:
                names = row
            elif why or len(row) != len(names):
                faults.append((line, why or f"{len(row)} fields instead of {len(names)}"))
            else:
                rows.append({c: v for c, v in zip(names, row, strict=True) if c in COLUMNS})
            if len(rows) == CHUNK:
                yield pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String))
                rows = []
    yield pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]


def _places(ids: pl.Series, seed: int) -> np.ndarray:
    """(n,) uint64 uniform pseudo-random numbers from the ids: FNV-1a of other ids' text, then
    SplitMix64."""
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
