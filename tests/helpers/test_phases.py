"""The three phases on the embedded tracks, with small networks, under every protocol."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from helpers import metrics, phases, plots, protocols, tables, training
from helpers.protocols import PROTOCOLS, Recipe
from musicbook.corpus import sources


@pytest.fixture
def small(monkeypatch):
    """The protocols with networks of a few units and epochs: the same paths, seconds instead of
    minutes."""
    for name, protocol in PROTOCOLS.items():
        recipes = {
            k: r.but(
                hidden=(16, 8), latent=4, epochs=3, anneal_epochs=2 if r.anneal != "none" else 0
            )
            for k, r in protocol.recipes.items()
        }
        monkeypatch.setitem(PROTOCOLS, name, dataclasses.replace(protocol, recipes=recipes))


@pytest.fixture(scope="module")
def tracks():
    return sources.load("gtzan-mini-tracks")


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
@pytest.mark.parametrize("phase", [1, 2, 3])
def test_every_phase_runs_under_every_protocol(small, tracks, protocol, phase):
    run = phases.run_phase(tracks, protocol, phase, seeds=2, n_jobs=1)
    assert set(run.labels[0]) == set(phases.names_of(phase))
    assert set(run.scores.seed) == {0, 1}
    assert all(len(found) == tracks.n for found in run.labels[1].values())
    assert run.scores.leaky.any() == (protocol == "released" and phase > 1)
    summary = tables.summarise(run.scores)
    nmi = summary[summary.metric == "nmi"]
    assert nmi["mean"].between(0, 1).all() and (nmi.seeds == 2).all()


def test_a_network_that_ran_away_is_left_out_and_named(small, tracks, monkeypatch):
    usual = PROTOCOLS["controlled"]
    wild = usual.recipes | {"cvae": usual.recipes["cvae"].but(lr=1e9, clip_norm=None)}
    monkeypatch.setitem(PROTOCOLS, "controlled", dataclasses.replace(usual, recipes=wild))
    run = phases.run_phase(tracks, "controlled", 3, seeds=1, n_jobs=1)
    assert (
        "CVAE" not in run.labels[0]
        and "Beta-VAE" in run.labels[0]
        and np.isfinite(run.scores.value).all()
    )
    (said,) = run.left_out
    assert "cvae: The CVAE of seed 0 ran away and is left out" in said


def test_any_numbers_and_any_labels_run(small, tmp_path):
    """A table of 30 foreign columns, labels of its own, rows that belong together."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 20)
    table = pd.DataFrame(
        rng.normal(size=(80, 30)) + truth[:, None], columns=[f"x{i}" for i in range(30)]
    )
    table.insert(0, "track_id", [f"t{i}" for i in range(80)])
    table["mood"], table["artist"], table["place"] = (
        truth.astype(str) + "m",
        np.arange(80) // 2,
        "here",
    )
    table["artist"] = "a" + table["artist"].astype(str)
    table.to_csv(tmp_path / "mine.csv", index=False)
    own = sources.load(str(tmp_path / "mine.csv"))
    assert (
        own.features.shape == (80, 30)
        and list(own.labels) == ["mood"]
        and len(set(own.groups)) == 40
    )
    for phase in (1, 2, 3):
        run = phases.run_phase(own, "controlled", phase, seeds=1, n_jobs=1)
        assert {"nmi", "nmi_chance", "silhouette_common"} <= set(run.scores.metric)
        one = tables.difference(own.genres, own.groups, run.labels, *phases.names_of(phase)[:2])
        assert one.low <= one.point <= one.high and not tables.score_table(run.scores).empty
    with pytest.raises(ValueError, match="no label 'genre'; it has: mood"):
        own.score("genre")


def test_equal_seeds_give_equal_numbers(small, tracks):
    one, two = (
        phases.run_phase(tracks, "controlled", 3, seeds=[4], n_jobs=1).scores for _ in range(2)
    )
    assert one.equals(two)


def test_extras_and_baselines(small, tracks):
    run = phases.run_phase(
        tracks, "controlled", 1, seeds=1, extras=["spaces", "baselines"], n_jobs=1
    )
    assert {"UMAP + K-Means", "HDBSCAN", "VaDE", "Spectral", "Input + K-Means"} <= set(
        run.labels[0]
    )
    active = run.fits[0]["basic_vae"].active
    if len(active):
        assert run.spaces[0]["VAE + K-Means (PCA, as many dims)"].shape[1] == len(active)


def test_controls_leave_out_what_is_not_there(tracks):
    table, labels = phases.run_controls(
        tracks, "controlled", 2, 1, ["full", "lyrics alone", "audio alone"]
    )
    assert set(labels) == set(table.variant) == {"full", "lyrics alone", "audio alone"}
    bare = tracks.score(None)
    table, labels = phases.run_controls(
        bare, "controlled", 2, 1, ["full", "lyrics alone", "one-hot alone"]
    )
    assert set(labels) == set(table.variant) == {"full"} and "nmi" not in set(table.metric)
    assert labels["full"].shape == (1, tracks.n)


def test_music_without_genres(small, tracks):
    bare = tracks.score(None)
    run = phases.run_phase(bare, "controlled", 3, seeds=1, n_jobs=1)
    assert "CVAE" not in run.labels[0] and "silhouette" in set(run.scores.metric)


def test_bad_requests_fail_before_training(tracks):
    few = tracks.rows(np.arange(6)).score(None)
    with pytest.raises(ValueError, match="6 tracks; at least 10 are needed"):
        phases.run_phase(few, "controlled", 1)
    with pytest.raises(ValueError, match="no protocol"):
        phases.run_phase(tracks, "honest", 1)
    with pytest.raises(ValueError, match="seeds is empty"):
        phases.run_phase(tracks, "controlled", 1, seeds=[])


def test_vade_finds_planted_clusters():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), 60)
    X = rng.normal(size=(4, 12))[truth] * 2 + rng.normal(0, 0.5, (240, 12))
    labels, latent = training.fit_vade(
        (X - X.mean(0)) / X.std(0), Recipe(hidden=(32,), latent=4, epochs=40), 4, seed=0
    )
    assert metrics.external(truth, labels)["nmi"] > 0.9 and latent.shape == (240, 4)
    with pytest.raises(ValueError, match="recipe of a VAE"):
        training.fit_vade(X, Recipe(kind="ae"), 4, seed=0)


def test_every_figure_can_be_drawn(small, tracks):
    run = phases.run_phase(tracks, "released", 2, seeds=2, n_jobs=1)
    paper = tables.paper_tables().query("phase == 2")
    figures = [
        plots.metric_bars(
            run.scores, [*tables.paper_metrics(2), "ami"], phases.names_of(2), paper
        ),  # has no AMI
        plots.training_curves({"VAE": run.fits[0]["enhanced_vae"]}),
        plots.latent_map(
            plots.project(run.spaces[0]["K-Means"]), run.labels[0]["DBSCAN"], tracks.genres
        ),
        plots.confusion_heatmap(metrics.confusion(tracks.genres, run.labels[0]["K-Means"])),
    ]
    for figure in figures:
        assert figure.axes and figure.get_size_inches()[0] == plots.WIDTH
    assert any("LEAKY" in text.get_text() for text in figures[0].legends[0].get_texts())
    assert protocols.get("released").title


def test_neighbours_are_those_that_umap_finds(tracks):
    """The map is bit for bit UMAP's own, also where rows are equal and neighbours tie."""
    import umap

    X = np.round(tracks.features.to_numpy()[:40, :5], 1)
    X[3], X[7] = X[20], X[20]
    own = umap.UMAP(n_components=2, random_state=1, n_jobs=1).fit_transform(X)
    assert np.array_equal(phases.umap_embedding(X, 2, 1), own.astype(float))
