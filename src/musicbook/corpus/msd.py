"""The Million Song Dataset and the lists beside it, from the reader's own copies to one columnar
table a source.

Three files bring features: `msd_genre_dataset.txt` (59,600 tracks, 10 genres, 30 features),
`YearPredictionMSD.txt` (515,345 tracks, 90 features), and the per-track `.h5` files themselves. Two
sorts of lists are joined to them by track id: musiXmatch's bags of words (`mxm_dataset_train.txt`,
`_test.txt`) and tagtraum's genre lists (`.cls`). Sources are read in chunks, and each chunk that is
done is kept as a file, so that memory does not grow with the table and a killed run goes on where
it was; a row that cannot be used is named and left out. Used by `make data MSD=...`; Bertin-Mahieux
et al. 2011; pages "Data" and "CVAE and posterior collapse"."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from scipy import sparse
from tqdm import tqdm

from helpers import store
from musicbook.corpus import per_track
from musicbook.corpus.long_jobs import hidden, printable
from musicbook.corpus.per_track import MEANS, TIMBRES, Chunk, Fault, hashed

CHUNK = 20_000  # lines that are read, checked and kept together
TEXT_DIMS = 128  # of the vectors made of bags of words
ID = re.compile(rb"TR\w{16}")
BAG = re.compile(rb"TR\w{16},\d+(?:,[1-9]\d*:\d+)+")
CUT = "the file ends in the middle of this line"
SONG = ["loudness", "tempo", "time_signature", "key", "mode", "duration"]
GENRE_COLUMNS = SONG + MEANS + [f"var_timbre{i}" for i in range(1, TIMBRES + 1)]
YEAR_COLUMNS = MEANS + [
    f"cov_timbre{i}" for i in range(1, 79)
]  # in the file's order, whose pairs nobody published


def msd_files(path: str | Path) -> dict[str, list[Path]]:
    """What of the dataset lies at a path, a folder or one file: {"genre", "year", "h5", "words",
    "lists": files}.

    Text files may be packed one by one (.zip, .gz), per-track files in a .tar or .tar.gz.
    FileNotFoundError where there is nothing that brings features."""
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder for MSD")
    patterns = {
        "genre": r"msd_genre_dataset.*",
        "year": r"yearpredictionmsd.*",
        "words": r"mxm_dataset_\w+\.txt.*",
        "lists": r".*\.cls(\.zip|\.gz)?",
        "h5": r".*\.(h5|tar|tar\.gz|tgz)",
    }
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    found = {
        kind: [file for file in files if re.fullmatch(pattern, file.name.lower())]
        for kind, pattern in patterns.items()
    }
    found["words"].sort(key=lambda file: "train" not in file.name)
    if not found["genre"] + found["year"] + found["h5"]:
        raise FileNotFoundError(
            f"{path}: holds no msd_genre_dataset.txt, YearPredictionMSD.txt or .h5 files"
        )
    return found


def convert(path: str | Path, folder: str | Path, quiet: bool = False) -> list[tuple[Path, str]]:
    """Make a table of every source of features at `path`: `folder`/msd_<source>.parquet, with what
    is said of each.

    Columns: track_id; genre, decade, or one a list, where known; artist (a hash of the name), which
    says what belongs together; float32 features; and text_000 ... (`bag_vectors`) where there are
    bags of words. Every list narrows the table to the tracks that it knows. Rows left out are
    written to msd_<source>_faults.csv. ValueError where nothing is left of a table or a list cannot
    be what its name says, OSError where there is no room."""
    found, made = msd_files(path), []
    readers: dict[str, Callable[[list[int]], Iterator[Chunk]]] = {
        "genre": lambda at: _from_text(found["genre"], at, _genre, quiet),
        "year": lambda at: _from_text(found["year"], at, _year, quiet),
        "h5": lambda at: per_track.chunks(found["h5"], at, quiet),
    }
    for source, read in readers.items():
        if not found[source]:
            continue
        lists = (
            [] if source == "year" else found["words"] + found["lists"]
        )  # its tracks have no ids
        stamps = [
            (str(file), file.stat().st_size, file.stat().st_mtime_ns)
            for file in found[source] + lists
        ]
        key, out = (
            store.key(convert, stamps, CHUNK, per_track.FILES),
            Path(folder) / f"msd_{source}.parquet",
        )
        report = out.with_name(f"{out.stem}_faults.csv")
        if (
            out.exists()
            and (pq.read_schema(out).metadata or {}).get(b"made_of", b"").decode() == key
        ):
            made.append((out, f"{pq.read_metadata(out).num_rows:,} tracks, there already"))
            continue
        faults, parts = _kept(out.with_suffix(".parts"), key, read)
        said = _joined(
            parts,
            [f for f in lists if f in found["words"]],
            found["lists"] if lists else [],
            faults,
            out,
            key,
        )
        _report(faults, report)
        shutil.rmtree(out.with_suffix(".parts"))
        said += f"; {len(faults)} rows left out, named in {report.name}" if faults else ""
        made.append((out, said))
    return made


# ---- chunks --------------------------------------------------------------------------------------


def _kept(
    folder: Path, key: str, read: Callable[[list[int]], Iterator[Chunk]]
) -> tuple[list[Fault], list[Path]]:
    """Write every chunk of a source as a file of `folder`, but those that a run before left there
    (`key` says that it had the same source and code); then all faults, repeated ids among them, and
    the files."""
    if not (folder / key).exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / key).touch()
    parts, seen, faults, start = (
        sorted(folder.glob("[!.]*.parquet")),
        set[str](),
        list[Fault](),
        list[int](),
    )
    for part in parts:
        told = json.loads(pq.read_schema(part).metadata[b"told"])
        start, faults = told["at"], faults + [tuple(fault) for fault in told["faults"]]
        seen.update(pq.read_table(part, columns=["track_id"])["track_id"].to_pylist())
    for at, table, bad in read(start):
        ids, new = table["track_id"].to_pylist(), []
        for row, (name, file, line) in enumerate(
            zip(ids, table["file"].to_pylist(), table["line"].to_pylist())
        ):
            if name in seen:
                bad.append((file, line, f"track_id {name} occurs more than once"))
            else:
                seen.add(name)
                new.append(row)
        table = table.take(pa.array(new, pa.int64())).drop_columns(["file", "line"])
        bad.sort(key=lambda fault: fault[1])
        table = table.replace_schema_metadata({"told": json.dumps({"at": at, "faults": bad})})
        parts.append(
            store.write_atomically(
                folder / f"{len(parts):06d}.parquet", partial(pq.write_table, table)
            )
        )
        faults += bad
    return faults, parts


def _joined(
    parts: list[Path],
    words: list[Path],
    lists: list[Path],
    faults: list[Fault],
    out: Path,
    key: str,
) -> str:
    """Join lists to the chunks and write the table, a row group a chunk; says what was kept. Adds
    to `faults`."""
    ids = [pq.read_table(part, columns=["track_id"])["track_id"].to_pylist() for part in parts]
    wanted, said = {name for some in ids for name in some}, []
    total, columns, text = len(wanted), dict[str, dict[str, str]](), None
    if not wanted:
        raise ValueError(
            f"{out.name}: no row can be used{f'; the first: {faults[0][2]}' if faults else ''}"
        )
    for k, file in enumerate(lists):
        name = (
            "genre"
            if k == 0 and "genre" not in pq.read_schema(parts[0]).names
            else file.name.split(".")[0]
        )
        columns[name] = _list(file, faults)
        said.append(f"{len(wanted - columns[name].keys()):,} are not in {file.name}")
        wanted &= columns[name].keys()
    if words:
        place, counts = _bags(words, wanted, faults)
        said.append(f"{len(wanted) - len(place):,} have no words")
        wanted &= place.keys()
    if not wanted:
        raise ValueError(f"{out.name}: none of {total:,} tracks is left ({'; '.join(said)})")
    order = [[row for row, name in enumerate(some) if name in wanted] for some in ids]
    if words:
        text, share = bag_vectors(
            counts[[place[some[row]] for some, rows in zip(ids, order) for row in rows]]
        )
        said.append(
            f"{text.shape[1]} text columns keep {share:.0%} of the variance of the words' weights"
        )

    def write(to: Path) -> None:
        writer, done = None, 0
        for part, rows in zip(parts, order):
            table = pq.read_table(part).take(pa.array(rows, pa.int64()))
            names = table["track_id"].to_pylist()
            for name, known in columns.items():
                table = table.add_column(1, name, pa.array([known[i] for i in names]))
            for j, column in enumerate(() if text is None else text[done : done + len(rows)].T):
                table = table.append_column(f"text_{j:03d}", pa.array(column))
            done, table = (
                done + len(rows),
                table.replace_schema_metadata({b"made_of": key.encode()}),
            )
            writer = writer or pq.ParquetWriter(to, table.schema, compression="zstd")
            writer.write_table(table)
        if writer is not None:
            writer.close()

    store.write_atomically(out, write)
    return f"{len(wanted):,} of {total:,} tracks" + "".join(f"; {part}" for part in said)


def _report(faults: list[Fault], report: Path) -> None:
    if not faults:
        report.unlink(missing_ok=True)
        return
    columns = [list(column) for column in zip(*faults)]
    table = pa.table(columns, names=["file", "line", "reason"])
    store.write_atomically(report, lambda to: pyarrow.csv.write_csv(table, to))


# ---- text files ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(path: Path, at: int = 0) -> Iterator[tuple[IO[bytes], int | None]]:
    """A file, packed or not, from byte `at`, and how many bytes it has, None where only reading
    would tell."""
    with contextlib.ExitStack() as stack:
        try:
            if path.suffix == ".zip":
                archive = stack.enter_context(zipfile.ZipFile(path))
                member = next(info for info in archive.infolist() if not info.is_dir())
                file, size = stack.enter_context(archive.open(member)), member.file_size
            elif path.suffix == ".gz":
                file, size = stack.enter_context(gzip.open(path)), None  # type: ignore[arg-type]
            else:
                file, size = stack.enter_context(open(path, "rb")), path.stat().st_size
            file.seek(at)
            yield file, size
        except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, StopIteration) as error:
            raise ValueError(
                f"{path}: not a whole packed file ({error}); download it again"
            ) from None


def _lines(path: Path, faults: list[Fault]) -> Iterator[tuple[int, bytes]]:
    """Numbered lines of a file without comments; a last one that is cut is a fault."""
    with _opened(path) as (file, _):
        for number, text in enumerate(file, 1):
            if not text.endswith(b"\n"):
                faults.append((path.name, number, CUT))
            elif not text.startswith(b"#") and text.strip():
                yield number, text


def _from_text(
    paths: Sequence[Path], at: list[int], parse: Callable, quiet: bool
) -> Iterator[Chunk]:
    """Chunks of the first of `paths` from `at`, [byte, line]; `parse(lines)` gives columns and
    reasons by line."""
    path, (byte, line) = paths[0], at or (0, 0)
    with (
        _opened(path, byte) as (file, size),
        tqdm(
            total=size,
            initial=byte,
            desc=path.name,
            unit="B",
            unit_scale=True,
            disable=hidden(quiet),
        ) as bar,
    ):
        while lines := [text for _, text in zip(range(CHUNK), file)]:
            rows = [
                (i, text.strip())
                for i, text in enumerate(lines, line + 1)
                if text[:1] not in b"#%" and text.strip() and text.endswith(b"\n")
            ]
            columns, reasons = parse(rows)
            byte, line = byte + sum(map(len, lines)), line + len(lines)
            reasons += [] if lines[-1].endswith(b"\n") else [(line, CUT)]
            table = pa.table(
                columns | {"file": pa.array([path.name] * len(columns["line"]), pa.string())}
            )
            yield [byte, line], table, [(path.name, i, reason) for i, reason in sorted(reasons)]
            bar.update(byte - bar.n)


def _numbers(
    rows: list[tuple[int, bytes]], names: list[str]
) -> tuple[dict[str, np.ndarray], list[tuple[int, str]]]:
    """Comma-separated numbers as float32 columns, `line` among them, and why lines were left out:
    another count of values, one that is no finite number."""
    width, reasons, good = len(names), [], []
    for line, text in rows:
        if (count := text.count(b",") + 1) == width:
            good.append((line, text))
        else:
            reasons.append((line, f"{count} values, not {width}"))
    options = pyarrow.csv.ConvertOptions(
        column_types={f"f{i}": pa.float64() for i in range(width)}, null_values=[]
    )

    def values(some: list[tuple[int, bytes]]) -> np.ndarray:
        text = io.BytesIO(b"\n".join(text for _, text in some) + b"\n")
        read = pyarrow.csv.ReadOptions(autogenerate_column_names=True)
        return np.array(
            [
                c.to_numpy()
                for c in pyarrow.csv.read_csv(text, read, convert_options=options).columns
            ]
        ).T

    def usable(row: tuple[int, bytes]) -> bool:
        try:
            return bool(np.isfinite(values([row])).all())
        except pa.ArrowInvalid:
            return False

    try:
        found = values(good) if good else np.empty((0, width))
        fine = np.isfinite(found).all(axis=1)
    except pa.ArrowInvalid:  # somewhere in the chunk: look at each line
        kept = [row for row in good if usable(row)]
        reasons += [
            (line, "a value is no finite number") for line, _ in sorted(set(good) - set(kept))
        ]
        good, found = kept, values(kept) if kept else np.empty((0, width))
        fine = np.full(len(good), True)
    reasons += [
        (line, "a value is no finite number")
        for (line, _), ok in zip(good, np.atleast_1d(fine))
        if not ok
    ]
    table = {"line": np.array([line for line, _ in good], int)[fine]}
    return table | dict(zip(names, found[fine].astype(np.float32).T)), reasons


def _year(rows: list[tuple[int, bytes]]) -> tuple[dict[str, Any], list[tuple[int, str]]]:
    """`YearPredictionMSD.txt`: the year, 12 means and 78 covariances of timbre; tracks are called
    by their line."""
    columns, reasons = _numbers(rows, ["year", *YEAR_COLUMNS])
    decades = columns.pop("year").astype(int) // 10 * 10
    ids = [f"line{line:06d}" for line in columns["line"]]
    decade = pa.array([f"{decade}s" for decade in decades], pa.string())
    return {"track_id": pa.array(ids, pa.string()), "decade": decade} | columns, reasons


def _genre(rows: list[tuple[int, bytes]]) -> tuple[dict[str, Any], list[tuple[int, str]]]:
    """`msd_genre_dataset.txt`: genre, track_id, artist_name, title, and 30 numbers."""
    reasons, words, numbers = [], dict[int, list[bytes]](), []
    for line, text in rows:
        head = text.split(b",", 4)
        if len(head) < 5:
            reasons.append((line, f"{len(head)} values, not {4 + len(GENRE_COLUMNS)}"))
        elif not ID.fullmatch(head[1]):
            reasons.append(
                (line, f"{printable(head[1].decode('utf-8', 'replace'))!r} is no track id")
            )
        else:
            words[line] = head
            numbers.append((line, head[4]))
    columns, more = _numbers(numbers, GENRE_COLUMNS)
    reasons += [
        (
            line,
            why
            if "values" not in why
            else f"{4 + int(why.split()[0])} values, not {4 + len(GENRE_COLUMNS)}",
        )
        for line, why in more
    ]
    kept = [words[line] for line in columns["line"]]
    named = {
        "track_id": [head[1].decode() for head in kept],
        "genre": [head[0].decode() for head in kept],
        "artist": [hashed(head[2]) for head in kept],
    }
    return {
        name: pa.array(values, pa.string()) for name, values in named.items()
    } | columns, reasons


# ---- lists that are joined -----------------------------------------------------------------------


def _list(path: Path, faults: list[Fault]) -> dict[str, str]:
    """A tagtraum genre list: track id, tab, genre, and sometimes a tab and a second one, which is
    not used."""
    found = dict[str, str]()
    for line, text in _lines(path, faults):
        name, *genres = text.rstrip(b"\r\n").split(b"\t")
        if not ID.fullmatch(name) or len(genres) not in (1, 2) or not genres[0]:
            faults.append((path.name, line, "not a track id, a tab and a genre"))
        elif name.decode() in found:
            faults.append((path.name, line, f"track_id {name.decode()} occurs more than once"))
        else:
            found[name.decode()] = genres[0].decode("utf-8", "replace")
    return found


def _bags(
    paths: Sequence[Path], wanted: set[str], faults: list[Fault]
) -> tuple[dict[str, int], sparse.csr_matrix]:
    """musiXmatch's bags of words of the `wanted` tracks: their rows by id, and counts (tracks,
    words)."""
    place, n_words, seen = dict[str, int](), 0, set[str]()
    words, counts, ends = list[np.ndarray](), list[np.ndarray](), [0]
    for path in paths:
        for line, text in _lines(path, faults):
            if text.startswith(b"%"):
                n_words = max(n_words, text.count(b",") + 1)
                continue
            if not n_words:
                raise ValueError(
                    f"{path}: line {line} comes before the line of words, which begins with %"
                )
            if not BAG.fullmatch(text := text.strip()):
                faults.append((path.name, line, "not track_id,mxm_id,index:count,..."))
                continue
            name, _, bag = text.split(b",", 2)
            if name.decode() in seen:
                faults.append((path.name, line, f"track_id {name.decode()} occurs more than once"))
                continue
            seen.add(name.decode())
            pairs = np.array(bag.replace(b":", b",").split(b","), dtype=np.int32).reshape(-1, 2)
            if pairs[:, 0].max() > n_words:
                faults.append((path.name, line, f"word {pairs[:, 0].max()} of {n_words}"))
            elif name.decode() in wanted:
                place[name.decode()] = len(place)
                words.append(pairs[:, 0] - 1)
                counts.append(pairs[:, 1])
                ends.append(ends[-1] + len(pairs))
    flat = [np.concatenate(part) if part else np.empty(0, np.int32) for part in (counts, words)]
    return place, sparse.csr_matrix((*flat, ends), shape=(len(place), n_words))


def bag_vectors(
    counts: sparse.csr_matrix, dims: int = TEXT_DIMS, seed: int = 0
) -> tuple[np.ndarray, float]:
    """Bags of words (n, words) as text vectors (n, at most `dims`) float32, and the share of the
    variance they keep.

    TF-IDF with log counts and rows of length one (Salton & Buckley 1988), then its leading singular
    vectors (latent semantic analysis, Deerwester et al. 1990). No label and no other table is used:
    the words weigh what they weigh among these tracks."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer

    weights = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    svd = TruncatedSVD(max(1, min(dims, min(counts.shape) - 1)), random_state=seed)
    return svd.fit_transform(weights).astype(np.float32), float(svd.explained_variance_ratio_.sum())
