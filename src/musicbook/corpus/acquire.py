"""The full data, from the reader's own copy or from Kaggle: find GTZAN, check it against its
manifest, unpack safely.

Neither GTZAN nor the Genius table may be passed on, so both come from where the reader got them.
Used by `make data`."""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from itertools import product
from pathlib import Path

import pandas as pd

from musicbook.corpus.audio import read_header

log = logging.getLogger("helpers")

GENRES = (
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
)
PER_GENRE = 100
RATE = 22050
SECONDS = (29.9, 30.7)  # the 1000 files last between these
KNOWN_FAULTS = {"jazz.00054": "its Kaggle copy is damaged; 999 tracks are what everyone gets"}
KAGGLE = {
    "gtzan": "andradaolteanu/gtzan-dataset-music-genre-classification",
    "genius": "carlosgdcj/genius-song-lyrics-with-language-information",
}


def find_gtzan(path: str | Path) -> dict[str, Path]:
    """The tracks of a GTZAN collection: `{track id: file}`, sorted.

    Knows the Kaggle layout (`genres_original/<genre>/*.wav`), the Marsyas layout
    (`genres/<genre>/*.au`), mirdata's home, and any folder that holds the genre folders.  Raises
    FileNotFoundError when there are none."""
    path = Path(path).expanduser()
    if not path.is_dir():
        raise FileNotFoundError(
            f"{path}: no such folder; give the folder that holds GTZAN's genre folders"
        )
    levels = ["", "*/", "*/*/", "*/*/*/"]  # mirdata keeps it three folders down
    roots = (p.parent for level in levels for p in sorted(path.glob(f"{level}blues")) if p.is_dir())
    best: dict[str, Path] = {}
    for root in roots:
        found = {
            file.stem: file
            for genre in GENRES
            for file in sorted((root / genre).glob(f"{genre}.*"))
            if file.suffix.lower() in (".wav", ".au", ".flac", ".mp3", ".ogg")
        }
        best = max(best, found, key=len)
    if not best:
        raise FileNotFoundError(
            f"{path}: no genre folders with files like blues/blues.00000.wav or .au are in it"
        )
    return best


def verify(tracks: dict[str, Path]) -> pd.DataFrame:
    """What is amiss with a GTZAN collection: one row (track_id, problem) for each missing or
    unusual track.

    Looks at the headers: sampling rate 22050 Hz, 29.9 to 30.7 s, a format that decodes.
    """
    rows = []
    for track in [f"{genre}.{i:05d}" for genre, i in product(GENRES, range(PER_GENRE))]:
        if track not in tracks:
            rows.append([track, "missing"])
            continue
        try:
            rate, seconds = read_header(tracks[track])
        except (ValueError, OSError) as error:
            rows.append([track, f"cannot be read ({error})"])
            continue
        if rate != RATE:
            rows.append([track, f"sampling rate {rate} Hz, not {RATE}"])
        if not SECONDS[0] <= seconds <= SECONDS[1]:
            rows.append([track, f"lasts {seconds:.2f} s"])
    table = pd.DataFrame(rows, columns=["track_id", "problem"])
    known = table["track_id"].map(KNOWN_FAULTS)
    table["problem"] = table["problem"].where(
        known.isna(), table["problem"] + "; " + known.fillna("").astype(str)
    )
    return table


def unpack(archive: str | Path, target: str | Path) -> Path:
    """Unpack a .zip, .tar, .tar.gz or .tgz into the new folder `target`, whole or not at all, and
    nowhere else.

    Raises FileNotFoundError, FileExistsError, or ValueError for a damaged archive or one with a
    member that would land outside of `target` (nothing is written then)."""
    archive, target = Path(archive), Path(target)
    if not archive.is_file():
        raise FileNotFoundError(f"{archive}: no such archive")
    if target.exists():
        raise FileExistsError(
            f"{target}: is there already; remove it to unpack {archive.name} again"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as z:
                for name in z.namelist():
                    if not (workspace / name).resolve().is_relative_to(workspace.resolve()):
                        raise ValueError(
                            f"{archive}: its member {name!r} would land outside of "
                            "the folder; not unpacked"
                        )
                z.extractall(workspace)
        else:
            with tarfile.open(archive) as t:
                t.extractall(
                    workspace, filter="data"
                )  # refuses absolute names, "..", links to outside, devices
        os.replace(workspace, target)
    except tarfile.FilterError as error:
        raise ValueError(
            f"{archive}: a member would land outside of the folder; not unpacked ({error})"
        ) from None
    except (tarfile.ReadError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError) as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise ValueError(
            f"{archive}: not a whole .zip or .tar.gz archive ({reason}); download it again"
        ) from None
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    return target


def locate(what: str, given: str | Path | None, raw: str | Path) -> Path:
    """The folder (or table) of "gtzan" or "genius": the path given, an unpacked archive, or a
    download from Kaggle.

    An archive is unpacked into `raw`/<what>.  Raises FileNotFoundError with what to do when there
    is nothing."""
    raw = Path(raw) / what
    if given:
        given = Path(given).expanduser()
        if not given.exists():
            raise FileNotFoundError(f"{given}: no such file or folder for {what.upper()}")
        archive = given.is_file() and given.name.lower().endswith(
            (".zip", ".tar", ".tar.gz", ".tgz")
        )
        if not archive:
            return given
        if raw.exists():
            log.warning("%s is there already and is used; remove it to unpack %s", raw, given.name)
            return raw
        return unpack(given, raw)
    if raw.exists():
        return raw
    try:
        import kagglehub

        return Path(kagglehub.dataset_download(KAGGLE[what]))
    except ImportError:
        reason = "the package kagglehub is not installed (`pip install kagglehub`)"
    except Exception as error:  # whatever a client without network, account or permission meets
        reason = f"Kaggle cannot be reached from here ({type(error).__name__})"
    raise FileNotFoundError(
        f"no copy of {what}: {reason}; download kaggle.com/datasets/{KAGGLE[what]} by hand and "
        "give its path: "
        f"make data {what.upper()}=/path/to/it"
    )


def find_lyrics_table(path: str | Path) -> Path:
    """The lyrics table at a path: the .csv or .parquet itself, or the largest one in a folder."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such table or folder")
    if path.is_file():
        return path
    tables = [*path.rglob("*.csv"), *path.rglob("*.parquet")]
    if not tables:
        raise FileNotFoundError(f"{path}: no .csv or .parquet table in it")
    return max(tables, key=lambda p: p.stat().st_size)
