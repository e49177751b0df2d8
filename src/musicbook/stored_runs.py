"""The published runs on disk: what `grids` writes, and the pages "Leakage", "Results" and "Explore"
read.

A folder `data/results/<name>` holds scores.csv.gz (tidy), labels.npz, maps.npz,
control_maps.npz, histories.npz, provenance.json (the table, and what went into each run), and
units.csv: of every unit, one seed of a run, when, by which code and from which data it was made, so
that units of different age may stand side by side and be told apart."""

from __future__ import annotations

import gzip
import hashlib
import json
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import metrics
from helpers.protocols import PROTOCOLS
from helpers.store import write_arrays, write_atomically
from helpers.tracks import Tracks, data_dir
from musicbook.corpus.sources import load

MISSING = -2  # no label: a seed whose training ran away, a track that was not in the run


def run_name(protocol: str, phase: int, variant: str = "full") -> str:
    """What a run is called in the files: `released-3-real_lyrics_no_one-hot`."""
    return f"{protocol}-{phase}-{variant.replace(' ', '_').replace(',', '')}"


def hashes(tracks: Tracks) -> dict[str, str]:
    """sha256 of the feature table, nine digits a number, and of the ids, the labels and the groups
    of its rows."""
    rows = list(tracks.ids)
    if tracks.genres is not None:
        rows += list(tracks.genres)
    if (tracks.groups != tracks.ids).any():
        rows += list(tracks.groups)
    parts = {
        "features_sha256": tracks.features.to_csv(float_format="%.9g"),
        "rows_sha256": "\n".join(rows),
    }
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in parts.items()}


def results_dir(dataset: str = "gtzan") -> Path:
    """Folder of the published runs of a data set."""
    return data_dir() / "results" / dataset


def folder_of(tracks: Tracks) -> Path:
    """Where the runs of these tracks lie, or go: the folder of their name, unless it holds those of
    another table; then one beside it, whose name ends in the first eight digits of the table's
    hash."""
    mine = hashes(tracks)
    folder = results_dir(tracks.name.replace(" (yours)", "").replace("/", "_"))
    record = folder / "provenance.json"
    if not record.exists() or json.loads(record.read_text()).items() >= mine.items():
        return folder
    return folder.with_name(f"{folder.name}-{hashlib.sha256(repr(mine).encode()).hexdigest()[:8]}")


def of(dataset: str, needs: str | None = None) -> Published:
    """The runs of the reader's own table where `make results` made some for this data set (the run
    `needs` among them, if one is named), else the published ones of GTZAN. Pages "Leakage",
    "Results" and "Explore"."""
    try:
        folder = folder_of(load(dataset))
    except (FileNotFoundError, ValueError):  # the table is not on this machine
        return Published()
    if not (folder / "provenance.json").exists():
        return Published()
    own = Published(folder.name)
    has_run = needs is None or needs in own.record["runs"]
    return own if len(own.genres) and has_run else Published()


class Published:
    """The runs in one folder of `data/results`: `scores` (tidy), `record` (the table and each run's
    input), `units` (run, seed, date, code, data, texts, versions, cpu_s, left_out), `ids`, `groups`
    and `genres` (n,), the last empty without labels, and `seeds`. FileNotFoundError says how to
    make them."""

    def __init__(self, dataset: str = "gtzan"):
        self.folder = results_dir(dataset)
        if not (self.folder / "provenance.json").exists():
            raise FileNotFoundError(
                f"{self.folder} holds no runs; `make results DATASET={dataset}` computes them."
            )
        self.record = json.loads((self.folder / "provenance.json").read_text())
        self.units = pd.read_csv(self.folder / "units.csv", keep_default_na=False)
        self._labels = self.archive("labels")
        self.ids, self.groups, self.seeds, self.genres = (
            self._labels.pop(name, np.array([], str))
            for name in ("ids", "groups", "seeds", "genres")
        )

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Tidy scores as `phases.run_phase` gives them.

        A score against genres that METRICS has and the file has not is derived from the stored
        labels: adding a metric trains nothing."""
        stored = pd.read_csv(self.folder / "scores.csv.gz")
        known = set(stored.metric)
        new = [name for name, m in metrics.METRICS.items() if m.of_table and name not in known]
        if not new or not len(self.genres):
            return stored
        rows = []
        keys = stored.drop_duplicates(["protocol", "phase", "variant", "method", "seed"])
        for row in keys.to_dict("records"):
            name = f"{run_name(row['protocol'], row['phase'], row['variant'])}/{row['method']}"
            if name in self._labels:
                labels = self._labels[name][list(self.seeds).index(row["seed"])]
                there = labels != MISSING
                values = _against(self.genres[there], labels[there], self.groups[there], new)
                for metric, value in values.items():
                    rows.append(row | {"metric": metric, "value": value})
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
        """Labels (n_seeds, n) of one method, without seeds that were left out; KeyError where there
        is no such run."""
        found = self._labels[f"{run_name(protocol, phase, variant)}/{method}"].astype(int)
        return found[(found != MISSING).any(axis=1)]

    def archive(self, name: str) -> dict[str, np.ndarray]:
        """All arrays of `labels`, `maps`, `neighbours` or `histories`; none where runs of before
        have no such file."""
        if not (self.folder / f"{name}.npz").exists():
            return {}
        with np.load(self.folder / f"{name}.npz") as stored:
            return dict(stored)

    def run(self, protocol: str, phase: int, variant: str = "full") -> pd.DataFrame:
        """The tidy scores of one run; none where there is no such run."""
        none = np.array([], dtype=int)
        return self.scores.iloc[self._rows_of_runs.get((protocol, phase, variant), none)]

    @cached_property
    def _rows_of_runs(self) -> dict[tuple[str, int, str], np.ndarray]:
        """Where the scores of each run are; pages ask for them a thousand times."""
        return self.scores.groupby(["protocol", "phase", "variant"]).indices

    def marked(self, protocol: str, phase: int) -> str:
        """The protocol's name, marked LEAKY where the guard found the genre in its input."""
        leaky = self.run(protocol, phase).leaky.any()
        return f"{protocol} (LEAKY)" if leaky else protocol

    def interval(self, labels: np.ndarray, metric: str) -> tuple[float, float]:
        """95 % interval of a score's mean over seeds, labels (n_seeds, n): `metrics.bootstrap`."""
        low, high = metrics.bootstrap(self.genres, list(labels), metric, self.groups)
        return max(low, -1.0), min(high, 1.0)

    def read_age(self) -> str:
        """Sentences on the table, and when and by which code its units were made, older ones
        named."""
        by_code = self.units.groupby(["date", "code", "versions"])
        makes = by_code.agg(n=("run", "size"), runs=("run", "unique"))[::-1]  # the newest first
        parts = []
        for (date, code, versions), row in makes.iterrows():
            parts.append(
                f"{row.n} runs were made on {date} by version `{code[:8]}` of our program "
                f"({versions})"
            )
        seeds_each = self.units.groupby("run")["seed"].nunique()
        up_to = "" if (seeds_each == len(self.seeds)).all() else "up to "
        sentences = [
            f"These are runs on **{self.record['dataset']}**, which has {self.record['n']} tracks. "
            f"There are {self.units.run.nunique()} combinations of protocol, phase and input, with "
            f"{up_to}{len(self.seeds)} seeds each. {'; '.join(parts)}. The table of features "
            f"has the sha256 `{self.record['features_sha256'][:12]}…`."
        ]
        older = sorted({name for names in makes.runs.iloc[1:] for name in names})
        if older:
            sentences.append(f"Older than the rest: {', '.join(older)}.")
        left_out = sorted(set(self.units.left_out) - {""})
        if left_out:
            sentences.append(f"Left out: {' '.join(left_out)}")
        return " ".join(sentences)


def _against(
    genres: np.ndarray, labels: np.ndarray, groups: np.ndarray, names: list[str]
) -> dict[str, float]:
    """Scores of METRICS against genres, noise three ways, and by chance where an entry says so."""
    kept = labels != -1
    three_ways = {
        "": metrics.external(genres[kept], labels[kept]),
        "_noise_cluster": metrics.external(genres, labels),
        "_noise_singletons": metrics.external(genres, metrics.singletons(labels)),
    }
    values: dict[str, float] = {}
    for ending, scores in three_ways.items():
        values |= {f"{name}{ending}": scores[name] for name in names}
    if kept.any() and any(metrics.METRICS[name].chance for name in names):
        by_chance = metrics.chance(genres[kept], labels[kept], groups[kept])
        values |= {f"{name}_chance": by_chance[name] for name in names if name in by_chance}
    return values


def save(
    folder: Path,
    scores: pd.DataFrame,
    arrays: dict[str, dict[str, np.ndarray]],
    units: pd.DataFrame,
    record: dict,
) -> None:
    """Write a folder of runs, each file under a temporary name first; equal contents give equal
    bytes."""
    units = units.sort_values(["run", "seed"])
    text = scores.to_csv(index=False, float_format="%.6g")
    zipped = gzip.compress(text.encode(), mtime=0)  # without a file name and a time in its head
    write_atomically(folder / "scores.csv.gz", lambda to: to.write_bytes(zipped))
    for name, content in arrays.items():
        write_arrays(folder / f"{name}.npz", content)
    write_atomically(
        folder / "units.csv", lambda to: units.to_csv(to, index=False, float_format="%.4g")
    )
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    write_atomically(folder / "provenance.json", lambda to: to.write_text(text))
