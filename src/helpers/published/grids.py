"""The published runs: every phase, protocol, method and control on the full data set, resumable (`make results`).

One file a unit, a unit being one phase under one protocol with one variant of the input and all its seeds; a unit
whose file is there is not run again, and within a unit every finished fit is in the cache. `assemble` then writes
`data/results/<dataset>/`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from .. import cache, clustering, lyrics, metrics, phases, plots, protocols, training
from . import duplicates, store
from ..cache import code_digest
from ..datasets import Tracks, load
from ..corpus.jobs import cpu_seconds

log = logging.getLogger("helpers")
CODE = (
    "protocols",
    "sentences",
    "lyrics",
    "fusion",
    "models",
    "stack",
    "loop",
    "vade",
    "clustering",
    "metrics",
    "experiments",
)
CONTROL_INPUTS = (
    "lyrics shuffled",
    "lyrics alone",
    "audio alone",
    "one-hot alone",
    "one-hot removed",
    "real lyrics",
    "real lyrics, no one-hot",
)


@dataclass(frozen=True)
class Unit:
    """One run of the grid; `recipes` limits the networks of a control run to the one whose score it explains."""

    protocol: str
    phase: int
    variant: str = "full"
    recipes: tuple[str, ...] | None = None
    extras: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.protocol}-{self.phase}-{self.variant.replace(' ', '_').replace(',', '')}"


def units() -> list[Unit]:
    """The grid: nine full runs, then the controls of the two headline scores (DBSCAN in phase 2, Beta-VAE in phase
    3)."""
    extras = {
        ("written", 1): ("spaces",),
        ("written", 3): ("spaces",),
    }  # the baselines would repeat those of `controlled`
    default = {1: ("spaces", "baselines"), 2: ("spaces",), 3: ("spaces", "baselines")}
    full = [
        Unit(p, phase, extras=extras.get((p, phase), default[phase]))
        for phase in (1, 2, 3)
        for p in protocols.PROTOCOLS
    ]
    enhanced, beta = ("enhanced_vae",), ("beta_vae",)
    controls = [Unit("released", 2, v, enhanced) for v in ("real lyrics", "audio alone")]
    controls += [
        Unit("released", 3, v, beta)
        for v in ("one-hot removed", "real lyrics", "real lyrics, no one-hot", "audio alone")
    ]
    controls += [
        Unit("controlled", phase, v, recipes)
        for phase, recipes in ((2, enhanced), (3, beta))
        for v in ("lyrics shuffled", "audio alone")
    ]
    return full + controls


def key(tracks: Tracks, seeds: int) -> str:
    """Hash of what the grid's numbers depend on: the feature table, the lyrics, the seeds and the code between them and
    the scores."""
    table = store.provenance(tracks)
    words = hashlib.sha256(lyrics.bank().vectors.tobytes()).hexdigest()
    parts = (table["features_sha256"], table["ids_sha256"], words, seeds, code_digest(*CODE))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def run_unit(tracks: Tracks, unit: Unit, seeds: int, path: Path, n_jobs: int | None) -> None:
    """Run one unit and write its scores, labels of all seeds, 2-d maps and histories of the first seed into `path`
    (.npz)."""
    began, cpu = time.perf_counter(), cpu_seconds()
    run = phases.run(tracks, unit.protocol, unit.phase, seeds, unit.variant, unit.extras, unit.recipes, n_jobs)
    methods = list(run.labels[0])
    arrays = {f"labels/{m}": np.stack([run.labels[s][m] for s in run.labels]).astype(np.int16) for m in methods}
    if unit.variant == "full":
        named = [m for m in methods if m in phases.METHODS[unit.phase] or m == "VaDE"]
        spaces = {m: run.spaces[0][m] for m in named}
        arrays |= {
            f"map/{m}": plots.project(Z).astype(np.float16)
            for m, Z in spaces.items()
            if m not in ("DBSCAN", "Agglomerative (Ward)")
        }
        arrays |= {
            f"kl/{r}": np.stack([run.fits[s][r].kl_per_dim for s in run.fits]).astype(np.float32) for r in run.fits[0]
        }
        if unit.phase == 2:  # for the explorer: DBSCAN's clusters over eps, first seed
            latent = run.spaces[0]["DBSCAN"]
            eps = clustering.eps_curve(latent).eps.to_numpy()
            found = [clustering.cluster(latent, "dbscan", seed=0, eps=e) for e in eps]
            arrays |= {"map/eps": eps, "map/eps_labels": np.stack(found).astype(np.int16)}
        for recipe, fit in run.fits[0].items():
            arrays |= {f"history/{recipe}/{name}": values.astype(np.float32) for name, values in fit.history.items()}
    record = {
        "unit": unit.name,
        "leaks": list(run.inputs[0].leaks),
        "columns": {k: v.stop - v.start for k, v in run.inputs[0].blocks.items()},
        "text_variance": run.inputs[0].text_variance,
        "wall_s": time.perf_counter() - began,
        "cpu_s": cpu_seconds() - cpu,
        "weights_survive": "text" in run.inputs[0].blocks
        and bool(phases.fusion.weights_survive(tracks, unit.protocol, unit.phase)),
    }
    if run.inputs[0].lyrics_report is not None:
        record["lyrics"] = run.inputs[0].lyrics_report.to_dict(orient="records")
    arrays |= {
        "scores": np.array(run.scores.to_csv(index=False, float_format="%.6g")),
        "record": np.array(json.dumps(record)),
    }
    cache.write_atomically(path, lambda temporary: np.savez_compressed(temporary, **arrays))


def run(
    dataset: str = "gtzan",
    seeds: int = 10,
    n_jobs: int | None = None,
    parts: Path | None = None,
    filtered: Path | None = None,
) -> Path:
    """Run what is missing of the grid on `dataset` and write `data/results/<dataset>/`; returns that folder.

    `filtered` is a folder with the fault-filtered lists of Kereliuk, Sturm & Larsen 2015, if you have them.
    """
    tracks = load(dataset)
    folder = (parts or training.cache_dir().parent / "results") / f"{dataset}-{key(tracks, seeds)}"
    folder.mkdir(parents=True, exist_ok=True)
    todo = [unit for unit in units() if not (folder / f"{unit.name}.npz").exists()]
    log.info("%d of %d runs are done", len(units()) - len(todo), len(units()))
    for unit in (bar := tqdm(todo, desc="runs")):
        bar.set_postfix_str(unit.name)
        run_unit(tracks, unit, seeds, folder / f"{unit.name}.npz", n_jobs)
    if not (folder / "controls.npz").exists():
        write_controls(tracks, folder / "controls.npz", seeds, n_jobs)
    out = assemble(tracks, folder, seeds)
    if not (folder / "faults.csv").exists():
        write_faults(tracks, folder, seeds, filtered, n_jobs)
    for name in ("faults.csv", "faults.json"):
        cache.write_atomically(out / name, lambda path, name=name: path.write_bytes((folder / name).read_bytes()))
    return out


def write_controls(tracks: Tracks, path: Path, seeds: int, n_jobs: int | None) -> None:
    """Run K-Means on every control input that a protocol can have; write scores and labels of all seeds into `path`."""
    wanted = [
        Unit(protocol, phase, variant)
        for protocol in protocols.PROTOCOLS
        for phase in (2, 3)
        for variant in CONTROL_INPUTS
        if ("real lyrics" not in variant or protocol == "released")
        and ("one-hot" not in variant or (protocol, phase) == ("released", 3))
    ]
    work = joblib.Parallel(n_jobs or joblib.cpu_count(), return_as="generator")(
        joblib.delayed(phases.controls)(tracks, unit.protocol, unit.phase, seeds, [unit.variant])
        for unit in wanted
    )
    arrays, tables = {}, []
    for unit, (scores, labels) in zip(wanted, tqdm(work, total=len(wanted), desc="controls"), strict=True):
        tables.append(scores)
        arrays |= {f"labels/{unit.name}/Input + K-Means": found.astype(np.int16) for found in labels.values()}
    arrays["scores"] = np.array(pd.concat(tables).to_csv(index=False, float_format="%.6g"))
    cache.write_atomically(path, lambda temporary: np.savez_compressed(temporary, **arrays))


def write_faults(tracks: Tracks, folder: Path, seeds: int, filtered: Path | None, n_jobs: int | None) -> None:
    """Search `tracks` for replicas, run phase 1 on the subsets without faults, and write duplicates.csv and duplicates.json."""
    pairs = duplicates.replicas(tracks)
    across = pairs[pairs.genre_a != pairs.genre_b]
    found = {
        "n": tracks.n,
        "exact_pairs": int((pairs.distance < 1e-3).sum()),
        "near_pairs": len(pairs),
        "tracks_with_a_near_neighbour": len(set(pairs.a) | set(pairs.b)),
        "across_genres": across[["a", "b"]].values.tolist(),
        "filtered_n": None if filtered is None else int(np.isin(tracks.ids, list(duplicates.filtered_ids(filtered))).sum()),
    }
    scores = duplicates.study(tracks, seeds, filtered, n_jobs)
    cache.write_atomically(folder / "faults.json", lambda path: path.write_text(json.dumps(found, indent=1) + "\n"))
    cache.write_atomically(folder / "faults.csv", lambda path: scores.to_csv(path, index=False, float_format="%.6g"))


def assemble(tracks: Tracks, folder: Path, seeds: int) -> Path:
    """Merge the units in `folder` into scores.csv.gz, labels.npz, maps.npz, histories.npz and provenance.json."""
    import io

    scores, records, arrays = [], {}, {"labels": {}, "map": {}, "history": {}, "kl": {}}
    for name in ("controls", *(unit.name for unit in units())):
        with np.load(folder / f"{name}.npz") as part:
            scores.append(pd.read_csv(io.StringIO(str(part["scores"]))))
            if "record" in part:
                records[name] = json.loads(str(part["record"]))
            for entry in part.files:
                kind, _, rest = entry.partition("/")
                if kind in arrays:
                    arrays[kind][rest if name == "controls" else f"{name}/{rest}"] = part[entry]
    out = store.published(tracks.name)
    out.mkdir(parents=True, exist_ok=True)
    truth = {"ids": tracks.ids.astype("U"), "genres": tracks.genres.astype("U")}
    for name, content in (
        ("labels", arrays["labels"] | truth),
        ("maps", arrays["map"]),
        ("histories", arrays["history"] | arrays["kl"]),
    ):
        cache.write_atomically(out / f"{name}.npz", lambda path, content=content: np.savez_compressed(path, **content))
    record = store.provenance(
        tracks,
        seeds=seeds,
        code=key(tracks, seeds),
        runs=records,
        chance={str(k): metrics.chance(tracks.genres, k) for k in (10, 30)},
    )
    store.save(pd.concat(scores, ignore_index=True), out, record)
    return out


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="gtzan")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument(
        "--filtered", type=Path, default=None, help="folder of the fault-filtered lists (*_filtered.txt)"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    print("written:", run(options.dataset, options.seeds, options.jobs, filtered=options.filtered))
