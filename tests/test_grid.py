"""The published grid: what it runs, that it resumes, that nothing is half-written."""

import dataclasses
import shutil

import numpy as np
import pytest

from helpers import datasets, phases
from helpers.published import grids, leakage, store
from helpers.phases import METHODS
from helpers.published.grids import Unit
from helpers.protocols import PROTOCOLS


def test_the_grid_holds_every_table_and_every_ladder():
    names = {unit.name for unit in grids.units()}
    assert len(names) == len(grids.units())
    assert {Unit(p, phase).name for p in PROTOCOLS for phase in METHODS} <= names
    for phase, _, steps in leakage.LADDERS.values():
        assert {Unit(protocol, phase, variant).name for _, protocol, variant in steps} <= names


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Three quick units of small networks, on a copy of the embedded tables."""
    for name, protocol in PROTOCOLS.items():
        changed = {k: r.but(hidden=(8,), latent=3, epochs=2, anneal="none") for k, r in protocol.recipes.items()}
        monkeypatch.setitem(PROTOCOLS, name, dataclasses.replace(protocol, recipes=changed))
    data = tmp_path / "data"
    shutil.copytree(datasets.data_dir(), data, ignore=shutil.ignore_patterns("results", "raw"))
    monkeypatch.setenv("HELPERS_DATA", str(data))
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    units = [Unit("released", 1), Unit("released", 2), Unit("controlled", 2, "lyrics shuffled", ("enhanced_vae",))]
    monkeypatch.setattr(grid, "units", lambda: units)
    monkeypatch.setattr(grid, "CONTROL_INPUTS", ("audio alone",))
    return tmp_path


def test_an_interrupted_grid_goes_on_where_it_stopped(small, monkeypatch):
    calls, real = [], phases.run

    def run(*args, **kwargs):
        calls.append(args[1:3])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(experiments, "run", run)
    monkeypatch.setattr(
        grid,
        "write_faults",
        lambda tracks, folder, *_: [(folder / name).write_text("") for name in ("faults.csv", "faults.json")],
    )
    arguments = ("gtzan-mini-tracks", 2, 1, small / "parts")
    with pytest.raises(KeyboardInterrupt):
        grids.run(*arguments)
    assert len(list((small / "parts").rglob("*.npz"))) == 1 and not list((small / "parts").rglob(".*"))
    out = grids.run(*arguments)
    assert calls == [("released", 1), ("released", 2), ("released", 2), ("controlled", 2)]  # the first is not run again
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    grids.run(*arguments)
    assert len(calls) == 4 and first == {path.name: path.read_bytes() for path in out.iterdir()}

    runs = store.Published("gtzan-mini-tracks")
    assert runs.labels("released", 2, "DBSCAN").shape == (2, 100) and runs.record["seeds"] == 2
    assert runs.archive("maps")["released-2-full/eps_labels"].shape[1] == 100
    assert "released-1-full/basic_vae/loss" in runs.archive("histories")
    assert np.isfinite(runs.scores[runs.scores.metric == "nmi"].value).all()
    store.check_provenance(datasets.load("gtzan-mini-tracks"), runs.record, str(out))


def test_another_table_or_number_of_seeds_is_another_grid():
    tracks = datasets.load("gtzan-mini-tracks")
    changed = dataclasses.replace(tracks, features=tracks.features * 1.01)
    assert len({grids.key(tracks, 2), grids.key(tracks, 3), grids.key(changed, 2)}) == 3
