"""Cost of clustering at size: N = 10^3 ... 10^6 rows of 32 columns, each run in a process of its
own.

`python bench/bench_clustering.py` prints the table (wall and CPU seconds, peak memory of the
process, or why a method refused) and writes data/results/bench/clustering.json. The rows are draws
from ten Gaussian clusters in 8 of the 32 dimensions, the rest being noise like the dead dimensions
of a latent space."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import joblib
import numpy as np
import sklearn

from helpers import clustering

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "bench" / "clustering.json"
RUNS = [*clustering.METHODS, "dbscan_eps", "silhouette", "exact silhouette"]
LIMIT_S = 900


def latents(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, 32), and the Gaussian that each was drawn from (n,)."""
    rng = np.random.default_rng(0)
    X = 0.3 * rng.standard_normal((n, 32), dtype=np.float32)
    truth = rng.integers(0, 10, n)
    X[:, :8] = 2.0 * rng.standard_normal((10, 8))[truth] + rng.standard_normal((n, 8))
    return X, truth


def one(method: str, n: int) -> dict:
    """Time one call here, in this process; what it refuses is told, not raised."""
    X, truth = latents(n)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    row: dict[str, object] = {"method": method, "rows": n}
    try:
        if method == "dbscan_eps":
            row["value"] = clustering.dbscan_eps(X, "knee")
        elif method.endswith("silhouette"):
            sample = None if method.startswith("exact") else clustering.SAMPLE
            row["value"] = clustering.silhouette(X, truth, sample=sample)
        else:
            labels = clustering.cluster(X, method)
            row["clusters"], row["noise_share"] = int(labels.max()) + 1, float(np.mean(labels < 0))
    except ValueError as error:
        return row | {"refused": str(error)}
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    unit = 2**20 if sys.platform != "darwin" else 2**30  # kB, and bytes on macOS
    return row | {
        "wall_s": time.perf_counter() - began,
        "cpu_s": cpu,
        "peak_gb": after.ru_maxrss / unit,
    }


def apart(method: str, n: int) -> dict:
    """`one` in a fresh process, so that the peak memory is its own."""
    try:
        done = subprocess.run(
            [sys.executable, __file__, "--one", method, str(n)],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return {
            "method": method,
            "rows": n,
            "refused": f"stopped by the benchmark after {LIMIT_S} s",
        }
    if done.returncode:
        raise RuntimeError(f"{method} on {n} rows failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--largest", type=int, default=10**6, help="most rows")
    parser.add_argument("--methods", nargs="*", default=RUNS, choices=RUNS)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "ROWS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.one[0], int(args.one[1]))))
        return
    rows = []
    print(f"{'method':18} {'rows':>8}  {'wall s':>8} {'CPU s':>8} {'peak GB':>8}")
    for method in args.methods:
        for n in (10**k for k in range(3, 7)):
            if n <= args.largest:
                row = apart(method, n)
                rows.append(row)
                cost = (
                    "  ".join(f"{row[k]:8.2f}" for k in ("wall_s", "cpu_s", "peak_gb"))
                    if "wall_s" in row
                    else row["refused"]
                )
                print(f"{method:18} {n:8d}  {cost}", flush=True)
    result = {
        "date": date.today().isoformat(),
        "machine": f"{joblib.cpu_count()} cores, {platform.machine()}",
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "versions": {
            "python": platform.python_version(),
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
        },
        "limits": clustering.LIMITS
        | {"dbscan pairs": clustering.NEIGHBOUR_PAIRS, "sample": clustering.SAMPLE},
        "rows": rows,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    temporary = args.out.with_suffix(".tmp")
    temporary.write_text(json.dumps(result, indent=1) + "\n")
    os.replace(temporary, args.out)
    print(f"written: {args.out.name}")


if __name__ == "__main__":
    main()
