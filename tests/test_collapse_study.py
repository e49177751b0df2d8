"""The chapter's study, its sentences, and the published grids: on small fits of the embedded tracks."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers import datasets
from helpers.collapse import figures, grids, study, transfer, words as read
from helpers.collapse.planted import CASES
from helpers.protocols import PROTOCOLS, Recipe

TINY = Recipe(hidden=(32,), latent=4, epochs=15, batch_norm=True, lr=3e-3)


CHAPTER = study.chapter_models


def tiny_models(protocol, conditional, both_ways=False):
    models = CHAPTER(protocol, conditional, both_ways)
    return {name: TINY.but(kind=recipe.kind, beta=recipe.beta) for name, recipe in models.items()}


@pytest.fixture(scope="module")
def studies():
    tracks = datasets.load("gtzan-mini-tracks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collapse_study, "chapter_models", tiny_models)
        return {"genres": study.run(tracks, seeds=2, n_jobs=1),
                "none": study.run(replace(tracks, genres=None), seeds=1, n_jobs=1)}


def test_a_study_has_every_model_seed_and_measure(studies):
    study = studies["genres"]
    assert len(study.fits) == 3 and all(len(fits) == 2 for fits in study.fits.values())
    table = study.table()
    assert "nan" not in table.to_string() and table.loc["verdict"].notna().all()
    assert study.diagnoses["CVAE, beta = 40"][0].verdict == "collapsed"
    low, high = study.interval("VAE", "MSE")
    assert low < study.values("VAE", "MSE").mean() < high


@pytest.mark.parametrize("kind", ["genres", "none"])
def test_every_sentence_and_figure_can_be_made(studies, kind):
    study = studies[kind]
    for text in (read.answer(study), read.claim(study)):
        assert text and "nan" not in text
    for table in (read.dependence(study), read.paper_and_ours(study, None)):
        assert len(table) and "nan" not in table.to_string()
    for figure in (figures.kl_per_unit(study), figures.shuffles(study), figures.probes(study)):
        assert figure.axes


def test_without_genres_the_study_says_so(studies):
    assert list(studies["none"].fits) == ["VAE", "VAE, beta = 40"] and studies["none"].c is None
    assert "no genres" in read.answer(studies["none"])
    assert figures.transfer_heatmap(None).axes


def test_the_readable_features_exist():
    assert set(transfer.READABLE) <= set(datasets.load("gtzan-mini-tracks").features)


def test_the_protocols_models():
    for name in PROTOCOLS:
        models = study.chapter_models(name, True, both_ways=True)
        assert next(iter(models.values())) == PROTOCOLS[name].recipes["cvae"]
        assert {r.anneal for n, r in models.items() if "anneal" in n} == {"none", "linear"}
        assert {r.kind for r in study.chapter_models(name, False).values()} == {"vae"}


def test_equal_seeds_have_no_range():
    third = np.full(3, 0.1)  # its mean is 0.10000000000000002
    axis = figures.plt.figure().subplots()
    figures._dots(axis, ["model"], [third], 0.0, "x", 0)


def test_seeds_below_one_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        study.run(datasets.load("gtzan-mini-tracks"), seeds=0)


# ---- grids ----------------------------------------------------------------------------------------------------------

def test_a_stopped_grid_goes_on_where_it_stopped(tmp_path, monkeypatch):
    calls, out = [], tmp_path / "results"
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))

    def compute(fail, cell):
        if fail:
            raise KeyboardInterrupt
        calls.append(cell["seed"])
        return [cell | {"measure": "KL", "value": 1.0 + cell["seed"]}]

    def cells(fail_at):
        return {"scale": [({"data": "planted", "model": "CVAE", "n": 10, "beta": 1.0, "seed": s},
                           lambda cell, s=s: compute(s == fail_at, cell)) for s in range(3)]}

    monkeypatch.setattr(grids, "grids", lambda tracks, seeds: cells(1))
    with pytest.raises(KeyboardInterrupt):
        grids.run(out, dataset="gtzan-mini-tracks", n_jobs=1)
    assert not list(out.iterdir())  # a page never meets half a grid
    monkeypatch.setattr(grids, "grids", lambda tracks, seeds: cells(None))
    grids.run(out, dataset="gtzan-mini-tracks", n_jobs=1)
    assert calls == [0, 1, 2]
    stored = pd.read_csv(out / "collapse_scale.csv")
    assert stored.columns.tolist() == grids.COLUMNS and stored.value.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="another feature table"):
        grids.run(out, dataset="gtzan-mini")
    assert sorted(p.name for p in out.iterdir()) == ["collapse_provenance.json", "collapse_scale.csv"]
    monkeypatch.setattr(grids, "code_digest", lambda *names: "other code" * 2)
    grids.run(out, dataset="gtzan-mini-tracks", n_jobs=1)
    assert calls == [0, 1, 2] * 2  # other code begins anew


def test_maps_of_the_beta_sweep(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    monkeypatch.setattr(grids, "BETAS", (0.1, 40.0))
    monkeypatch.setattr(grids, "_base", lambda: CASES["CVAE"][0].but(epochs=2))
    found = grids.maps(datasets.load("gtzan-mini-tracks"))
    assert found["map"].shape == (2, 100, 2) and found["labels"].shape == (2, 100) and found["labels"].max() == 9
    assert np.isfinite(found["map"]).all() and found["active"].dtype == np.int16 and len(found["nmi"]) == 2


def test_every_cell_of_the_grids_has_its_own_name():
    found = grids.grids(datasets.load("gtzan-mini-tracks"), range(2))
    assert set(found) == {"remedies", "scale", "beta", "factors", "battery"}
    for cells in found.values():
        keys = [grids._key(cell) for cell, _ in cells]
        assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(("name", "position"), [("remedies", 8), ("factors", 0)])
def test_a_cell_computes_its_rows(name, position):
    cell, call = grids.grids(datasets.load("gtzan-mini-tracks"), [0])[name][position]
    rows = pd.DataFrame(call(cell))
    assert np.isfinite(rows.value).all() and set(grids.COLUMNS) == set(rows.columns)


def grid(measures, models=("CVAE", "VAE", "CVAE, beta = 200"), n=(1000, 100_000), data="planted"):
    rows = [(data, m, k, b, s, name, v + 0.01 * s + 0.0001 * k / 1000) for m in models for k in n for b in (1.0, 4.0)
            for s in range(3) for name, v in measures.items()]
    return pd.DataFrame(rows, columns=grids.COLUMNS)


def test_paired_intervals_by_hand():
    table = grid({"KL": 1.0}).query("beta == 1")
    table.loc[(table.n == 100_000) & (table.seed == 2), "value"] += 0.3
    mean, low, high = read.paired_interval(table, "KL", "CVAE", 1000, 100_000)
    gaps = np.array([0.0099, 0.0099, 0.3099])
    assert mean == pytest.approx(gaps.mean())
    assert high - mean == pytest.approx(4.302653 * gaps.std(ddof=1) / np.sqrt(3), rel=1e-5)
    assert low == pytest.approx(2 * mean - high)


def test_readings_of_grids_and_of_none():
    scale = grid({read.ACTIVE: 5.0, read.GENRE: 0.01, read.STYLE: 0.9, "KL": 3.0}).query("beta == 1")
    assert "no unit" in read.read_scale(scale) and "no genre" in read.read_scale(scale)
    assert figures.scale(scale).axes
    values = {"active units": 5.0, "rate": 3.0, "rate, pPCA": 3.5, "silhouette": 0.1, "NMI": 0.2, "distortion": 9.0}
    beta = grid(values, models=("VAE",), n=(999,))
    assert "0.5 nats" in read.read_beta(beta) and figures.beta_sweep(beta).axes
    values = {read.ACTIVE: 5.0, "KL": 1.0, "probe of style, sampled z": 0.8, "verdict: by design": 1.0}
    remedies = pd.concat([grid(values, models=("none", "collapsed, none"), n=(1000,)),
                          grid({read.ACTIVE: 9.0}, models=("none",), n=(999,), data="gtzan")]).query("beta == 1")
    table = read.remedy_table(remedies)
    starts = ["GTZAN, working", "planted, collapsed", "planted, working"]
    assert table.index.tolist() == [(start, "none") for start in starts]
    assert table.loc[("planted, working", "none"), "Verdict"] == "by design"
    assert figures.remedies(remedies).axes
    values = {read.ACTIVE: 5.0, "KL": 1.0, "probe of c, sampled z": 0.1, "verdict: by design": 1.0}
    models = ("CVAE, KL annealing", "CVAE, no annealing")
    battery = pd.concat([grid(values, models=models, n=(999,), data=f"gtzan, {p}") for p in ("controlled", "released")])
    battery = battery.query("beta == 1")
    battery.loc[(battery.model == models[0]) & (battery.measure == read.ACTIVE), "value"] += 1
    assert "active units +1.00 [+1.00, +1.00], KL +0.00" in read.read_annealing(battery)
    battery.loc[battery.data.str.endswith("released") & (battery.measure == "KL"), "value"] = 2.0
    table = read.battery_table(battery, "controlled")
    assert table.loc["verdict", models[0]] == "by design (3 seeds)" and table.shape == (4, 2)
    assert table.loc["KL", models[1]].startswith("1.010")
    assert read.battery_table(battery, "released").loc["KL", models[1]].startswith("2.000")
    for function in (read.read_scale, read.read_beta, read.read_annealing):
        assert function(None) == read.NOT_RUN
    for function in (figures.scale, figures.beta_sweep, figures.remedies):
        assert function(None).axes
    for table in (read.remedy_table(None), read.battery_table(None, "released"), read.factor_table(None)):
        assert table.iloc[0, 0] == read.NOT_RUN
