"""The per-track files of the Million Song Dataset, in folders and archives: HDF5 with the timbre of
every segment.

What is read of a file: `/analysis/songs` (track id), `/metadata/songs` (artist) and
`/analysis/segments_timbre`, of which we take mean and covariance, as `YearPredictionMSD.txt` does.
Used by `msd`; Bertin-Mahieux et al. 2011."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from musicbook.corpus.long_jobs import hidden

FILES = 500  # that are read, checked and kept together
TIMBRES = 12
MEANS = [f"avg_timbre{i}" for i in range(1, TIMBRES + 1)]
COLUMNS = MEANS + [f"cov_timbre{i + 1}_{j + 1}" for i, j in zip(*np.triu_indices(TIMBRES))]

Fault = tuple[str, int, str]  # file, line (or place in the archive), reason
Chunk = tuple[
    list[int], pa.Table, list[Fault]
]  # where to go on, rows with their `line`, and what was left out


def hashed(name: bytes) -> str:
    """An artist's name as twelve digits: enough to tell artists apart, short in a column of a
    million."""
    return hashlib.blake2b(name, digest_size=6).hexdigest()


def timbre(segments: np.ndarray) -> np.ndarray:
    """Mean (12,) and covariances (78,), the upper triangle row by row, of a track's segments (n,
    12): (90,) float32. ValueError for fewer than two segments or another width."""
    if (
        segments.ndim != 2
        or segments.shape[1] != TIMBRES
        or len(segments) < 2
        or not np.isfinite(segments).all()
    ):
        raise ValueError(
            f"segments_timbre has the shape {segments.shape}, not (two or more, "
            f"{TIMBRES}) finite numbers"
        )
    covariance = np.cov(segments, rowvar=False)[np.triu_indices(TIMBRES)]
    return np.concatenate([segments.mean(axis=0), covariance]).astype(np.float32)


def read_h5(data: bytes) -> tuple[str, str, np.ndarray]:
    """Track id, artist (hashed) and `timbre` of one per-track file. ValueError for a file that is
    none."""
    try:
        import h5py
    except ImportError:
        raise RuntimeError(
            "the package h5py is not installed; pip install 'vae-music-clustering[msd]'"
        ) from None
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            songs, about = file["analysis/songs"], file["metadata/songs"]
            if len(songs) != 1:
                raise ValueError(f"{len(songs)} songs, not one: give the per-track files")
            name, artist = bytes(songs["track_id"][0]), bytes(about["artist_name"][0])
            return name.decode(), hashed(artist), timbre(file["analysis/segments_timbre"][:])
    except (OSError, KeyError) as error:
        raise ValueError(f"no per-track file of the Million Song Dataset ({error})") from None


def _members(paths: Sequence[Path], start: int) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Name and contents of every .h5 file from number `start`, in folders and archives; contents as
    they are asked for."""
    place = 0
    for path in paths:
        if path.suffix == ".h5":
            if place >= start:
                yield path.name, path.read_bytes
            place += 1
            continue
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    if member.isfile() and member.name.endswith(".h5"):
                        if place >= start:
                            yield member.name, lambda m=member: archive.extractfile(m).read()  # type: ignore
                        place += 1
        except (tarfile.ReadError, gzip.BadGzipFile, zlib.error, EOFError) as error:
            reason = str(error).partition("\n")[0].rstrip(":")
            raise ValueError(f"{path}: not a whole archive ({reason}); download it again") from None


def chunks(paths: Sequence[Path], at: list[int], quiet: bool) -> Iterator[Chunk]:
    """Chunks of per-track files from `at`, [number of files done]."""
    (start,) = at or [0]
    total = len(paths) if all(path.suffix == ".h5" for path in paths) else None
    with tqdm(
        total=total, initial=start, desc="per-track files", unit="track", disable=hidden(quiet)
    ) as bar:
        members, done = _members(paths, start), start
        while some := [(name, read()) for _, (name, read) in zip(range(FILES), members)]:
            rows, bad = [], []
            for place, (name, data) in enumerate(some, done + 1):
                try:
                    rows.append((*read_h5(data), name, place))
                except ValueError as error:
                    bad.append((name, place, str(error)))
            ids, artists, numbers, files, places = zip(*rows) if rows else [[]] * 5
            columns = dict(zip(COLUMNS, np.array(numbers, np.float32).reshape(-1, len(COLUMNS)).T))
            named = {
                "track_id": pa.array(ids, pa.string()),
                "artist": pa.array(artists, pa.string()),
            }
            ends = {"file": pa.array(files, pa.string()), "line": pa.array(places, pa.int64())}
            done += len(some)
            yield [done], pa.table(named | columns | ends), bad
            bar.update(len(some))
