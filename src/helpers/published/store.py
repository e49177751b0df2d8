"""The published runs on disk: what `grids` writes, and the pages "Leakage", "Results" and "Explore" read.

A folder `data/results/<name>` holds scores.csv.gz (tidy), labels.npz, maps.npz, histories.npz, provenance.json (the
table, and what went into each run), and units.csv: of every unit, one seed of a run, when, by which code and from which
data it was made, so that units of different age may stand side by side and be told apart.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .. import metrics
from ..cache import write_atomically
from ..datasets import Tracks, data_dir, load
from ..protocols import PROTOCOLS

MISSING = -2  # a label that is none: a seed whose training ran away, a track that was not in the run
FILES = ("labels", "maps", "histories")


def run_name(protocol: str, phase: int, variant: str = "full") -> str:
    """What a run is called in the files: `released-3-real_lyrics_no_one-hot`."""
    return f"{protocol}-{phase}-{variant.replace(' ', '_').replace(',', '')}"


def hashes(tracks: Tracks) -> dict[str, str]:
    """sha256 of the feature table, nine digits a number, and of the ids, the labels and the groups of its rows."""
    features = tracks.features.to_csv(float_format="%.9g").encode()
    rows = "\n".join([*tracks.ids, *([] if tracks.genres is None else tracks.genres),
                      *([] if (tracks.groups == tracks.ids).all() else tracks.groups)])  # fmt: skip
    return {"features_sha256": hashlib.sha256(features).hexdigest(),
            "rows_sha256": hashlib.sha256(rows.encode()).hexdigest()}  # fmt: skip


def results_dir(dataset: str = "gtzan") -> Path:
    """Folder of the published runs of a data set."""
    return data_dir() / "results" / dataset


def folder_of(tracks: Tracks) -> Path:
    """Where the runs of these tracks lie, or go: the folder of their name, unless it holds those of another table; then
    one beside it, whose name ends in the first eight digits of the table's hash."""
    mine = hashes(tracks)
    folder = results_dir(tracks.name.replace(" (yours)", "").replace("/", "_"))
    record = folder / "provenance.json"
    if not record.exists() or json.loads(record.read_text()).items() >= mine.items():
        return folder
    return folder.with_name(f"{folder.name}-{hashlib.sha256(repr(mine).encode()).hexdigest()[:8]}")


def of(dataset: str, needs: str | None = None) -> Published:
    """The runs of the reader's own table where `make results` made some for this data set (the run `needs` among them,
    if one is named), else the published ones of GTZAN. Pages "Leakage", "Results" and "Explore"."""
    try:
        folder = folder_of(load(dataset))
    except (FileNotFoundError, ValueError):  # the table is not on this machine
        return Published()
    found = Published(folder.name) if (folder / "provenance.json").exists() else Published()
    return found if found.genres is not None and (not needs or needs in found.record["runs"]) else Published()


class Published:
    """The runs in one folder of `data/results`: `scores` (tidy), `record` (the table and each run's input), `units`
    (run, seed, date, code, data, texts, versions, cpu_s, left_out), `ids`, `genres` (None without labels) and `groups`
    (n,). FileNotFoundError says how to make them."""

    def __init__(self, dataset: str = "gtzan"):
        self.folder = results_dir(dataset)
        if not (self.folder / "provenance.json").exists():
            raise FileNotFoundError(f"{self.folder} holds no runs; `make results DATASET={dataset}` computes them.")
        self.record = json.loads((self.folder / "provenance.json").read_text())
        self.units = pd.read_csv(self.folder / "units.csv", keep_default_na=False)
        self._labels = self.archive("labels")
        self.ids, self.groups, self.seeds = (self._labels.pop(name) for name in ("ids", "groups", "seeds"))
        self.genres = self._labels.pop("genres", None)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Tidy scores as `phases.run` gives them; scores against genres that METRICS has and the file has not are
        derived from the stored labels."""
        stored = pd.read_csv(self.folder / "scores.csv.gz")
        new = [name for name, m in metrics.METRICS.items() if m.of_table and name not in set(stored.metric)]
        if not new or self.genres is None:
            return stored
        rows = []
        one_each = stored.drop_duplicates(["protocol", "phase", "variant", "method", "seed"])
        for row in one_each.to_dict("records"):
            name = f"{run_name(row['protocol'], row['phase'], row['variant'])}/{row['method']}"
            if name in self._labels:
                found = self._labels[name][list(self.seeds).index(row["seed"])]
                there = found != MISSING
                scores = _against(self.genres[there], found[there], self.groups[there], new)
                rows += [row | {"metric": metric, "value": value} for metric, value in scores.items()]
        return pd.concat([stored, pd.DataFrame(rows)], ignore_index=True)

    @cached_property
    def protocols(self) -> list[str]:
        """The protocols that have runs here, in the order of PROTOCOLS."""
        there = set(self.scores.protocol)
        return [name for name in PROTOCOLS if name in there] + sorted(there - set(PROTOCOLS))

    def has(self, protocol: str, phase: int, method: str, variant: str = "full") -> bool:
        """Whether there are labels of that method."""
        return f"{run_name(protocol, phase, variant)}/{method}" in self._labels

    def labels(self, protocol: str, phase: int, method: str, variant: str = "full") -> np.ndarray:
        """Labels (n_seeds, n) of one method, without the seeds that were left out; KeyError for none."""
        found = self._labels[f"{run_name(protocol, phase, variant)}/{method}"].astype(int)
        return found[(found != MISSING).any(axis=1)]

    def archive(self, name: str) -> dict[str, Any]:
        """All arrays of `labels`, `maps` or `histories`."""
        with np.load(self.folder / f"{name}.npz") as stored:
            return dict(stored)

    def run(self, protocol: str, phase: int, variant: str = "full") -> pd.DataFrame:
        """The tidy scores of one run."""
        s = self.scores
        return s[(s.protocol == protocol) & (s.phase == phase) & (s.variant == variant)]

    def interval(
        self, labels: np.ndarray, metric: str, of: str = "mean", n_resamples: int = 500
    ) -> tuple[float, float]:
        """95 % interval of a score over tracks (groups of them), of the "mean" over seeds or of one "run"
        (`metrics.bootstrap`), for labels (n_seeds, n)."""
        low, high = metrics.bootstrap(self.genres, labels, metric, self.groups, of, n_resamples)
        return max(low, -1.0), min(high, 1.0)

    def read_age(self) -> str:
        """Sentences on the table, and when and by which code its units were made, older ones named."""
        makes = self.units.groupby(["date", "code", "versions"], sort=True).agg(
            n=("run", "size"), runs=("run", "unique"))  # fmt: skip
        parts = [f"{row.n} units computed {date}, code `{code[:8]}`" + (f" ({versions})" if versions else "")
                 for (date, code, versions), row in makes.iloc[::-1].iterrows()]  # fmt: skip
        old = sorted({name for runs in makes.runs.iloc[:-1] for name in runs})
        gone = [sentence for sentence in self.units.left_out if sentence]
        return (
            f"**{self.record['dataset']}**, N = {self.record['n']}, {len(self.seeds)} seeds, feature table sha256 "
            f"`{self.record['features_sha256'][:12]}…`: {'; '.join(parts)}."
            + (f" Older than the rest: {', '.join(old)}." if old else "")
            + (f" Left out: {' '.join(gone)}" if gone else "")
        )


def _against(genres: np.ndarray, labels: np.ndarray, groups: np.ndarray, names: list[str]) -> dict[str, float]:
    """Scores of METRICS against genres, noise three ways, and by chance where it says so, as `metrics.scores`."""
    kept, found = labels != -1, {}
    ways = (("", kept, labels), ("_noise_cluster", kept | True, labels),
            ("_noise_singletons", kept | True, metrics.singletons(labels)))  # fmt: skip
    for ending, rows, used in ways:
        table = metrics.counts(genres[rows], used[rows])
        for name in names:
            found[name + ending] = float(metrics.METRICS[name].of_table(table)) if rows.any() else np.nan  # type: ignore
    if kept.any() and any(metrics.METRICS[name].chance for name in names):
        null = metrics.chance(genres[kept], labels[kept], groups[kept])
        found |= {f"{name}_chance": null[name] for name in names if name in null}
    return found


def save(
    folder: Path, scores: pd.DataFrame, arrays: dict[str, dict[str, np.ndarray]], units: pd.DataFrame, record: dict
) -> None:
    """Write a folder of runs, each file under a temporary name first; equal contents give equal bytes."""
    zipped = {"method": "gzip", "mtime": 0}
    units = units.sort_values(["run", "seed"])
    write_atomically(folder / "scores.csv.gz",
                     lambda path: scores.to_csv(path, index=False, float_format="%.6g", compression=zipped))
    for name, content in arrays.items():
        write_atomically(folder / f"{name}.npz",
                         lambda path, content=content: np.savez_compressed(path, **content))  # type: ignore[misc]
    write_atomically(folder / "units.csv", lambda path: units.to_csv(path, index=False, float_format="%.4g"))
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    write_atomically(folder / "provenance.json", lambda path: path.write_text(text))
