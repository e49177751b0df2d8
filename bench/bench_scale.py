"""From a text file of songs to scores: CPU seconds and peak memory of every stage at N = 10^3 ...
10^6 rows.

`python bench/bench_scale.py` writes, for each size, planted songs (`planted.draw_msd`) in the
format of YearPredictionMSD.txt, reads them as `make data MSD=...` does, trains the VAE of phase 1
for 5 epochs at batch 1024, clusters its latent means by K-Means and scores them with 500 resamples,
each size in a process of its own. It prints the table with its slopes (1: linear in the rows) and
writes data/results/bench/scale.json. 515,345 is the size of the real table. With `--steps` it times
the steps that could grow faster than the rows, one by one, and writes growth.json."""

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
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import torch

import leakaudit
from helpers import clustering, inputs, metrics, protocols, store, training
from leakaudit import leaks
from musicbook.chapters.collapse import planted
from musicbook.corpus import msd, sources

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "bench" / "scale.json"
GROWTH = OUT.with_name("growth.json")
SIZES = (1_000, 10_000, 100_000, 515_345, 1_000_000)
STAGES = ("convert", "read", "scale", "train", "cluster", "score")


def write(path: Path, n: int) -> None:
    """Songs whose decade is their planted genre."""
    data = planted.draw_msd(n)
    columns = {"year": 1920 + 10 * data.genre} | {
        f"f{i}": column.round(5) for i, column in enumerate(data.X.T)
    }
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
        subprocess.run(
            [sys.executable, __file__, "--write", f"{folder}/YearPredictionMSD.txt", str(n)],
            check=True,
        )
        began[0] = time.process_time()
        ((table, _),) = msd.convert(f"{folder}/YearPredictionMSD.txt", folder, quiet=True)
        spent("convert")
        tracks = sources.load(str(table))
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
    return row | {
        "all": sum(row[stage] for stage in STAGES),
        "nmi": found["nmi"],
        "low": low,
        "high": high,
    }


def slowest(n: int) -> dict:
    """CPU seconds of each step that could grow faster than the rows, at n rows of 32 columns."""
    rng = np.random.default_rng(0)
    codes = rng.integers(10, size=n)
    X = (rng.normal(size=(n, 32)) + rng.normal(size=(10, 32))[codes]).astype(np.float32)
    table, genres = pd.DataFrame(X).add_prefix("x"), codes.astype(str)
    labels = np.where(rng.random(n) < 0.7, codes, rng.integers(10, size=n))
    recipe = protocols.get("controlled").recipes["basic_vae"].but(epochs=2, batch_size=256)
    steps = {
        "fit, two epochs": lambda: training.fit(X, recipe, 0, use_cache=False),
        "K-Means": lambda: clustering.cluster(X, "kmeans", 10, 0, n_init=1),
        "eps rule": lambda: clustering.dbscan_eps(X, "knee"),
        "scores": lambda: metrics.scores(labels, X, genres=genres),
        "bootstrap, NMI": lambda: metrics.bootstrap(genres, [labels], "nmi"),
        "bootstrap, AMI": lambda: metrics.bootstrap(genres, [labels], "ami"),
        "effect": lambda: leaks.effect(X, genres, n_draws=inputs.DRAWS),
        "audit": lambda: leakaudit.examine(table, genres),
    }
    row: dict[str, float] = {"rows": n}
    for name, step in steps.items():
        began = time.process_time()
        step()
        row[name] = time.process_time() - began
        print(f"  {name}: {row[name]:.2f}", file=sys.stderr, flush=True)
    return row


def growth(rows: list[dict]) -> dict[str, float]:
    """Slope of log CPU seconds over log rows of each step, by least squares over all sizes."""
    x = np.log([row["rows"] for row in rows])
    names = [name for name in rows[0] if name != "rows"]
    return {
        name: float(np.polyfit(x, np.log([max(row[name], 1e-3) for row in rows]), 1)[0])
        for name in names
    }


def steps_by_size(sizes: Sequence[int]) -> None:
    """Write data/results/bench/growth.json: every step at every size, each size in a process of its
    own, and the slopes."""
    rows = []
    for n in sizes:
        command = [sys.executable, __file__, "--slowest", str(n)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows.append(json.loads(done.stdout))
        table = {"date": date.today().isoformat(), "rows": rows}
        if len(rows) > 1:
            table["slopes"] = growth(rows)
        text = json.dumps(table, indent=1) + "\n"
        store.write_atomically(GROWTH, lambda to, text=text: to.write_text(text))
        print(json.dumps(rows[-1]), flush=True)


def apart(n: int) -> dict:
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(n)], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{n} rows failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def slopes(rows: list[dict]) -> dict[str, float]:
    """Slope of log cost over log rows of each stage, from 100,000 rows on, where starting costs no
    longer count."""
    large = [row for row in rows if row["rows"] >= 100_000]
    if len(large) < 2:
        return {}
    x = np.log([row["rows"] for row in large])
    return {
        name: float(np.polyfit(x, np.log([row[name] for row in large]), 1)[0])
        for name in (*STAGES, "all")
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, nargs="*", help="sizes; the steps one by one instead")
    parser.add_argument("--slowest", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--write", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.write:
        write(Path(args.write[0]), int(args.write[1]))
        return
    if args.slowest:
        print(json.dumps(slowest(args.slowest)))
        return
    if args.steps is not None:
        steps_by_size(args.steps or (1_000, 10_000, 100_000))
        return
    if args.one:
        print(json.dumps(one(args.one)))
        return
    rows = []
    print(
        f"{'rows':>9} "
        + " ".join(f"{name:>8}" for name in (*STAGES, "all"))
        + "  CPU s; peak GB; NMI"
    )
    for n in args.sizes:
        rows.append(row := apart(n))
        print(
            f"{n:9d} "
            + " ".join(f"{row[name]:8.2f}" for name in (*STAGES, "all"))
            + f"  {row['peak_gb']:.2f}  {row['nmi']:.3f} [{row['low']:.3f}, {row['high']:.3f}]",
            flush=True,
        )
    result = {
        "date": date.today().isoformat(),
        "machine": f"{joblib.cpu_count()} cores, {platform.machine()}",
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "columns": 90,
        "rows": rows,
        "slopes": slopes(rows),
    }
    print("slopes", {name: round(slope, 2) for name, slope in result["slopes"].items()})
    store.write_atomically(args.out, lambda to: to.write_text(json.dumps(result, indent=1) + "\n"))
    print(f"written: {args.out.name}")


if __name__ == "__main__":
    main()
