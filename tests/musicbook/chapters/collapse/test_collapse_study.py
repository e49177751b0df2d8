"""The chapter's study, its sentences, and the grids: on small fits of the embedded tracks; the
page's claims on the published grids."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers import store, training
from helpers.protocols import PROTOCOLS, Recipe
from musicbook.chapters.collapse import figures, grids, planted, study, values, words
from musicbook.chapters.leakage import attribution
from musicbook.chapters.leakage.values import author_values
from musicbook.chapters.phases.full_gtzan import stored_active_dimensions
from musicbook.corpus import sources
from musicbook.stored_runs import Published

TINY = Recipe(hidden=(32,), latent=4, epochs=15, batch_norm=True, lr=3e-3)
CHAPTER = study.chapter_models
TRACKS = sources.load("gtzan-mini-tracks")
FOREIGN = pd.DataFrame(
    np.random.default_rng(0).normal(size=(12, 6)), columns=list("uvwxyz"), index=TRACKS.ids[:12]
)
SETS = {
    "genres": TRACKS,
    "no labels": TRACKS.score(None),
    "foreign columns": replace(
        TRACKS.rows(np.arange(12)),
        blocks={"audio": FOREIGN},
        labels={"mood": np.array(["low", "high"] * 6)},
    ),
    "one group": replace(TRACKS, groups=np.full(TRACKS.n, "a")),
}


def tiny_models(protocol, conditional, both_ways=False):
    return {
        name: TINY.but(kind=recipe.kind, beta=recipe.beta)
        for name, recipe in CHAPTER(protocol, conditional, both_ways).items()
    }


@pytest.fixture(scope="module")
def chapters():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "chapter_models", tiny_models)
        return {
            name: study.run_chapter(tracks, seeds=1 + (name == "genres"), n_jobs=1)
            for name, tracks in SETS.items()
        }


@pytest.mark.parametrize("name", SETS)
def test_every_sentence_and_figure_can_be_made(chapters, name):
    chapter = chapters[name]
    table = study.tidy_diagnoses(chapter.diagnoses)
    assert "nan" not in words.live_answer(chapter) and words.standardised_scores(chapter)
    for shown in (words.summary_table(table, chapter.label), words.sensitivity(chapter)):
        assert len(shown) and "nan" not in shown.to_string()
    for figure in (
        figures.kl_per_unit(chapter),
        figures.shuffles(table),
        figures.probe_dots(table, chapter.label),
    ):
        assert figure.axes
    probed = set(table[(table.measure == "probe") & (table.space == "sampled z")].target)
    axes = [
        axis for axis in figures.verdict_panels(table, chapter.label).axes if axis.get_visible()
    ]
    panels = {axis.get_title() or axis.get_title(loc="left") for axis in axes}
    assert len(panels) == len(axes) == 3 + len(probed)


def test_the_study_names_what_it_looked_for(chapters):
    assert list(chapters["genres"].factors) == ["brightness"] and list(
        chapters["foreign columns"].factors
    ) == ["u"]
    assert "A probe reads mood from z" in words.live_answer(chapters["foreign columns"])
    assert (
        list(chapters["no labels"].fits) == ["VAE", "VAE, beta = 40"]
        and chapters["no labels"].c is None
    )
    assert "a CVAE needs a condition" in words.live_answer(chapters["no labels"])
    assert chapters["genres"].diagnoses["CVAE, beta = 40"][0].verdict == "collapsed"


def test_an_interval_is_over_tracks_and_seeds(chapters):
    chapter = chapters["genres"]
    low, high = chapter.interval("VAE", "squared error")
    mean = chapter.values("VAE", "squared error").mean()
    assert low < mean < high and mean == pytest.approx((low + high) / 2)
    rows = np.mean(
        [found.rows["squared error", "", ""] for found in chapter.diagnoses["VAE"]], axis=0
    )
    wide = 12.706 * chapter.values("VAE", "squared error").std(ddof=1) / 2**0.5  # 2 seeds, t of 1
    assert high - low == pytest.approx(
        2 * np.hypot(1.984 * rows.std(ddof=1) / 10, wide), rel=1e-3
    )  # t of 99


def test_a_fit_that_ran_away_is_left_out_and_named(monkeypatch):
    def models(protocol, conditional, both_ways=False):
        return {
            "CVAE": TINY.but(kind="cvae"),
            "VAE, far too fast": TINY.but(lr=1e6, schedule="constant"),
        }

    monkeypatch.setattr(study, "chapter_models", models)
    chapter = study.run_chapter(TRACKS, seeds=1, n_jobs=1)
    assert list(chapter.fits) == list(chapter.diagnoses) == ["CVAE"]
    assert "VAE of seed 0 ran away and is left out" in words.live_answer(chapter)
    monkeypatch.setattr(
        study, "chapter_models", lambda *_: {"VAE": TINY.but(lr=1e6, schedule="constant")}
    )
    with pytest.raises(training.Diverged, match="seed 0"):
        study.run_chapter(TRACKS, seeds=1, n_jobs=1)


def test_the_protocols_models():
    for name in PROTOCOLS:
        models = CHAPTER(name, True, both_ways=True)
        assert next(iter(models.values())) == PROTOCOLS[name].recipes["cvae"]
        assert {r.anneal for n, r in models.items() if "anneal" in n} == {"none", "linear"}
        assert {r.kind for r in CHAPTER(name, False).values()} == {"vae"}
    with pytest.raises(ValueError, match="at least 1"):
        study.run_chapter(TRACKS, seeds=0)


# ---- grids ---------------------------------------------------------------------------------------


def test_every_cell_has_its_own_name_and_its_own_key():
    cells = grids.cells(TRACKS, range(2))
    assert {named["grid"] for named, *_ in cells} == {
        "remedies",
        "scale",
        "beta",
        "factors",
        "battery",
    }
    assert len({str(named) for named, *_ in cells}) == len(cells)
    calls = [store.key(*call) for _, *call in cells]
    assert len(calls) - len(set(calls)) == 2 * 3  # beta = .25, learned sigma at 1, all tracks
    learned = {named["beta"] for named, *_ in cells if named["model"].startswith("learned sigma")}
    assert learned == {1.0, 200.0}
    sizes = {
        named["n"]
        for named, *_ in cells
        if named["grid"] == "scale" and named["data"] == TRACKS.name
    }
    assert sizes == {50, 100}


@pytest.mark.parametrize(
    "position", ["diagnosed", "diagnosed_planted", "rate_and_distortion", "disentangled"]
)
def test_a_cell_computes_its_rows_once(position, tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    named, function, *arguments = next(
        c for c in grids.cells(TRACKS, [0]) if c[1].__name__ == position
    )
    if arguments[-2] is not None:
        arguments[-2] = TINY.but(kind=arguments[-2].kind)
    call = (function, *arguments)
    (result,) = store.remember_many([call], n_jobs=1)
    table = grids.table(named, result)
    assert table.columns.tolist() == [*(n for n in named if n != "grid"), *grids.COLUMNS]
    assert (
        np.isfinite(table.value).all()
        and not table.duplicated(["measure", "target", "space"]).any()
    )
    if position.startswith("diagnosed"):
        assert table.verdict.nunique() == 1 and table.verdict[0]
        assert table[table.measure == "probe"].chance.notna().all()
    before = store.cache_report()["entries"]
    assert grids.table(named, store.remember_many([call], n_jobs=1)[0]).equals(table)
    assert store.cache_report()["entries"] == before


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_cell_that_ran_away_has_a_row_without_a_number():
    own = grids._material(TRACKS, study.chapter_input(TRACKS, "controlled", 0))
    named = {"grid": "scale", "data": "gtzan", "model": "CVAE", "n": 100, "beta": 1.0, "seed": 7}
    table = grids.table(
        named,
        grids.diagnosed(own, None, TINY.but(kind="cvae", lr=1e6, schedule="constant"), 7),
    )
    assert table.verdict.tolist() == [grids.RAN_AWAY] and table.value.isna().all()
    assert "*CVAE* on 100 tracks, beta = 1, seed 7" in words.ran_away(table)
    whole = pd.concat([table, grids.published_grid("gtzan", "scale")])
    assert (
        figures.lines(whole, "n", figures.MANY).axes
        and "ran away" in words.summary_table(whole).loc["CVAE", "Verdict"]
    )


def test_maps_of_the_beta_sweep(monkeypatch):
    monkeypatch.setattr(grids, "BETAS", (0.1, 40.0))
    monkeypatch.setattr(grids, "base_recipe", lambda: planted.CASES["CVAE"][0].but(epochs=2))
    found = grids.maps(TRACKS)
    assert (
        found["map"].shape == (2, 100, 2)
        and found["labels"].shape == (2, 100)
        and found["labels"].max() == 9
    )
    assert (
        np.isfinite(found["map"]).all()
        and found["active"].dtype == np.int16
        and len(found["nmi"]) == 2
    )


def test_changes_by_hand():
    rows = [
        {
            "model": "CVAE",
            "n": n,
            "seed": s,
            "verdict": "",
            "measure": "KL",
            "target": "",
            "space": "",
            "value": 1.0 + 0.01 * s + (n > 10) * (0.3 if s == 2 else 0.01),
        }
        for n in (10, 1000)
        for s in range(3)
    ]
    gaps = np.array([0.01, 0.01, 0.3])
    half = 4.302653 * gaps.std(ddof=1) / np.sqrt(3)
    shown = words.changes(pd.DataFrame(rows), "n", 10, 1000).loc["CVAE", "KL (nats)"]
    low, high = gaps.mean() - half, gaps.mean() + half
    assert low < 0 < high
    assert shown == f"+{gaps.mean():.2f} (−{-low:.2f} to +{high:.2f})"


def test_without_the_grids_the_page_says_so():
    for table in (
        words.summary_table(None),
        words.verdict_table(None, "start"),
        words.changes(None, "n", 1, 2),
    ):
        assert table.iloc[0, 0] == words.NOT_RUN
    for read in (words.read_factors, words.read_few, words.read_many):
        assert read(None) == words.NOT_RUN
    assert words.read_working(None, None) == words.NOT_RUN
    assert words.ran_away(None).startswith("No training failed")
    assert grids.published_grid("no such data", "beta") is None
    for figure in (
        figures.lines(None, "n", figures.MANY),
        figures.remedy_dots(None),
        figures.shuffles(None),
        figures.verdict_panels(None),
        figures.disentanglement(None),
    ):
        assert figure.axes[0].texts


# ---- what the page claims, on the published grids ------------------------------------------------


def means(grid, keys, *measure):
    return words.pick(grids.published_grid("gtzan", grid), *measure).groupby(keys).value.mean()


def test_claims_on_beta():
    units, silhouette = (means("beta", "beta", name) for name in ("active units", "silhouette"))
    alive = units[units >= 1]  # "the silhouette of what is left rises, until there is none"
    assert alive.corr(silhouette, method="spearman") < -0.9
    rate, foretold = means("beta", "beta", "KL"), means("beta", "beta", "KL", "", "pPCA")
    assert (rate - foretold)[1.0:].abs().max() < 2  # "come near"


def test_what_is_said_of_the_silhouette_along_beta_is_in_the_figure():
    """The page said "so a higher silhouette does not mean better clusters" under a figure in which
    both rise together."""
    sweep, runs = grids.published_grid("gtzan", "beta"), Published("gtzan")
    silhouette, nmi = means("beta", "beta", "silhouette"), means("beta", "beta", "NMI", "c")
    low, high = silhouette.idxmin(), silhouette.idxmax()
    assert low < high and nmi[low] < nmi[high]
    said = words.read_sweep(sweep, runs)
    assert (
        "the silhouette and the NMI rise together" in said
        and "need not mean better clusters" in said
    )
    falling = sweep.assign(value=sweep.value.mask(sweep.measure == "NMI", -sweep.value))
    assert "the silhouette and the NMI do not go together" in words.read_sweep(falling, runs)
    dead = means("beta", "beta", "active units").idxmin()
    assert f"At β = {dead:g} no unit is active, but K-Means still" in said
    alive = sweep[sweep.beta != dead]
    assert "no unit is active" not in words.read_sweep(alive, runs)


def test_the_table_of_means_knows_the_genre_only_where_the_decoder_does():
    """Its error in the table of the page: 1 of standardised columns, the mean of all tracks, and
    less with the mean of each genre."""
    runs = words.of_protocol(grids.published_grid("gtzan", "battery"), "controlled")
    shown = words.summary_table(runs)["Error of a table of means"]
    for model in ("VAE", "CVAE, c to the encoder only"):
        assert shown[model].startswith("1.00")
    for model in ("CVAE, KL annealing", "CVAE, c to the decoder only"):
        assert shown[model].startswith("0.7")


def test_claims_on_factors():
    """What the page says of disentanglement: the control works, no network does, beta is open."""
    table = grids.published_grid("gtzan", "factors")
    keys = ["model", "beta"]
    scores = words.pick(table, "disentanglement").groupby(keys).value.mean()
    networks = scores[[key for key in scores.index if key[1] > 0]]
    assert scores["ICA", 0.0] > 0.9 > 2 * networks.max() and scores["PCA", 0.0] < 0.4
    said = words.read_factors(table)
    by_mixing = words.pick(table[table.beta > 0], "disentanglement")
    drawn = by_mixing.groupby([*keys, "data"]).value.mean().max()
    assert (
        drawn > networks.max()
        and f"In one mixing alone, a network reaches up to {drawn:.2f}" in said
    )
    assert "The factors can be found" in said and "No network comes near" in said
    effects = words.beta_effects(table)
    assert len(effects) == 12 and (effects.sign == "level").all()
    assert "12 comparisons. In none of them" in said
    level = 0.9 - 0.1 * table.beta + 0.001 * table.seed  # a score that falls with beta
    assert "disentangles less" in words.read_beta(table.assign(value=level + 0.0005 * level**2))


def test_claims_on_scale():
    table = grids.published_grid("gtzan", "scale").query("data != 'gtzan'")
    keys = ["data", "model", "n"]
    units, nmi = (
        means("scale", keys, "active units"),
        means("scale", keys, "NMI", "c", "active units"),
    )
    style = means("scale", keys, "probe", "style", "active units")
    assert set(table.n) == set(grids.MANY) and set(table.data) == {"planted", "MSD-shaped"}
    ends = table[table.n.isin([min(grids.MANY), max(grids.MANY)])]  # what the page compares
    assert (ends.groupby(keys).seed.nunique() >= 3).all()
    assert set(table[table.model == "CVAE"].verdict) == {"by design"}
    assert units["planted"]["CVAE, beta = 200"].max() < 0.5
    for data in ("planted", "MSD-shaped"):
        assert nmi[data]["CVAE"].max() < 0.05 < nmi[data]["VAE"].min()
        assert style[data]["CVAE"].min() > 0.3  # chance is .2
    said = words.read_many(table)
    assert "no verdict changes" in said and "(“by design”)" in said
    cured = table.verdict.mask(table.model.str.contains("beta") & (table.n > 1e5), "by design")
    assert "the diagnosis changes" in words.read_many(table.assign(verdict=cured))
    changed = words.changes(words.with_data_in_names(table), "n", *words.fewest_and_most(table))
    few, _ = words.split_scale(grids.published_grid("gtzan", "scale"))
    said = words.read_working(table, few)
    assert "top of the page, the KL rises. But that figure begins with 50 tracks" in said
    for data in ("planted", "MSD-shaped"):
        shown = changed.loc[f"CVAE, {data}"]
        sentence = next(part for part in said.split(". ") if f"On {data} tracks" in part)
        ends = {name: shown[name].split("(")[1].rstrip(")").split(" to ") for name in shown.index}
        assert ("KL falls" in sentence) == all("−" in end for end in ends["KL (nats)"])
        rises = all("+" in end for end in ends["Style from active units"])
        assert sentence.endswith("reads the style rises") == rises


def test_a_model_is_one_thing_in_a_sentence():
    assert words.model_words("CVAE, KL annealing") == "*CVAE with KL annealing*"
    assert words.model_words("CVAE, no annealing") == "*CVAE without KL annealing*"
    assert words.model_words("VAE") == "*VAE*"


def test_the_guessing_level_of_each_probe_is_printed():
    """Of the probes of z only, and under the name that the table gives to the condition."""
    rows = [
        ("probe", "c", "sampled z", 0.1),
        ("probe", "style", "sampled z", 0.2),
        ("probe", "style", "data", 0.3),
        ("KL", "", "", np.nan),
    ]
    table = pd.DataFrame(rows, columns=["measure", "target", "space", "chance"])
    said = words.guessing_levels(table, label="mood")
    assert said.endswith("right in 10% of cases for the mood and in 20% of cases for the style.")


def test_units_of_two_protocols_are_those_of_the_published_runs():
    """The page before shows the same count for *controlled*."""
    table = words.of_protocol(grids.published_grid("gtzan", "battery"), "released")
    said = words.units_by_protocol(Published(), table)
    for protocol in ("released", "controlled"):
        units = stored_active_dimensions(Published(), protocol, 3)["cvae"]
        assert f"{units:.1f}" in said and f"*{protocol}*" in said
    assert (
        f"over {len(Published().seeds)} seeds (the table has {table.seed.nunique()} of them)"
        in said
    )
    # the table's seeds are among those, so both means are of the same networks
    by_seed = words.pick(table[table.model == "CVAE, no annealing"], "active units")
    runs = Published().run("released", 3)
    stored = runs[(runs.method == "CVAE (active units)") & (runs.metric == "dims")]
    stored = stored.set_index("seed").value
    assert (by_seed.set_index("seed").value == stored.loc[by_seed.seed]).all()


def test_the_page_says_which_errors_are_on_the_sound_only():
    """The figure at the top has errors on the whole input."""
    said = words.author_evidence(author_values() | values.collapse_values())
    named = re.search(r"errors in the first paragraph of the page, (.*), are on the sound", said)
    assert named and {"author_cvae_sound_mse", "author_cvae_sound_mse_zero"} == set(
        re.findall(r'data-value="(\w+)"', named[1])
    )


def test_a_partial_collapse_is_told_by_both_parts_of_its_rule():
    """Nats and error, wherever the page states the verdict on the author's network."""
    named = author_values() | values.collapse_values()
    for said in (words.page_answer(named), words.author_evidence(named)):
        assert "nats" in said and "error" in said.split(named["author_cvae_linear_kl"].text)[1]


def test_claims_on_few_tracks():
    few, _ = words.split_scale(grids.published_grid("gtzan", "scale"))
    units = words.pick(few, "active units").groupby("n").value.mean()
    assert units[999] > 2 * units[50]  # it uses more of its code
    assert set(few.verdict) == {"by design"}  # and was never collapsed
    said = words.read_few(few)
    assert f"With 50 tracks of GTZAN, by their sound alone, a CVAE has {units[50]:.1f}" in said
    assert f"With 999 tracks it has {units[999]:.1f}" in said
    assert "more tracks mean more active units" in said and "verdict stays: by design" in said


def test_claims_on_the_paper():
    released = grids.published_grid("gtzan", "battery").query("protocol == 'released'")
    own, other = (
        released[released.model == name] for name in ("CVAE, no annealing", grids.OTHER_LYRICS)
    )
    assert set(own.verdict) == {"by design"} and set(other.verdict) == {"partial collapse"}
    assert words.gain_of(own) > 2.5 * words.gain_of(other) > 0
    assert words.mean_measure(own, "probe", "c", "data") < 0.9  # the sound, not the one-hot
    author = attribution.author_facts().value
    for measure, fact in (("", "cvae_mse"), ("z shuffled", "cvae_mse_shuffled")):
        ours = words.mean_measure(other, "squared error", "", measure)
        assert ours == pytest.approx(author[fact], abs=0.03)  # the author's is as ours on others
    sound = words.mean_measure(other, "squared error", "sound")
    assert sound == pytest.approx(author["cvae_sound_mse"], abs=0.03)
    remedies = grids.published_grid("gtzan", "remedies").query("model == 'none'")
    verdicts = remedies.groupby("start").verdict.unique()
    assert verdicts["planted, collapsed"].tolist() == ["collapsed"]
    assert author["cvae_active_units"] > author["beta_vae_active_units"]
    errors = [
        author[f"cvae_mse{ending}"] for ending in ("", "_zero", "_shuffled", "_condition_shuffled")
    ]
    assert errors == sorted(set(errors))
    assert author["cvae_sound_mse"] < author["cvae_sound_mse_means"] < author["cvae_sound_mse_zero"]


def test_the_remedies_that_cure_are_named_as_a_reader_knows_them():
    """The names of the grid hold settings; a sentence has plain names, in the same number."""
    table = grids.published_grid("gtzan", "remedies")
    assert set(words.REMEDIES) <= set(table.model)
    said = words.read_remedies(table)
    assert "BN-VAE" in said and "0.25" not in said and "0.6" not in said
