"""The published runs on disk: what `grids` writes, and the pages "Leakage", "Results" and "Explore" read.

A folder `data/results/<name>` holds scores.csv.gz (tidy), labels.npz, maps.npz, histories.npz, provenance.json (the
table, and what went into each run), and units.csv: of every unit, one seed of a run, when, by which code and from
which data it was made, so that units of different age may stand side by side and be told apart.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd

from .. import metrics
from ..cache import write_atomically
from ..datasets import Tracks, data_dir, load
from ..protocols import PROTOCOLS

MISSING = -2  # a label that is none: a seed whose training ran away, a track that was not in the run


def run_name(protocol: str, phase: int, variant: str = "full") -> str:
    """What a run is called in the files: `released-3-real_lyrics_no_one-hot`."""
    return f"{protocol}-{phase}-{variant.replace(' ', '_').replace(',', '')}"


def hashes(tracks: Tracks) -> dict[str, str]:
    """sha256 of the feature table, nine digits a number, and of the ids, the labels and the groups of its rows."""
    labels = [] if tracks.genres is None else list(tracks.genres)
    rows = "\n".join([*tracks.ids, *labels, *([] if (tracks.groups == tracks.ids).all() else tracks.groups)])
    parts = {"features_sha256": tracks.features.to_csv(float_format="%.9g"), "rows_sha256": rows}
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in parts.items()}


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
    return found if len(found.genres) and (not needs or needs in found.record["runs"]) else Published()


class Published:
    """The runs in one folder of `data/results`: `scores` (tidy), `record` (the table and each run's input), `units`
    (run, seed, date, code, data, texts, versions, cpu_s, left_out), `ids`, `groups` and `genres` (n,), the last empty
    without labels, and `seeds`. FileNotFoundError says how to make them."""

    def __init__(self, dataset: str = "gtzan"):
        self.folder = results_dir(dataset)
        if not (self.folder / "provenance.json").exists():
            raise FileNotFoundError(f"{self.folder} holds no runs; `make results DATASET={dataset}` computes them.")
        self.record = json.loads((self.folder / "provenance.json").read_text())
        self.units = pd.read_csv(self.folder / "units.csv", keep_default_na=False)
        self._labels = self.archive("labels")
        self.ids, self.groups, self.seeds, self.genres = (
            self._labels.pop(name, np.array([], str)) for name in ("ids", "groups", "seeds", "genres")
        )

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Tidy scores as `phases.run` gives them; scores against genres that METRICS has and the file has not are
        derived from the stored labels."""
        stored = pd.read_csv(self.folder / "scores.csv.gz")
        new = [name for name, m in metrics.METRICS.items() if m.of_table and name not in set(stored.metric)]
        rows = []
        keys = stored.drop_duplicates(["protocol", "phase", "variant", "method", "seed"])
        for row in keys.to_dict("records") if new and len(self.genres) else ():
            name = f"{run_name(row['protocol'], row['phase'], row['variant'])}/{row['method']}"
            if name in self._labels:
                found = self._labels[name][list(self.seeds).index(row["seed"])]
                there = found != MISSING
                values = _against(self.genres[there], found[there], self.groups[there], new)
                rows += [row | {"metric": metric, "value": value} for metric, value in values.items()]
        return pd.concat([stored, pd.DataFrame(rows)], ignore_index=True) if rows else stored

    @cached_property
    def protocols(self) -> list[str]:
        """The protocols that have runs here, in the order of PROTOCOLS."""
        there = set(self.scores.protocol)
        return [name for name in PROTOCOLS if name in there] + sorted(there - set(PROTOCOLS))

    def has(self, protocol: str, phase: int, method: str, variant: str = "full") -> bool:
        """Whether there are labels of that method."""
        return f"{run_name(protocol, phase, variant)}/{method}" in self._labels

    def labels(self, protocol: str, phase: int, method: str, variant: str = "full") -> np.ndarray:
        """Labels (n_seeds, n) of one method, without seeds that were left out; KeyError where there is no such run."""
        found = self._labels[f"{run_name(protocol, phase, variant)}/{method}"].astype(int)
        return found[(found != MISSING).any(axis=1)]

    def archive(self, name: str) -> dict[str, np.ndarray]:
        """All arrays of `labels`, `maps`, `neighbours` or `histories`; none where runs of before have no such file."""
        if not (self.folder / f"{name}.npz").exists():
            return {}
        with np.load(self.folder / f"{name}.npz") as stored:
            return dict(stored)

    def run(self, protocol: str, phase: int, variant: str = "full") -> pd.DataFrame:
        """The tidy scores of one run."""
        s = self.scores
        return s[(s.protocol == protocol) & (s.phase == phase) & (s.variant == variant)]

    def marked(self, protocol: str, phase: int) -> str:
        """The protocol's name, marked LEAKY where the guard found the genre in its input."""
        return protocol + " (LEAKY)" * bool(self.run(protocol, phase).leaky.any())

    def interval(self, labels: np.ndarray, metric: str) -> tuple[float, float]:
        """95 % interval of a score's mean over seeds (`metrics.bootstrap`), for labels (n_seeds, n)."""
        low, high = metrics.bootstrap(self.genres, list(labels), metric, self.groups)
        return max(low, -1.0), min(high, 1.0)

    def read_age(self) -> str:
        """Sentences on the table, and when and by which code its units were made, older ones named."""
        makes = self.units.groupby(["date", "code", "versions"]).agg(n=("run", "size"), runs=("run", "unique"))[::-1]
        parts = [f"{row.n} units computed {date}, code `{code[:8]}` ({versions})"
                 for (date, code, versions), row in makes.iterrows()]  # fmt: skip
        old = sorted({name for runs in makes.runs.iloc[1:] for name in runs})
        gone = " ".join(sorted(set(self.units.left_out) - {""}))
        return (
            f"**{self.record['dataset']}**, N = {self.record['n']}, {len(self.seeds)} seeds, feature table sha256 "
            f"`{self.record['features_sha256'][:12]}…`: {'; '.join(parts)}."
            + (f" Older than the rest: {', '.join(old)}." if old else "") + (f" Left out: {gone}" if gone else "")
        )  # fmt: skip


def _against(genres: np.ndarray, labels: np.ndarray, groups: np.ndarray, names: list[str]) -> dict[str, float]:
    """Scores of METRICS against genres, noise three ways, and by chance where an entry says so, as `metrics.scores`."""
    kept = labels != -1
    everywhere, found = np.full(len(kept), True), dict[str, float]()
    for ending, rows, used in (("", kept, labels), ("_noise_cluster", everywhere, labels),
                               ("_noise_singletons", everywhere, metrics.singletons(labels))):  # fmt: skip
        values = metrics.external(genres[rows], used[rows])
        found |= {name + ending: values[name] for name in names}
    if kept.any() and any(metrics.METRICS[name].chance for name in names):
        null = metrics.chance(genres[kept], labels[kept], groups[kept])
        found |= {f"{name}_chance": null[name] for name in names if name in null}
    return found


def save(
    folder: Path, scores: pd.DataFrame, arrays: dict[str, dict[str, np.ndarray]], units: pd.DataFrame, record: dict
) -> None:
    """Write a folder of runs, each file under a temporary name first; equal contents give equal bytes."""
    zipped = {"method": "gzip", "mtime": 0}
    scores_file, units = folder / "scores.csv.gz", units.sort_values(["run", "seed"])
    write_atomically(scores_file, lambda to: scores.to_csv(to, index=False, float_format="%.6g", compression=zipped))
    for name, content in arrays.items():
        write_atomically(folder / f"{name}.npz", partial(np.savez_compressed, **content))  # type: ignore[arg-type]
    write_atomically(folder / "units.csv", lambda to: units.to_csv(to, index=False, float_format="%.4g"))
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    write_atomically(folder / "provenance.json", lambda to: to.write_text(text))
