"""From a text file of songs to scores: CPU seconds and peak memory of every stage at N = 10^3 ... 10^6 rows.

`python bench/bench_scale.py` writes, for each size, planted songs (`planted.draw_msd`) in the format of
YearPredictionMSD.txt, reads them as `make data MSD=...` does, trains the VAE of phase 1 for 5 epochs at batch 1024,
clusters its latent means by K-Means and scores them with 500 resamples, each size in a process of its own. It prints
the table with its slopes (1: linear in the rows) and writes data/results/bench/scale.json. 515,345 is the size of the
real table."""

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

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.csv
import torch

from helpers import cache, clustering, datasets, inputs, metrics, protocols, training
from helpers.collapse import planted
from helpers.corpus import msd

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "bench" / "scale.json"
SIZES = (1_000, 10_000, 100_000, 515_345, 1_000_000)
STAGES = ("convert", "read", "scale", "train", "cluster", "score")


def write(path: Path, n: int) -> None:
    """Songs whose decade is their planted genre."""
    data = planted.draw_msd(n)
    columns = {"year": 1920 + 10 * data.genre} | {f"f{i}": column.round(5) for i, column in enumerate(data.X.T)}
    pyarrow.csv.write_csv(pa.table(columns), path, pyarrow.csv.WriteOptions(include_header=False))


def one(n: int) -> dict:
    """Time every stage at n rows, here, in this process."""
    recipe = protocols.get("controlled").recipes["basic_vae"].but(epochs=5, batch_size=1024)
    row: dict[str, float] = {"rows": n}
    began = [0.0]

    def spent(stage: str) -> None:
        row[stage] = time.process_time() - began[0]
        began[0] = time.process_time()

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--write", f"{folder}/YearPredictionMSD.txt", str(n)], check=True)
        began[0] = time.process_time()
        ((table, _),) = msd.convert(f"{folder}/YearPredictionMSD.txt", folder, quiet=True)
        spent("convert")
        tracks = datasets.load(str(table))
    spent("read")
    X = inputs.prepare(tracks, "controlled", 1).X.astype(np.float32)
    spent("scale")
    fit = training.fit(X, recipe, 0, use_cache=False)
    spent("train")
    labels = clustering.cluster(fit.mu, "kmeans", 10)
    spent("cluster")
    found = metrics.scores(labels, fit.mu, genres=tracks.genres)
    low, high = metrics.bootstrap(tracks.genres, [labels], n_resamples=500)
    spent("score")
    unit = 2**20 if sys.platform != "darwin" else 2**30  # kB, and bytes on macOS
    row["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return row | {"all": sum(row[stage] for stage in STAGES), "nmi": found["nmi"], "low": low, "high": high}


def apart(n: int) -> dict:
    done = subprocess.run([sys.executable, __file__, "--one", str(n)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{n} rows failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def slopes(rows: list[dict]) -> dict[str, float]:
    """Slope of log cost over log rows of each stage, from 100,000 rows on, where starting costs no longer count."""
    large = [row for row in rows if row["rows"] >= 100_000]
    if len(large) < 2:
        return {}
    x = np.log([row["rows"] for row in large])
    return {name: float(np.polyfit(x, np.log([row[name] for row in large]), 1)[0]) for name in (*STAGES, "all")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.write:
        write(Path(args.write[0]), int(args.write[1]))
        return
    if args.one:
        print(json.dumps(one(args.one)))
        return
    rows = []
    print(f"{'rows':>9} " + " ".join(f"{name:>8}" for name in (*STAGES, "all")) + "  CPU s; peak GB; NMI")
    for n in args.sizes:
        rows.append(row := apart(n))
        print(f"{n:9d} " + " ".join(f"{row[name]:8.2f}" for name in (*STAGES, "all"))
              + f"  {row['peak_gb']:.2f}  {row['nmi']:.3f} [{row['low']:.3f}, {row['high']:.3f}]", flush=True)
    result = {
        "date": date.today().isoformat(),
        "machine": f"{joblib.cpu_count()} cores, {platform.machine()}",
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "columns": 90, "rows": rows, "slopes": slopes(rows),
    }  # fmt: skip
    print("slopes", {name: round(slope, 2) for name, slope in result["slopes"].items()})
    cache.write_atomically(args.out, lambda to: to.write_text(json.dumps(result, indent=1) + "\n"))
    print(f"written: {args.out.name}")


if __name__ == "__main__":
    main()
