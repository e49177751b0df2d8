"""Do the intervals hold what they promise? How often they cover, and how often "better" is said of
equal methods.

Part 1 draws tracks and partitions from a known process: each seed of a method gets single tracks
right with its own probability, some tracks are hard for every seed. Part 2 takes the published
labels: five seeds of a method against five others of the same method, where every "better" is
false. With --write the result goes to data/results/bench/intervals.json."""

import argparse
import json
from datetime import UTC, datetime

import numpy as np
from tqdm import tqdm

from helpers import metrics, store
from helpers.tracks import data_dir
from musicbook import stored_runs

# name: (probability that a track of average difficulty is right, its sd over seeds, seeds a side)
SETTINGS = {
    "calm seeds, 10 a side": (0.6, 0.0, 10),
    "restless seeds, 10 a side": (0.6, 0.05, 10),
    "restless seeds, 3 a side": (0.6, 0.05, 3),
    "weak method, 3 a side": (0.3, 0.03, 3),
}


def draw(
    rng: np.random.Generator, n: int, right: float, sd: float, seeds: int, k: int = 10
) -> tuple:
    """Genres (n,) and the labels (n,) of two equal methods' seeds, scored on the same tracks."""
    genres, hard = rng.integers(k, size=n), rng.normal(0, 0.15, n)
    sides = []
    for _ in range(2):
        levels = right + rng.normal(0, sd, seeds)
        hits = rng.random((seeds, n)) < np.clip(levels[:, None] + hard, 0, 1)
        sides.append(list(np.where(hits, genres, rng.integers(k, size=(seeds, n)))))
    return genres, *sides


def simulated(draws: int, n: int, seed: int) -> dict[str, dict[str, float]]:
    """Coverage of the mean's interval, and share of "higher" or "lower" between equal methods, by
    setting."""
    found = {}
    for name, setting in SETTINGS.items():
        rng = np.random.default_rng(seed)
        truth = np.mean(
            [
                metrics.nmi(metrics.counts(g, one))
                for g, a, b in (draw(rng, n, *setting) for _ in range(200))
                for one in a + b
            ]
        )
        covered, false = [], []
        for _ in tqdm(range(draws), desc=name, leave=False):
            genres, a, b = draw(rng, n, *setting)
            low, high = metrics.bootstrap(genres, a, n_resamples=300)
            covered.append(low <= truth <= high)
            false.append(
                metrics.difference_sign(
                    *metrics.paired_bootstrap(genres, a, b, n_resamples=300)[1:]
                )
                != "level"
            )
        found[name] = {"coverage": float(np.mean(covered)), "false_better": float(np.mean(false))}
    return found


def split(data: stored_runs.Published, splits: int, seed: int) -> dict[str, float]:
    """Share of false "better" between halves of a method's seeds, by method of the published
    runs."""
    rng, found = np.random.default_rng(seed), {}
    names = data.scores.query("variant == 'full'")[
        ["protocol", "phase", "method"]
    ].drop_duplicates()
    for protocol, phase, method in names.itertuples(index=False):
        if (
            data.has(protocol, phase, method)
            and len(labels := data.labels(protocol, phase, method)) >= 6
        ):
            said = []
            for _ in range(splits):
                order = rng.permutation(len(labels))
                half = len(labels) // 2
                sides = labels[order[:half]], labels[order[half : 2 * half]]
                if np.isfinite(
                    interval := metrics.paired_bootstrap(data.genres, *sides, n_resamples=200)[1:]
                ).all():
                    said.append(metrics.difference_sign(*interval) != "level")
            if said:
                found[f"{protocol} {phase} {method}"] = float(np.mean(said))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    result = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "draws": options.draws,
        "rows": 300,
        "simulated": simulated(options.draws, 300, 0),
    }
    halves = split(stored_runs.Published(), options.splits, 0)
    false = list(halves.values())
    result["halves"] = {
        "methods": len(false),
        "splits": options.splits,
        "false_better": float(np.mean(false)),
        "worst": max(false),
    }
    print(json.dumps(result, indent=1))
    if options.write:
        path = data_dir() / "results" / "bench" / "intervals.json"
        store.write_atomically(path, lambda to: to.write_text(json.dumps(result, indent=1) + "\n"))
