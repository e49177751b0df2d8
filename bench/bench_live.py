"""Do the small data of the live pages stand for full GTZAN? Three ways to make rows of 100 tracks.

`python bench/bench_live.py` runs the paper's three phases under `controlled` on ten-second thirds
(the live pages), on ten three-second segments scored one by one (as these pages once did), and on
three of the ten segments, and writes data/results/bench/live.json: active dimensions, NMI and which
of two methods is better, beside the published runs of full GTZAN. `--only` takes some of the
ways."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

import numpy as np

from helpers import phases, store, tables
from helpers.tracks import Tracks
from musicbook.chapters.phases import full_gtzan
from musicbook.corpus import sources
from musicbook.stored_runs import Published

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "bench" / "live.json"
WAYS = ("thirds", "three segments", "ten segments, scored one by one")


def rows_of(way: str) -> Tracks:
    """The tracks of one way; a segment that is scored by itself has no track."""
    if way == "thirds":
        return sources.load("gtzan-mini-thirds")
    segments = sources.load("gtzan-mini")
    if way == "three segments":
        kept = np.isin([name[-3:] for name in segments.ids], ["s01", "s05", "s08"])
        return segments.rows(kept)
    return replace(segments, start_s=None)


def live(tracks: Tracks, phase: int, seeds: int) -> dict:
    """One phase on some rows: what the table compares, and the CPU seconds of the run."""
    began = time.process_time()
    run = phases.run_phase(tracks, "controlled", phase, seeds, extras=["spaces"], n_jobs=1)
    spent = time.process_time() - began
    nmi = {name: tables.mean_of(run.scores, name, "nmi") for name in phases.names_of(phase)}
    differences = [
        tables.difference(run.tracks.genres, run.tracks.groups, run.labels, a, b)
        for a, b in full_gtzan.PAIRS[phase]
    ]
    active = full_gtzan.active_dimensions(run.fits)
    return _record(active, nmi, differences) | {"rows": tracks.n, "cpu_s": spent}


def published(phase: int) -> dict:
    """The same of the published runs of full GTZAN."""
    runs = Published()
    scores = runs.run("controlled", phase)
    nmi = {name: tables.mean_of(scores, name, "nmi") for name in phases.names_of(phase)}
    differences = []
    for a, b in full_gtzan.PAIRS[phase]:
        labels = {name: runs.labels("controlled", phase, name) for name in (a, b)}
        differences.append(tables.difference(runs.genres, runs.groups, labels, a, b))
    active = full_gtzan.stored_active_dimensions(runs, "controlled", phase)
    return _record(active, nmi, differences)


def _record(active: dict, nmi: dict, differences: list[tables.Difference]) -> dict:
    outcomes = [asdict(one) | {"better": one.better or "level"} for one in differences]
    return {"active": active, "nmi": nmi, "differences": outcomes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--phases", type=int, nargs="*", default=(1, 2, 3))
    parser.add_argument("--only", nargs="*", default=WAYS, help="some of the ways")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    table = json.loads(options.out.read_text()) if options.out.exists() else {}
    table["date"] = date.today().isoformat()
    full = {str(phase): published(phase) for phase in (1, 2, 3)}
    table["full GTZAN, published runs"] = full
    for way in options.only:
        for phase in options.phases:
            table.setdefault(way, {})[str(phase)] = live(rows_of(way), phase, options.seeds)
            text = json.dumps(table, indent=1) + "\n"
            store.write_atomically(options.out, lambda path, text=text: path.write_text(text))
            print(way, phase, json.dumps(table[way][str(phase)]["nmi"]), flush=True)


if __name__ == "__main__":
    main()
