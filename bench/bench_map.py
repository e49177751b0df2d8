"""What `musicbook map` costs: CPU seconds, wall time and peak memory, the first time and the
second.

    python bench/bench_map.py [--tracks 100] [--rows 1000 10000]

`--tracks` are synthetic clips of half a minute, written to a folder and mapped as music is:
decoded, heard by musicnn, grouped. `--rows` are tables of random numbers, for what is left without
the sound: grouping, repeating, and the page. Writes data/results/bench/map.json and prints it. The
weights of musicnn must be at hand (HELPERS_MUSICNN, or in the store)."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import soundfile as sf

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from helpers.features import FEATURES, SR  # noqa: E402
from musicbook.corpus import pretrained, synth  # noqa: E402

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
EVERY = 0.5  # seconds between two looks at the memory


def measured(source: Path, out: Path, store: Path) -> dict[str, float]:
    """One run of the command with one thread a process: CPU seconds and peak memory of it and of
    the processes that it starts. What they share is counted once (proportional set size)."""
    threads = dict.fromkeys(THREADS, "1")
    wheel = str(pretrained.find_wheel())
    environment = os.environ | threads | {"HELPERS_CACHE": str(store), "HELPERS_MUSICNN": wheel}
    environment["PYTHONPATH"] = str(ROOT / "src")
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "musicbook", "map", str(source), "--out", str(out), "--quiet"]
    running, peak = subprocess.Popen(command, env=environment), 0
    while running.poll() is None:
        peak = max(peak, memory_of(running.pid))
        time.sleep(EVERY)
    if running.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {running.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall = time.perf_counter() - began
    return {
        "cpu_s": round(spent, 1),
        "wall_s": round(wall, 1),
        "peak_gib": round(peak / 2**30, 2),
    }


def memory_of(pid: int) -> int:
    """Bytes of a process and of all that it has started; 0 once it has ended."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return sum(one.memory_full_info().pss for one in family)
    except psutil.Error:
        return 0


def first_and_second(source: Path, folder: Path) -> dict[str, dict[str, float]]:
    """The first run with an empty store, and the second."""
    runs = {}
    for name in ("first", "second"):
        runs[name] = measured(source, folder / "map", folder / "store")
    return runs


def clips(folder: Path, n: int) -> Path:
    """n synthetic tracks of half a minute in a folder."""
    music = folder / "music"
    music.mkdir()
    for i in range(n):
        style = sorted(synth.STYLES)[i % 10]
        sf.write(music / f"{style} {i}.flac", synth.clip(style, seed=i, seconds=30.0), SR)
    return music


def table(folder: Path, n: int) -> Path:
    """n rows of 68 numbers in ten clouds that overlap."""
    rng = np.random.default_rng(0)
    centres = 2 * rng.normal(size=(10, len(FEATURES)))
    X = centres[rng.integers(10, size=n)] + 2 * rng.normal(size=(n, len(FEATURES)))
    frame = pd.DataFrame(X, columns=FEATURES)
    frame.insert(0, "track_id", [f"track {i}" for i in range(n)])
    frame.to_csv(folder / "songs.csv", index=False)
    return folder / "songs.csv"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, nargs="*", default=[100])
    parser.add_argument("--rows", type=int, nargs="*", default=[1000])
    options = parser.parse_args()
    path = ROOT / "data" / "results" / "bench" / "map.json"
    found = json.loads(path.read_text()) if path.exists() else {"tracks": {}, "rows": {}}
    for kind, make, sizes in (("tracks", clips, options.tracks), ("rows", table, options.rows)):
        for n in sizes:
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                found[kind][str(n)] = first_and_second(make(folder, n), folder)
            path.write_text(json.dumps(found, indent=1) + "\n")
    found["date"] = date.today().isoformat()
    found["machine"] = f"{os.cpu_count()} cores, {platform.machine()}"
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
