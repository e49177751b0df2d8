"""Pretrained sound: what musicnn costs for a track of half a minute, on one thread.

    python bench/bench_pretrained.py [--tracks 5]

Synthetic clips; CPU seconds a track of the front end (`pretrained.patches`), and of the network
with 1, 2, 5 and 10 patches of three seconds at a time.  Writes data/results/bench/pretrained.json
and prints it."""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # one thread, so that CPU time is comparable

import argparse  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from musicbook.corpus import pretrained, synth  # noqa: E402

BATCHES = (1, 2, 5, 10)


def cpu(function, items: list) -> float:
    """CPU seconds a call: the median."""
    spent = []
    for item in items:
        start = time.process_time()
        function(item)
        spent.append(time.process_time() - start)
    return float(np.median(spent))


def measure(n: int) -> dict:
    clips = [synth.clip(sorted(synth.STYLES)[i % 10], seed=i, seconds=30.0) for i in range(n)]
    pretrained.hear(clips[0], "MSD")  # what a process does once: weights, filters, compiling
    return {
        "tracks": n,
        "patches": len(pretrained.patches(clips[0])),
        "front_end_cpu_s": cpu(pretrained.patches, clips),
        "rows": [
            {"batch": b, "cpu_s": cpu(lambda y, b=b: pretrained.hear(y, "MSD", batch=b), clips)}
            for b in BATCHES
        ],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, default=5)
    found = measure(parser.parse_args().tracks)
    path = ROOT / "data" / "results" / "bench" / "pretrained.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
