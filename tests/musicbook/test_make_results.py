"""The published grid: what it runs, that it resumes and merges, that nothing new needs an edit of
it."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from helpers import lyrics, metrics, phases, store, tables, training
from helpers.code_keys import code_digest
from helpers.protocols import PROTOCOLS
from helpers.tracks import data_dir
from musicbook import make_results, stored_runs
from musicbook.chapters.leakage import attribution, duplicates
from musicbook.chapters.results import claims, figures, verdicts
from musicbook.corpus import sources
from tests.conftest import ROOT


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Networks of a few weights, a cache and a folder of data of their own, without results."""
    for name, protocol in PROTOCOLS.items():
        monkeypatch.setitem(PROTOCOLS, name, shrunk(protocol))
    data = tmp_path / "data"
    shutil.copytree(data_dir(), data, ignore=shutil.ignore_patterns("results", "raw"))
    monkeypatch.setenv("HELPERS_DATA", str(data))
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(make_results, "EXTRAS", ("spaces",))  # UMAP compiles for seconds
    return data


def shrunk(protocol, **changes):
    recipes = {
        k: r.but(hidden=(8,), latent=3, epochs=2, anneal="none")
        for k, r in protocol.recipes.items()
    }
    return dataclasses.replace(protocol, recipes=recipes, **changes)


def sixty(folder, name="sixty", **columns):
    """Six tracks a genre as a table of the reader's own."""
    table = pd.read_csv(ROOT / "data/gtzan_mini_tracks.csv")
    table = table.groupby("genre", group_keys=False).head(6).assign(**columns)
    table.to_csv(folder / f"{name}.csv", index=False)
    return str(folder / f"{name}.csv")


def test_the_grid_holds_every_table_and_every_ladder():
    tracks = sources.load("gtzan-mini-tracks")
    units = make_results.units(tracks, [0, 1])
    names = {unit.name for unit in units}
    assert len(units) == 2 * len(names) and len({(u.name, u.seed) for u in units}) == len(units)
    assert {stored_runs.run_name(p, phase) for p in PROTOCOLS for phase in (1, 2, 3)} <= names
    steps = [(phase, *step[1:]) for phase, _, all_ in attribution.LADDERS.values() for step in all_]
    steps += [(3, *step) for _, *step in attribution.INPUTS] + [
        (3, "released", v) for v in attribution.WAYS.values()
    ]
    networks = {unit.name for unit in units if unit.recipes != ()}
    assert {
        stored_runs.run_name(protocol, phase, variant) for phase, protocol, variant in steps
    } <= networks


def test_an_interrupted_grid_goes_on_where_it_stopped(small, monkeypatch):
    done, real = [], phases.run_phase

    def run(*args, **kwargs):
        if len(done) == 2 and done[-1] != "stopped":
            done.append("stopped")
            raise KeyboardInterrupt
        done.append((args[1], args[2], args[3]))
        return real(*args, **kwargs)

    monkeypatch.setattr(phases, "run_phase", run)
    arguments = ("gtzan-mini-tracks", 2, 1, None, ["released-1", "released-2-full"])
    with pytest.raises(KeyboardInterrupt):
        make_results.run(*arguments)
    folder = stored_runs.results_dir("gtzan-mini-tracks")
    assert not folder.exists()
    make_results.run(
        *arguments[:-1], arguments[-1], compute=False
    )  # what is finished can be looked at
    assert len(stored_runs.Published("gtzan-mini-tracks").units) == 2
    out = make_results.run(*arguments)
    assert out == folder
    assert done == [
        ("released", 1, [0]),
        ("released", 1, [1]),
        "stopped",
        ("released", 2, [0]),
        ("released", 2, [1]),
    ]
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    make_results.run(*arguments)
    assert len(done) == 5 and first == {path.name: path.read_bytes() for path in out.iterdir()}

    runs = stored_runs.Published("gtzan-mini-tracks")
    assert runs.labels("released", 2, "DBSCAN").shape == (2, 100) and runs.seeds.tolist() == [0, 1]
    maps, histories = runs.archive("maps"), runs.archive("histories")
    assert maps["released-2-full/eps_labels"].shape[1] == 100 and maps[
        "released-2-full/K-Means"
    ].shape == (100, 2)
    assert "released-1-full/basic_vae/loss" in histories
    assert (
        runs.record["features_sha256"]
        == stored_runs.hashes(sources.load("gtzan-mini-tracks"))["features_sha256"]
    )
    assert set(runs.units.code) == {code_digest(make_results.run_unit)[:12]}
    assert (runs.units.cpu_s.astype(float) > 0).all()
    assert runs.run("released", 2).leaky.all() and runs.record["runs"]["released-2-full"]["leaks"]


def test_a_unit_takes_the_place_of_the_old_one_and_the_rest_stays(small):
    make_results.run("gtzan-mini-tracks", 2, 1, None, ["released-1-full", "controlled-1-full"])
    folder = stored_runs.results_dir("gtzan-mini-tracks")
    old = pd.read_csv(folder / "units.csv").assign(code="older", date="2001-01-01")
    old.to_csv(folder / "units.csv", index=False)
    before = stored_runs.Published("gtzan-mini-tracks")
    make_results.run("gtzan-mini-tracks", 3, 1, None, ["released-1-full"])
    after = stored_runs.Published("gtzan-mini-tracks")
    made = after.units.set_index(["run", "seed"]).date
    assert (made["controlled-1-full"] == "2001-01-01").all() and (
        made["released-1-full"] > "2026"
    ).all()
    assert len(made) == 5 and "Older than the rest: controlled-1-full." in after.read_age()
    for protocol, seeds in (("controlled", 2), ("released", 3)):
        labels = after.labels(protocol, 1, "VAE + K-Means")
        assert len(labels) == seeds  # the third seed of the older run is missing, and says nothing
        assert (labels[:2] == before.labels(protocol, 1, "VAE + K-Means")).all()
        assert after.run(protocol, 1).seed.nunique() == seeds
    key = ["protocol", "variant", "method", "seed", "metric"]
    assert not after.scores.duplicated(key).any()


def test_new_lyrics_make_new_units_and_nothing_else_does(small, monkeypatch):
    tracks = sources.load("gtzan-mini-tracks")
    units = [
        u
        for u in make_results.units(tracks, [0])
        if u.name in ("released-1-full", "controlled-2-full")
    ]
    keys = [store.key(*call) for call in make_results.calls(tracks, units)]
    named = dataclasses.replace(tracks, provenance={"read": "elsewhere"})
    assert keys == [store.key(*call) for call in make_results.calls(named, units)]
    bank = lyrics.bank()
    monkeypatch.setattr(
        lyrics,
        "bank",
        lambda path=None: dataclasses.replace(bank, vectors=bank.vectors[::-1].copy()),
    )
    again = [store.key(*call) for call in make_results.calls(tracks, units)]
    changed = {unit.phase: a != b for unit, a, b in zip(units, keys, again, strict=True)}
    assert changed == {1: False, 2: True}


def test_ones_own_table_goes_beside_the_published_runs(small):
    published = make_results.run("gtzan-mini-tracks", 2, 1, None, ["released-1-full"])
    kept = {path.name: path.read_bytes() for path in published.iterdir()}
    table = pd.read_csv(small / "gtzan_mini_tracks.csv")
    table["tempo"] += 1.0
    table.to_csv(small / "gtzan_mini_tracks.csv", index=False)
    own = make_results.run("gtzan-mini-tracks", 2, 1, None, ["released-1-full"])
    assert (
        own != published
        and own.name.startswith("gtzan-mini-tracks-")
        and own.parent == published.parent
    )
    assert kept == {path.name: path.read_bytes() for path in published.iterdir()}
    assert (
        stored_runs.of("gtzan-mini-tracks").folder == own
        and stored_runs.Published("gtzan-mini-tracks").folder == published
    )


def pages(runs):
    """What pages 5 to 7 ask of runs, whatever they hold."""
    assert runs.read_age() and attribution.read_coverage(runs) and verdicts.read_counts(runs)
    for phase in (1, 2, 3):
        verdicts.value_table(runs, phase)
    tables_ = [
        verdicts.verdict_counts(runs),
        verdicts.differences(runs),
        verdicts.stability(runs),
        claims.claims_table(runs),
    ]
    assert all(len(table) for table in tables_)
    figures.dots(verdicts.values(runs))
    figures.stability_dots(tables_[2])
    duplicates.scores_without_faults(runs)
    return tables_


def test_a_fourth_protocol_reaches_the_pages(small, monkeypatch, tmp_path):
    weights = {2: (1.0, 1.0), 3: (1.0, 1.0)}
    fourth = dataclasses.replace(
        PROTOCOLS["controlled"], name="mine", title="my own", weights=weights
    )
    monkeypatch.setitem(PROTOCOLS, "mine", fourth)
    path = sixty(tmp_path)
    make_results.run(
        path, 2, 1, None, ["mine", "released-1-full", "released-2-full", "controlled-1-full"]
    )
    runs = stored_runs.of(path)
    assert runs.protocols == ["released", "controlled", "mine"]
    counted, differences, stable, _ = pages(runs)
    assert "mine" in counted.index and "mine" in differences.index.get_level_values("Protocol")
    assert {"mine"} <= set(stable.protocol)
    assert {
        p.split()[0] for p in verdicts.value_table(runs, 2).index.get_level_values("Protocol")
    } == {
        "released",
        "mine",
    }
    assert {"full", "lyrics shuffled", "lyrics alone", "audio alone"} == set(
        attribution.control_table(runs, "mine", 2).index
    )
    monkeypatch.setitem(PROTOCOLS, "mine", dataclasses.replace(fourth, published=False))
    assert not any(
        unit.name.startswith("mine") for unit in make_results.units(sources.load(path), [0])
    )


def test_thirty_columns_of_ones_own_reach_the_pages(small, tmp_path):
    rng = np.random.default_rng(0)
    mood = np.repeat(["calm", "loud", "odd"], 20)
    columns = {f"x{i}": rng.normal(size=60) + 2 * (mood == "loud") * (i < 5) for i in range(30)}
    path = tmp_path / "foreign.csv"
    pd.DataFrame({"track_id": [f"t{i}" for i in range(60)], "mood": mood} | columns).to_csv(
        path, index=False
    )
    run = phases.run_phase(sources.load(str(path)), "controlled", 1, 2)
    assert tables.score_table(run.scores, ["nmi", "k"]).shape == (2, 2)
    out = make_results.run(str(path), 2, 1, None, ["controlled", "released"])
    runs = stored_runs.of(str(path))
    assert runs.folder == out and runs.protocols == ["released", "controlled"]
    assert set(runs.scores[runs.scores.protocol == "released"].phase) == {
        1
    }  # no sentences for these moods
    pages(runs)
    assert set(verdicts.values(runs).verdict) == {verdicts.OTHER}
    shutil.copytree(ROOT / "data/results/gtzan", stored_runs.results_dir())
    assert stored_runs.of(str(path), "released-3-full").folder == stored_runs.results_dir()


def test_a_new_score_needs_no_training(small, monkeypatch):
    make_results.run("gtzan-mini-tracks", 2, 1, None, ["released-1-full"])

    def refuse(*args, **kwargs):
        raise AssertionError("something was trained or clustered")

    monkeypatch.setattr(training, "fit_arrays", refuse)
    monkeypatch.setattr(phases, "cluster_spaces", refuse)
    largest = metrics.Metric(
        "Largest", lambda table: table.sum(-2).max(-1) / table.sum((-2, -1)), chance=True
    )
    monkeypatch.setitem(metrics.METRICS, "largest", largest)
    runs = stored_runs.Published("gtzan-mini-tracks")
    shown = tables.score_table(
        runs.run("released", 1), ["nmi", "largest", "largest_noise_singletons"]
    )
    assert shown.columns.tolist() == ["NMI", "Largest", "Largest, noise singletons"]
    labels = runs.labels("released", 1, "PCA + K-Means")
    by_hand = np.mean([np.unique(one, return_counts=True)[1].max() / len(one) for one in labels])
    assert tables.mean_of(runs.run("released", 1), "PCA + K-Means", "largest") == pytest.approx(
        by_hand
    )


def test_a_run_that_ran_away_is_named_and_left_out(small, monkeypatch):
    real = training.fit_arrays

    def diverge(X, c, n_classes, recipe, seed, gpu=False):
        made = real(X, c, n_classes, recipe, seed, gpu)
        return (
            {"diverged": np.array("The VAE of seed 1 ran away and is left out.")}
            if seed == 1
            else made
        )

    monkeypatch.setattr(training, "fit_arrays", diverge)
    make_results.run("gtzan-mini-tracks", 3, 1, None, ["released-1-full"])
    runs = stored_runs.Published("gtzan-mini-tracks")
    assert runs.labels("released", 1, "VAE + K-Means").shape == (2, 100)
    assert runs.labels("released", 1, "PCA + K-Means").shape == (3, 100)
    assert "seed 1 ran away" in runs.read_age()


def test_grids_with_cells_become_tables(small, tmp_path):
    class grid:
        @staticmethod
        def cells(tracks, seeds):
            return [
                ({"grid": name, "seed": seed}, double, seed)
                for name in ("a", "b")
                for seed in seeds
            ]

        @staticmethod
        def table(named, result):
            return pd.DataFrame([named | {"value": float(result["twice"])}])

    tracks = sources.load("gtzan-mini-tracks")
    make_results.tabulate(grid, "collapse", tracks, tmp_path, 3, 1)
    assert pd.read_csv(tmp_path / "collapse_b.csv").value.tolist() == [0, 2, 4]
    for table in tmp_path.glob("*.csv"):
        table.unlink()
    make_results.tabulate(grid, "collapse", tracks, tmp_path, 2, 1, ("collapse_a", "released"))
    assert [table.name for table in tmp_path.glob("*.csv")] == ["collapse_a.csv"]


def double(seed):
    return {"twice": np.array(2 * seed)}


def test_the_collapse_chapter_brings_its_cells():
    collapse = pytest.importorskip("musicbook.chapters.collapse.grids")
    if not hasattr(collapse, "cells"):
        pytest.skip("the chapter's cells are not here yet")
    named, function, *arguments = next(iter(collapse.cells(sources.load("gtzan-mini-tracks"), [0])))
    assert {"grid", "seed"} <= set(named) and store.key(function, *arguments)


def test_the_command_says_in_one_sentence_what_is_wrong(small, capsys):
    with pytest.raises(SystemExit, match="no data set 'nothing'"):
        make_results.main(["--dataset", "nothing"])
    assert json.loads(json.dumps(PROTOCOLS["released"].weights))  # plain data
