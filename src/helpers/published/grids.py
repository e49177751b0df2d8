"""The published runs: every phase, protocol, method and control of a data set, resumable (`make results`).

A unit is one seed of one phase under one protocol with one variant of the input; what it gives is kept in the store
(`cache`) under its data, lyrics, settings and code, and so is every fit within it, so that an interrupted run goes on
where it stopped and a changed bank of lyrics makes new units. `run` computes what is missing and merges it into
`data/results/<dataset>/`, where units that were not asked for stay as they are.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .. import cache, clustering, inputs, lyrics, phases, plots, protocols
from ..datasets import Tracks, load
from ..protocols import Protocol
from . import duplicates, store

log = logging.getLogger("helpers")
EXTRAS = ("spaces", "baselines")
HEADLINE = {2: ("enhanced_vae",), 3: ("beta_vae",)}  # the network whose score the controls of a phase explain


class Unit(NamedTuple):
    """One seed of one run. `recipes` are the networks to train (None: all of the phase; none at all for a control of
    the input alone), `keep` (n,) the tracks of a run on a part of them."""

    protocol: Protocol
    phase: int
    variant: str
    seed: int
    recipes: tuple[str, ...] | None = None
    keep: np.ndarray | None = None

    @property
    def name(self) -> str:
        return store.run_name(self.protocol.name, self.phase, self.variant)


def variants(protocol: Protocol, phase: int) -> dict[str, tuple[str, ...] | None]:
    """The inputs that a phase is run on under a protocol, and the networks on each: all on the protocol's own; on the
    controls the headline's, where the label had a way in and where a verdict on lyrics rests on it, else none."""
    found: dict[str, tuple[str, ...] | None] = {"full": None}
    if phase == 1:
        return found
    told = protocol.text[phase] != "matched"  # texts written by genre
    one_hot = phase == 3 and protocol.label_in_input
    by_network = ["audio alone"] if told or one_hot or protocol.strict else []
    by_network += ["lyrics shuffled"] * protocol.strict + ["real lyrics"] * told + ["one-hot removed"] * one_hot
    by_network += ["real lyrics, no one-hot"] * (one_hot and told)
    for variant in ("lyrics shuffled", "lyrics alone", "audio alone", *["one-hot alone"] * one_hot):
        found[variant] = ()
    return found | {variant: HEADLINE[phase] for variant in by_network}


def units(
    tracks: Tracks, seeds: Sequence[int], filtered: Path | None = None, only: Sequence[str] = ()
) -> list[Unit]:
    """Every unit that these tracks can have, or those whose name begins like one of `only`; what they lack (genres
    with sentences, lyrics) is logged and left out."""
    found, asked = [], tuple(only or [""])
    for protocol in protocols.PROTOCOLS.values():
        for phase in (1, 2, 3) if protocol.published else ():
            for variant, recipes in variants(protocol, phase).items():
                if not store.run_name(protocol.name, phase, variant).startswith(asked):
                    continue
                try:
                    inputs.prepare(tracks, protocol, phase, seeds[0], variant, guard=protocol.strict)
                except ValueError as error:
                    log.info("%s is left out: %s", store.run_name(protocol.name, phase, variant), error)
                    continue
                found += [Unit(protocol, phase, variant, seed, recipes) for seed in seeds]
    for variant, keep in duplicates.subsets(tracks, filtered).items():
        found += [Unit(protocols.PROTOCOLS["released"], 1, variant, seed, None, keep) for seed in seeds]
    return [unit for unit in found if unit.name.startswith(asked)]


def calls(tracks: Tracks, wanted: Sequence[Unit]) -> list[tuple]:
    """The units as calls for the store: all that their numbers depend on are arguments, the bank by its hash."""
    plain = replace(tracks, provenance={})
    texts = cache.key(lyrics.bank, lyrics.bank(), lyrics.sentence_vectors())[:12]
    return [(run_unit, plain, *unit, "" if unit.phase == 1 else texts) for unit in wanted]


def run_unit(
    tracks: Tracks, protocol: Protocol, phase: int, variant: str, seed: int, recipes: tuple[str, ...] | None,
    keep: np.ndarray | None, texts: str,
) -> dict[str, np.ndarray]:  # fmt: skip
    """One unit: "scores" (CSV) and "record" (JSON) as bytes, `labels/<method>` (n,), and of seed 0 on the protocol's
    own input also `map/…` (n, 2) and `history/<recipe>/…`. `texts` names the bank of lyrics that was read."""
    began, trained = time.process_time(), cache.cache_report()["misses"]
    part = tracks if keep is None else tracks.rows(keep)
    run = phases.run(part, protocol.name, phase, [seed], variant if keep is None else "full",
                     EXTRAS if variant == "full" else () if keep is not None else EXTRAS[:1], recipes, n_jobs=1)
    spent, fits, made = time.process_time() - began, run.fits[seed], run.inputs[seed]
    cached = cache.cache_report()["misses"] == trained
    arrays = {}
    for method, found in run.labels[seed].items():
        arrays[f"labels/{method}"] = np.full(tracks.n, store.MISSING, np.int16)
        arrays[f"labels/{method}"][slice(None) if keep is None else keep] = found
    if variant == "full" and seed == 0:
        arrays |= _pictures(phase, run.spaces[seed])
        arrays |= {f"history/{name}/{part}": values.astype(np.float32)
                   for name, fit in fits.items() for part, values in fit.history.items()}  # fmt: skip
    record = {
        "unit": {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"), "code": cache.code_digest(run_unit)[:12],
            "data": store.hashes(tracks)["features_sha256"][:12], "texts": texts,
            "versions": ", ".join(f"{name} {metadata.version(name)}" for name in cache.VERSIONS),
            "cpu_s": spent + cached * sum(fit.seconds for fit in fits.values()),
            "left_out": " ".join(run.left_out),
        },
        "run": {
            "leaks": list(made.leaks), "columns": {name: b.stop - b.start for name, b in made.blocks.items()},
            "text_variance": made.text_variance,
            "weights_survive": "text" in made.blocks and bool(inputs.weights_survive(tracks, protocol, phase)),
            "lyrics": None if made.lyrics_report is None else made.lyrics_report.to_dict(orient="records"),
        },
    }  # fmt: skip
    scores = run.scores.assign(variant=variant).to_csv(index=False, float_format="%.6g")
    return arrays | {"scores": _bytes(scores), "record": _bytes(json.dumps(record))}


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


def _pictures(phase: int, spaces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """2-d maps of each space of the paper's methods and of VaDE, and DBSCAN's clusters over eps."""
    first = {m.space: m.name for m in reversed(phases.methods_of(phase))}
    wanted = [name for name in (*reversed(first.values()), "VaDE") if name in spaces]
    arrays = {f"map/{name}": plots.project(spaces[name]).astype(np.float16) for name in wanted}
    for name in (m.name for m in phases.methods_of(phase) if m.algorithm == "dbscan" and m.name in spaces):
        eps = clustering.eps_curve(spaces[name]).eps.to_numpy()
        found = [clustering.cluster(spaces[name], "dbscan", seed=0, eps=e) for e in eps]
        arrays |= {"map/eps": eps, "map/eps_labels": np.stack(found).astype(np.int16)}
    return arrays


def run(
    dataset: str = "gtzan", seeds: int = 10, n_jobs: int | None = None, filtered: Path | None = None,
    only: Sequence[str] = (), compute: bool = True,
) -> Path:  # fmt: skip
    """Compute what is missing of the grid of `dataset`, merge it into its folder (`store.folder_of`), and return that.

    `filtered` is a folder with the fault-filtered lists of Kereliuk, Sturm & Larsen 2015, if you have them; `only`
    takes the runs whose name begins so, "collapse", "multiverse" and, of songs with words, "own_words" among them; with
    `compute` False only what the store holds is merged. """
    tracks = load(dataset)
    folder = store.folder_of(tracks)
    wanted = units(tracks, range(seeds), filtered, only)
    todo = calls(tracks, wanted)
    if compute:
        found = dict(enumerate(cache.remember_many(todo, n_jobs, "runs")))
    else:
        keys = [cache.key(*call) for call in todo]
        there = cache.get(keys)
        found = {i: there[key] for i, key in enumerate(keys) if key in there}
    if found:
        assemble(tracks, folder, [(wanted[i], made) for i, made in found.items()], filtered)
    for title in ("multiverse", "collapse") if compute else ():
        if title.startswith(tuple(only or [""])):
            grid = import_module(".multiverse" if title == "multiverse" else "..collapse.grids", __package__)
            tabulate(grid, title, tracks, folder, seeds, n_jobs)
    if compute and tracks.text is not None and "own_words".startswith(tuple(only or [""])):
        import_module("..pairing.grids", __package__).publish(replace(tracks, provenance={}), folder, seeds, n_jobs)
    return folder


def tabulate(grid: Any, title: str, tracks: Tracks, folder: Path, seeds: int, n_jobs: int | None) -> None:
    """Compute the cells of a grid, `grid.cells(tracks, seeds)`, each a (named, function, *arguments), and write one
    table `<title>_<grid>.csv` a grid, from `grid.table(named, result)`; `named["grid"]` says which, "" the only one.
    Where it has `grid.maps(tracks)`, `<title>_maps.npz`."""
    plain = replace(tracks, provenance={})
    cells = list(grid.cells(plain, range(seeds)))
    made = cache.remember_many([tuple(call) for _, *call in cells], n_jobs, title)
    tables: dict[str, list[pd.DataFrame]] = {}
    for (named, *_), result in zip(cells, made, strict=True):
        tables.setdefault(named.get("grid", ""), []).append(grid.table(named, result))
    for name, parts in tables.items():
        table = pd.concat(parts, ignore_index=True)
        file = folder / f"{f'{title}_{name}'.strip('_')}.csv"
        cache.write_atomically(file, partial(table.to_csv, index=False, float_format="%.6g"))
    if hasattr(grid, "maps"):
        maps = cache.remember(grid.maps, plain)
        cache.write_atomically(folder / f"{title}_maps.npz", partial(np.savez_compressed, **maps))  # type: ignore[arg-type]


def assemble(
    tracks: Tracks, folder: Path, done: Sequence[tuple[Unit, dict[str, np.ndarray]]], filtered: Path | None = None
) -> None:
    """Merge units into the runs of `folder`, which may have none yet: a unit takes the place of the one of its name and
    seed, all others stay."""
    old = store.Published(folder.name) if (folder / "provenance.json").exists() else None
    before = [] if old is None else old.seeds.tolist()
    seeds = sorted({*before, *(unit.seed for unit, _ in done)})
    rows = {seed: i for i, seed in enumerate(seeds)}
    new = {(unit.name, unit.seed) for unit, _ in done}
    arrays: dict[str, dict[str, np.ndarray]] = {"labels": {}, "maps": {}, "histories": {}}
    labels, runs, scores, made_by = arrays["labels"], dict[str, dict](), [], list[dict]()
    if old is not None:
        arrays |= {name: old.archive(name) for name in ("maps", "histories")}
        for name, found in old.archive("labels").items():
            if "/" in name:
                labels[name] = np.full((len(seeds), tracks.n), store.MISSING, np.int16)
                labels[name][[rows[seed] for seed in before]] = found
        names = [store.run_name(*key) for key in zip(old.scores.protocol, old.scores.phase, old.scores.variant)]
        scores.append(old.scores[[key not in new for key in zip(names, old.scores.seed)]])
        made_by += [row for row in old.units.to_dict("records") if (row["run"], row["seed"]) not in new]
        runs |= old.record["runs"]
    for unit, made in done:
        for name in (name for name in labels if name.startswith(f"{unit.name}/")):
            labels[name][rows[unit.seed]] = store.MISSING
        record = json.loads(made["record"].tobytes())
        scores.append(pd.read_csv(io.BytesIO(made["scores"].tobytes())))
        made_by.append({"run": unit.name, "seed": unit.seed} | record["unit"])
        if unit.seed == seeds[0] or unit.name not in runs:
            runs[unit.name] = record["run"]
        for entry, values in made.items():
            kind, _, rest = entry.partition("/")
            name = f"{unit.name}/{rest}"
            if kind == "labels":
                labels.setdefault(name, np.full((len(seeds), tracks.n), store.MISSING, np.int16))
                labels[name][rows[unit.seed]] = values
            elif rest:
                arrays["maps" if kind == "map" else "histories"][name] = values
    arrays["labels"] = {name: found for name, found in labels.items() if (found != store.MISSING).any()}
    arrays["labels"] |= {"ids": tracks.ids.astype("U"), "groups": tracks.groups.astype("U"), "seeds": np.array(seeds)}
    record = {"dataset": tracks.name, "n": tracks.n, **store.hashes(tracks), "runs": runs}
    if tracks.genres is not None:
        arrays["labels"]["genres"] = tracks.genres.astype("U")
        record["duplicates"] = duplicates.found(tracks, filtered)
    store.save(folder, pd.concat(scores, ignore_index=True), arrays, pd.DataFrame(made_by), record)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command behind `make results`."""
    parser = argparse.ArgumentParser(prog="python -m helpers.published.grids", description=__doc__)
    parser.add_argument("--dataset", default="gtzan", help="a data set, a table (.csv), or a folder of audio")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--filtered", type=Path, default=None, help="folder of fault-filtered lists (*_filtered.txt)")
    parser.add_argument("--only", nargs="*", default=(), help="runs whose name begins so, e.g. released-3 collapse")
    parser.add_argument("--stored", action="store_true", help="compute nothing: merge what the store holds")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        print("written:", run(given.dataset, given.seeds, given.jobs, given.filtered, given.only, not given.stored))
    except (OSError, ValueError) as error:
        raise SystemExit(f"make results: {error}") from None


if __name__ == "__main__":
    main()
