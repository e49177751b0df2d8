"""The published runs: every phase, protocol, method and control of a data set, resumable (`make
results`).

A unit is one seed of one phase under one protocol with one variant of the input; what it gives is
kept in the store (`cache`) under its data, lyrics, settings and code, and so is every fit within
it, so that an interrupted run goes on where it stopped and a changed bank of lyrics makes new
units. `run` computes what is missing and merges it into `data/results/<dataset>/`, where units that
were not asked for stay as they are."""

from __future__ import annotations

import argparse
import io
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from helpers import clustering, inputs, lyrics, phases, plots, protocols, store
from helpers.code_keys import code_digest
from helpers.protocols import Protocol
from helpers.tracks import Tracks
from musicbook import stored_runs
from musicbook.chapters.cluster_well import grid as pipelines_grid
from musicbook.chapters.cluster_well import stable_groups
from musicbook.chapters.collapse import grids as collapse_grids
from musicbook.chapters.leakage import duplicates
from musicbook.chapters.own_words import grids as own_words_grids
from musicbook.chapters.raw_sound import waveforms
from musicbook.chapters.results import multiverse
from musicbook.corpus.sources import load

log = logging.getLogger("helpers")
EXTRAS = ("spaces", "baselines")
# the network of a phase whose score the controls explain
HEADLINE = {2: ("enhanced_vae",), 3: ("beta_vae",)}
# the control that has a map: protocol, phase, variant
CONTROL_DRAWN = (protocols.PROTOCOLS["released"], 3, "audio alone")

GRIDS = {"multiverse": multiverse, "collapse": collapse_grids, "waveforms": waveforms}


class Unit(NamedTuple):
    """One seed of one run. `recipes` are the networks to train (None: all of the phase; none at all
    for a control of the input alone), `keep` (n,) the tracks of a run on a part of them."""

    protocol: Protocol
    phase: int
    variant: str
    seed: int
    recipes: tuple[str, ...] | None = None
    keep: np.ndarray | None = None

    @property
    def name(self) -> str:
        return stored_runs.run_name(self.protocol.name, self.phase, self.variant)


def variants(protocol: Protocol, phase: int) -> dict[str, tuple[str, ...] | None]:
    """The inputs that a phase is run on under a protocol, {variant: networks trained on it}.

    None stands for all networks of the phase, which the protocol's own input has. A control has the
    headline's network where the label had a way in or a verdict on lyrics rests on it, else none.
    """
    networks: dict[str, tuple[str, ...] | None] = {"full": None}
    if phase == 1:
        return networks
    headline = HEADLINE[phase]
    text_by_genre = protocol.text[phase] != "matched"
    one_hot = phase == 3 and protocol.label_in_input
    label_had_a_way_in = text_by_genre or one_hot
    networks["lyrics shuffled"] = headline if protocol.strict else ()
    networks["lyrics alone"] = ()
    networks["audio alone"] = headline if label_had_a_way_in or protocol.strict else ()
    if one_hot:
        networks["one-hot alone"] = ()
    if text_by_genre:
        networks["real lyrics"] = headline
    if one_hot:
        networks["one-hot removed"] = headline
    if one_hot and text_by_genre:
        networks["real lyrics, no one-hot"] = headline
    return networks


def units(
    tracks: Tracks, seeds: Sequence[int], filtered: Path | None = None, only: Sequence[str] = ()
) -> list[Unit]:
    """Every unit that these tracks can have, or those whose name begins like one of `only`.

    A run that lacks something (genres with sentences, lyrics) is logged and left out."""
    result = []
    for protocol in protocols.PROTOCOLS.values():
        for phase in (1, 2, 3) if protocol.published else ():
            for variant, recipes in variants(protocol, phase).items():
                name = stored_runs.run_name(protocol.name, phase, variant)
                if _asked(name, only) and _can_run(tracks, protocol, phase, variant, seeds[0]):
                    result += [Unit(protocol, phase, variant, seed, recipes) for seed in seeds]
    released = protocols.PROTOCOLS["released"]
    for variant, keep in duplicates.subsets(tracks, filtered).items():
        if _asked(stored_runs.run_name("released", 1, variant), only):
            result += [Unit(released, 1, variant, seed, None, keep) for seed in seeds]
    return result


def _asked(name: str, only: Sequence[str]) -> bool:
    """Whether a name begins like one of `only`, or all are asked for."""
    return not only or name.startswith(tuple(only))


def _can_run(tracks: Tracks, protocol: Protocol, phase: int, variant: str, seed: int) -> bool:
    """Whether the tracks have what a run needs; logs what is missing."""
    try:
        inputs.prepare(tracks, protocol, phase, seed, variant, guard=protocol.strict)
    except ValueError as error:
        name = stored_runs.run_name(protocol.name, phase, variant)
        log.info("%s is left out: %s", name, error)
        return False
    return True


def calls(tracks: Tracks, wanted: Sequence[Unit]) -> list[tuple]:
    """The units as calls for the store: all that their numbers depend on are arguments, the bank by
    its hash."""
    plain = replace(tracks, provenance={})
    texts = store.key(lyrics.bank, lyrics.bank(), lyrics.sentence_vectors())[:12]
    return [(run_unit, plain, *unit, "" if unit.phase == 1 else texts) for unit in wanted]


def run_unit(
    tracks: Tracks,
    protocol: Protocol,
    phase: int,
    variant: str,
    seed: int,
    recipes: tuple[str, ...] | None,
    keep: np.ndarray | None,
    texts: str,
) -> dict[str, np.ndarray]:
    """One unit: "scores" (CSV) and "record" (JSON) as bytes, `labels/<method>` (n,), and of seed 0
    on the protocol's own input also `map/…` (n, 2) and `history/<recipe>/…`. `texts` names the bank
    of lyrics that was read."""
    began, misses = time.process_time(), store.cache_report()["misses"]
    extras: tuple[str, ...] = EXTRAS[:1]
    if keep is not None:
        extras = ()
    elif variant == "full":
        extras = EXTRAS
    run = phases.run_phase(
        tracks if keep is None else tracks.rows(keep),
        protocol.name,
        phase,
        [seed],
        variant if keep is None else "full",
        extras,
        recipes,
        n_jobs=1,
    )
    seconds = time.process_time() - began
    if store.cache_report()["misses"] == misses:  # all fits were read: what they cost when made
        seconds += sum(fit.seconds for fit in run.fits[seed].values())

    arrays = {}
    rows = slice(None) if keep is None else keep
    for method, labels in run.labels[seed].items():
        arrays[f"labels/{method}"] = np.full(tracks.whole().n, stored_runs.MISSING, np.int16)
        arrays[f"labels/{method}"][rows] = labels
    if variant == "full" and seed == 0:
        arrays |= _pictures(phase, run.spaces[seed])
        for name, fit in run.fits[seed].items():
            for part, values in fit.history.items():
                arrays[f"history/{name}/{part}"] = values.astype(np.float32)
    versions = [f"{name} {metadata.version(name)}" for name in store.VERSIONS]
    record = {
        "unit": {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "code": code_digest(run_unit)[:12],
            "data": stored_runs.hashes(tracks)["features_sha256"][:12],
            "texts": texts,
            "versions": ", ".join(versions),
            "cpu_s": seconds,
            "left_out": " ".join(run.left_out),
        },
        "run": _input_record(tracks, protocol, phase, run.inputs[seed]),
    }
    scores = run.scores.assign(variant=variant).to_csv(index=False, float_format="%.6g")
    return arrays | {"scores": _bytes(scores), "record": _bytes(json.dumps(record))}


def _input_record(
    tracks: Tracks, protocol: Protocol, phase: int, prepared: inputs.ModelInput
) -> dict[str, Any]:
    """What the pages say of a run's input."""
    survive = False
    if "text" in prepared.blocks:
        survive = bool(inputs.weights_survive(tracks, protocol, phase))
    report = prepared.lyrics_report
    return {
        "leaks": list(prepared.leaks),
        "columns": {name: block.stop - block.start for name, block in prepared.blocks.items()},
        "text_variance": prepared.text_variance,
        "weights_survive": survive,
        "lyrics": None if report is None else report.to_dict(orient="records"),
    }


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


def _first_of_each_space(phase: int) -> list[str]:
    """The methods whose spaces are drawn: the first in each space of a phase, in reading order."""
    first = {method.space: method.name for method in reversed(phases.methods_of(phase))}
    return list(reversed(first.values()))


def _pictures(phase: int, spaces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """2-d maps of each space of the paper's methods and of VaDE, and DBSCAN's clusters over eps."""
    arrays = {}
    for name in (*_first_of_each_space(phase), "VaDE"):
        if name in spaces:
            arrays[f"map/{name}"] = plots.project(spaces[name]).astype(np.float16)
    for method in phases.methods_of(phase):
        if method.algorithm == "dbscan" and method.name in spaces:
            X = spaces[method.name]
            eps = clustering.eps_curve(X).eps.to_numpy()
            labels = [clustering.cluster(X, "dbscan", seed=0, eps=one) for one in eps]
            arrays |= {"map/eps": eps, "map/eps_labels": np.stack(labels).astype(np.int16)}
    return arrays


def run(
    dataset: str = "gtzan",
    seeds: int = 10,
    n_jobs: int | None = None,
    filtered: Path | None = None,
    only: Sequence[str] = (),
    compute: bool = True,
) -> Path:
    """Compute what is missing of the grid of `dataset`, merge it into its folder, return that.

    `filtered` is a folder with the fault-filtered lists of Kereliuk, Sturm & Larsen 2015, if you
    have them; `only` takes the runs whose name begins so, "collapse", one of its grids
    ("collapse_scale"), "multiverse", "waveforms", "neighbours", "control_maps", "pipelines" and,
    of songs with words, "own_words", of the demo "groups" among them; with `compute` False only
    what the store holds is merged."""
    tracks = load(dataset)
    folder = stored_runs.folder_of(tracks)
    wanted = units(tracks, range(seeds), filtered, only)
    todo = calls(tracks, wanted)
    if compute:
        entries: list = store.remember_many(todo, n_jobs, "runs")
    else:
        entries = [store.read_entry(store.key(*call)) for call in todo]
    done = [pair for pair in zip(wanted, entries, strict=True) if pair[1] is not None]
    if done:
        assemble(tracks, folder, done, filtered)
    if not compute:
        return folder
    plain = replace(tracks, provenance={})
    for title, grid in GRIDS.items():
        below = any(name.startswith(f"{title}_") for name in only)  # one of its tables is asked for
        if below or _asked(title, only):
            tabulate(grid, title, tracks, folder, seeds, n_jobs, tuple(only))
    if _asked("neighbours", only):
        store.write_arrays(folder / "neighbours.npz", store.remember(neighbours, plain, [0]))
    if _asked("control_maps", only) and _can_run(plain, *CONTROL_DRAWN, 0):
        store.write_arrays(folder / "control_maps.npz", store.remember(control_maps, plain))
    pipelines = [name for name in only if name.startswith("pipelines")]
    if (pipelines or not only) and tracks.genres is not None:
        pipelines_grid.publish(tracks, folder, seeds, n_jobs, filtered, pipelines)
    if _asked("groups", only) and tracks.name == "demo":
        stable_groups.publish(tracks, folder)
    if _asked("own_words", only) and tracks.name == own_words_grids.FOLDER:
        own_words_grids.publish(folder, seeds, n_jobs)
    return folder


def neighbours(tracks: Tracks, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Each track's nearest others in the spaces of the first seed's runs, (n, k) int16.

    The arrays are named as the maps are. Page "Leakage"."""
    arrays: dict[str, np.ndarray] = {}
    for unit in units(tracks, seeds):
        if unit.variant != "full" or unit.keep is not None:
            continue
        run = phases.run_phase(
            tracks, unit.protocol.name, unit.phase, seeds, recipes=unit.recipes, n_jobs=1
        )
        spaces = run.spaces[seeds[0]]
        for name in _first_of_each_space(unit.phase):
            if name in spaces:
                nearest = clustering.nearest(spaces[name])
                arrays[f"{unit.name}/{name}"] = nearest.astype(np.int16)
    return arrays


def control_maps(tracks: Tracks) -> dict[str, np.ndarray]:
    """The map of the Beta-VAE on CONTROL_DRAWN, of the first seed, named as the maps are.

    It shows the network of the paper's headline without the genre. Page: the opening page."""
    protocol, phase, variant = CONTROL_DRAWN
    recipes = HEADLINE[phase]
    run = phases.run_phase(tracks, protocol.name, phase, [0], variant, (), recipes, n_jobs=1)
    points = plots.project(run.spaces[0]["Beta-VAE"]).astype(np.float16)
    return {f"{stored_runs.run_name(protocol.name, phase, variant)}/Beta-VAE": points}


def tabulate(
    grid: Any,
    title: str,
    tracks: Tracks,
    folder: Path,
    seeds: int,
    n_jobs: int | None,
    only: tuple[str, ...] = (),
) -> None:
    """Compute the cells of a grid and write its tables, `<title>_<grid>.csv`.

    `grid.cells(tracks, seeds)` gives the cells, each a (named, function, *arguments), and
    `grid.table(named, result)` the rows of one; `named["grid"]` says which table they belong to, ""
    the only one. Where it has `grid.maps(tracks)`, `<title>_maps.npz` is written, too. `only` takes
    the files whose name begins so (all of them)."""
    plain = replace(tracks, provenance={})
    cells = []
    for cell in grid.cells(plain, range(seeds)):
        if _asked(f"{title}_{cell[0].get('grid', '')}", only):
            cells.append(cell)
    results = store.remember_many([tuple(call) for _, *call in cells], n_jobs, title)
    tables: dict[str, list[pd.DataFrame]] = {}
    for (named, *_), result in zip(cells, results, strict=True):
        tables.setdefault(named.get("grid", ""), []).append(grid.table(named, result))
    for name, parts in tables.items():
        table = pd.concat(parts, ignore_index=True)
        file = folder / (f"{title}_{name}.csv" if name else f"{title}.csv")
        store.write_atomically(file, partial(table.to_csv, index=False, float_format="%.6g"))
    if hasattr(grid, "maps") and cells and _asked(f"{title}_maps", only):
        store.write_arrays(folder / f"{title}_maps.npz", store.remember(grid.maps, plain))


# ---- merging -------------------------------------------------------------------------------------


@dataclass
class Merged:
    """The runs of a folder, those of before and new ones, on their way into its files.

    `labels` are (seeds, n), with MISSING where a seed or a track was not run."""

    seeds: list[int]
    n: int
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    maps: dict[str, np.ndarray] = field(default_factory=dict)
    histories: dict[str, np.ndarray] = field(default_factory=dict)
    scores: list[pd.DataFrame] = field(default_factory=list)
    units: list[dict] = field(default_factory=list)
    runs: dict[str, dict] = field(default_factory=dict)

    def empty(self) -> np.ndarray:
        return np.full((len(self.seeds), self.n), stored_runs.MISSING, np.int16)

    def take_over(self, old: stored_runs.Published, new: set[tuple[str, int]]) -> None:
        """Start from what a folder has, without the units (run, seed) that are `new`."""
        rows = [self.seeds.index(seed) for seed in old.seeds]
        for name, labels in old.archive("labels").items():
            if "/" in name:  # labels of a run and method, not ids, groups, seeds or genres
                self.labels[name] = self.empty()
                self.labels[name][rows] = labels
        self.maps = old.archive("maps")
        self.histories = old.archive("histories")
        self.runs = dict(old.record["runs"])
        keys = zip(old.scores.protocol, old.scores.phase, old.scores.variant, strict=True)
        names = [stored_runs.run_name(*key) for key in keys]
        stays = [key not in new for key in zip(names, old.scores.seed, strict=True)]
        self.scores.append(old.scores[stays])
        for unit in old.units.to_dict("records"):
            if (unit["run"], unit["seed"]) not in new:
                self.units.append(unit)

    def add(self, unit: Unit, arrays: Mapping[str, np.ndarray]) -> None:
        """Put one unit (`run_unit`) in the place of the one of its name and seed."""
        row = self.seeds.index(unit.seed)
        for name, labels in self.labels.items():
            if name.startswith(f"{unit.name}/"):  # a method that it has no more has no labels
                labels[row] = stored_runs.MISSING
        for entry, values in arrays.items():
            kind, _, rest = entry.partition("/")
            name = f"{unit.name}/{rest}"
            if kind == "labels":
                self.labels.setdefault(name, self.empty())[row] = values
            elif kind == "map":
                self.maps[name] = values
            elif kind == "history":
                self.histories[name] = values
        record = json.loads(arrays["record"].tobytes())
        self.units.append({"run": unit.name, "seed": unit.seed} | record["unit"])
        self.scores.append(pd.read_csv(io.BytesIO(arrays["scores"].tobytes())))
        if unit.seed == self.seeds[0] or unit.name not in self.runs:
            self.runs[unit.name] = record["run"]


def assemble(
    tracks: Tracks,
    folder: Path,
    done: Sequence[tuple[Unit, dict[str, np.ndarray]]],
    filtered: Path | None = None,
) -> None:
    """Merge units into the runs of `folder`, which may have none yet.

    A unit takes the place of the one of its name and seed, all others stay."""
    whole = tracks.whole()  # one row a track, as runs score them
    has_runs = (folder / "provenance.json").exists()
    old = stored_runs.Published(folder.name) if has_runs else None
    seeds = {unit.seed for unit, _ in done}
    if old is not None:
        seeds.update(old.seeds.tolist())
    merged = Merged(sorted(seeds), whole.n)
    if old is not None:
        merged.take_over(old, {(unit.name, unit.seed) for unit, _ in done})
    for unit, arrays in done:
        merged.add(unit, arrays)

    labels = {}
    for name, values in merged.labels.items():
        if (values != stored_runs.MISSING).any():
            labels[name] = values
    labels["ids"] = whole.ids.astype("U")
    labels["groups"] = whole.groups.astype("U")
    labels["seeds"] = np.array(merged.seeds)
    record = {
        "dataset": tracks.name,
        "n": whole.n,
        **stored_runs.hashes(tracks),
        "runs": merged.runs,
    }
    if whole.genres is not None:
        labels["genres"] = whole.genres.astype("U")
        record["duplicates"] = duplicates.found(whole, filtered)
    stored_runs.save(
        folder,
        pd.concat(merged.scores, ignore_index=True),
        {"labels": labels, "maps": merged.maps, "histories": merged.histories},
        pd.DataFrame(merged.units),
        record,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command behind `make results`."""
    parser = argparse.ArgumentParser(
        prog="python -m musicbook.make_results",
        description=__doc__,
        epilog="Exit codes: 0 done, 1 an input cannot be used, 2 wrong usage.",
    )
    parser.add_argument(
        "--dataset", default="gtzan", help="a data set, a table (.csv), or a folder of audio"
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument(
        "--filtered",
        type=Path,
        default=None,
        help="folder of fault-filtered lists (*_filtered.txt)",
    )
    parser.add_argument(
        "--only", nargs="*", default=(), help="runs whose name begins so, e.g. released-3 collapse"
    )
    parser.add_argument(
        "--stored", action="store_true", help="compute nothing: merge what the store holds"
    )
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        print(
            "written:",
            run(
                given.dataset, given.seeds, given.jobs, given.filtered, given.only, not given.stored
            ),
        )
    except (OSError, ValueError) as error:
        raise SystemExit(f"make results: {error}") from None


if __name__ == "__main__":
    main()
