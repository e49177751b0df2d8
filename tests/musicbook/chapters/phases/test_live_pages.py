"""The live pages of the paper's phases: their networks are the module's, their sentences follow the
numbers, and the small data stand for full GTZAN where the book says so."""

import json
from types import SimpleNamespace

import jupytext
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from helpers import clustering, inputs, models, phases, protocols, tables, training
from helpers.tables import Difference
from helpers.tracks import data_dir
from musicbook.chapters.phases import dimensions, full_gtzan, sentences
from musicbook.corpus import sources
from tests.conftest import ROOT
from tests.pages.test_site_numbers import contradictions


def run_cells(page: str, names: dict, wanted: tuple[str, ...]) -> dict:
    """The code cells of a page that define one of `wanted`, run with `names` at hand."""
    for cell in jupytext.read(ROOT / "notebooks" / f"{page}.py").cells:
        defines = any(line.startswith(wanted) for line in cell.source.splitlines())
        if cell.cell_type == "code" and defines:
            exec(cell.source, names)
    return names


@pytest.mark.parametrize("protocol", ["controlled", "released"])
def test_the_network_of_page_1_is_the_modules_and_gives_the_same_fit(protocol):
    """The page's own cells, trained to the end with a small recipe: equal losses, equal codes."""
    recipe = protocols.get(protocol).recipes["basic_vae"].but(hidden=(16, 8), latent=4, epochs=6)
    X = inputs.prepare(sources.load("gtzan-mini-tracks"), protocol, 1).X
    x = torch.tensor(X, dtype=torch.float32)
    names = {"torch": torch, "nn": nn, "training": training, "recipe": recipe, "x": x}
    page = run_cells("01_audio_baseline", names, ("def ", "class "))
    with training.seeded(3):
        net = page["VAE"](x.shape[1], recipe.hidden, recipe.latent, recipe.dropout)
        losses = page["train"](net.train(), recipe.epochs)
    fit = training.fit(X, recipe, seed=3, use_cache=False)
    assert losses == pytest.approx(fit.history["loss"], rel=1e-4)
    with torch.no_grad():
        mu, logvar = net.eval().encode(x)
    np.testing.assert_allclose(mu, fit.mu, atol=2e-3)
    np.testing.assert_allclose(logvar, fit.logvar, atol=2e-3)


def test_the_layer_of_page_2_is_the_modules():
    """Equal weights, equal output."""
    page = run_cells("02_hybrid_features", {"nn": nn}, ("class ",))
    recipe = protocols.get("controlled").recipes["enhanced_vae"]
    ours = models.Layer(10, 6, recipe, 0.0)
    shown = page["ResidualLayer"](10, 6)
    shown.load_state_dict(ours.state_dict())
    rows = torch.randn(32, 10, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(shown(rows), ours(rows))


def test_the_loss_and_step_of_page_3_are_the_modules():
    """Equal weights and noise: the same loss for any beta, and the same fit of a Beta-VAE."""
    recipe = protocols.get("controlled").recipes["beta_vae"]
    recipe = recipe.but(hidden=(16, 8), latent=4, epochs=4, schedule="constant", weight_decay=0.0)
    names = {"torch": torch, "models": models, "recipe": recipe}
    page = run_cells("03_advanced_vaes", names, ("def ",))
    X = np.random.default_rng(0).normal(size=(100, 12)).astype(np.float32)
    x = torch.tensor(X)
    with training.seeded(2):
        net = models.build(recipe, 12).train()
        adam = torch.optim.Adam(net.parameters(), lr=recipe.lr, fused=True)
        for _ in range(recipe.epochs):
            rows = x[torch.randperm(100)]
            batches = training.batches(100, recipe.batch_size)
            kl = sum(page["step"](net, adam, rows[some], recipe.beta) for some in batches) / 100
    fit = training.fit(X, recipe, seed=2, use_cache=False)
    assert kl == pytest.approx(fit.history["kl"][-1], rel=1e-4)
    mu, logvar = torch.randn(2, 100, 4).unbind()
    ours = page["beta_elbo"](x, 0.5 * x, mu, logvar, 4.0)
    module = models.elbo(x, 0.5 * x, mu, logvar, recipe, 4.0)
    torch.testing.assert_close(ours, tuple(part.sum() for part in module))


# ---- sentences -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (
            0.04,
            0.16,
            "On these tracks, the VAE agrees better with genre than PCA: by 0.10 NMI (95 % "
            "interval 0.04 to 0.16)",
        ),
        (
            -0.16,
            -0.04,
            "On these tracks, PCA agrees better with genre than the VAE: by 0.10 NMI (95 % "
            "interval 0.04 to 0.16)",
        ),
        (
            -0.05,
            0.16,
            "The VAE scores 0.10 NMI more than PCA. On these tracks, the lead of the VAE may well "
            "be chance (95 % interval of the difference −0.05 to +0.16)",
        ),
        (
            -0.16,
            0.05,
            "PCA scores 0.10 NMI more than the VAE. On these tracks, the lead of PCA may well be "
            "chance (95 % interval of the difference −0.05 to +0.16)",
        ),
    ],
)
def test_the_sentence_follows_the_interval(low, high, expected):
    point = 0.1 if high > -low else -0.1
    difference = Difference("VAE + K-Means", "PCA + K-Means", "nmi", point, low, high, 3)
    assert sentences.difference_sentence(difference).startswith(expected)


@pytest.mark.parametrize(("low", "high"), [(0.04, 0.16), (-0.16, -0.04), (-0.05, 0.16)])
def test_each_sentence_with_a_number_names_what_is_compared(low, high):
    """Two pages compare other methods: on one processor both said "that may well be chance" with
    other numbers."""
    point = 0.1 if high > 0 else -0.1
    found = [
        Difference("VAE + K-Means", "PCA + K-Means", "nmi", point, low, high, 3),
        Difference("CVAE", "Beta-VAE", "nmi", point / 2, low - 0.01, high + 0.01, 3),
    ]
    said = {one.a: f"<p>{sentences.difference_sentence(one)}</p>" for one in found}
    assert contradictions(said) == {}


def test_the_silhouette_of_pca_is_highest_in_the_fewest_dimensions():
    """The caption says so of the page's data; it does not say that the line falls to its end."""
    tracks = sources.load("gtzan-mini-thirds")
    X = inputs.prepare(tracks, "controlled", 1).X
    by_dims = dimensions.of_pca(tracks, X, k=10).set_index("dims")
    assert by_dims.silhouette.loc[:8].is_monotonic_decreasing
    assert by_dims.silhouette.loc[:8].min() > by_dims.silhouette.loc[16:].max()
    assert by_dims.nmi.idxmax() > 8


def test_the_marks_of_the_vae_are_of_the_run_that_was_clustered():
    fit = SimpleNamespace(mu=np.zeros((6, 4)), active=np.array([0, 2]))
    codes = np.array([[0.0, 0], [0, 1], [5, 5], [5, 6]])
    marks = dimensions.of_vae(fit, codes, np.array([0, 0, 1, 1]))
    expected = clustering.silhouette(codes, np.array([0, 0, 1, 1]))
    assert list(marks.values()) == [(4, expected), (2, expected)]


def test_a_difference_that_rounds_to_nothing_has_no_winner():
    difference = Difference("K-Means", "Agglomerative (Ward)", "nmi", -0.004, -0.08, 0.07, 3)
    said = sentences.difference_sentence(difference)
    assert "the NMI of Ward and that of K-Means differ by less than 0.01 (95 %" in said
    assert "difference −0.07 to +0.08)" in said and "more than" not in said.replace("less than", "")


@pytest.mark.parametrize(
    ("here", "full", "expected"),
    [
        (0.1, 0.1, "All of GTZAN gives the same answer."),
        (0.0, 0.0, "All of GTZAN gives the same answer."),
        (0.1, 0.0, "All of GTZAN gives another answer: no clear difference."),
        (0.0, -0.1, "All of GTZAN gives another answer: there, PCA agrees better."),
    ],
)
def test_the_answer_of_a_small_part_is_held_against_all_of_gtzan(monkeypatch, here, full, expected):
    def of(point):
        return Difference(*methods, "nmi", point, point - 0.05, point + 0.05, 3)

    methods = "VAE + K-Means", "PCA + K-Means"
    differences = of(here), of(full)
    monkeypatch.setattr(full_gtzan, "differences_here_and_full", lambda run, a, b: differences)
    part = SimpleNamespace(tracks=SimpleNamespace(name="gtzan-mini-thirds"))
    assert sentences.same_on_full_gtzan(part, *methods) == expected
    other = SimpleNamespace(tracks=SimpleNamespace(name="my music"))
    assert sentences.same_on_full_gtzan(other, *methods) == ""


def test_level_is_explained_only_where_the_table_has_the_word():
    cells = {"Here": ["9.0", "PCA + K-Means"], "Full GTZAN": ["7.9", full_gtzan.LEVEL]}
    with_word = pd.DataFrame(cells, index=["active dimensions, basic VAE", "VAE or PCA"])
    said = sentences.level_sentence(with_word)
    assert said.startswith("In this table, *level* means that we see no clear difference")
    without = with_word.replace(full_gtzan.LEVEL, "PCA + K-Means")
    assert sentences.level_sentence(without) == ""
    assert sentences.level_sentence(pd.DataFrame()) == ""


def test_the_enhanced_network_is_the_basic_one_with_two_additions_except_under_released():
    """What page 2 says of its network."""
    for name, protocol in protocols.PROTOCOLS.items():
        basic, enhanced = (protocol.recipes[key] for key in ("basic_vae", "enhanced_vae"))
        assert (enhanced == basic.but(batch_norm=True, residual=True)) == (name != "released")
    released = protocols.get("released").recipes
    assert not released["enhanced_vae"].residual
    for setting in ("hidden", "latent", "lr", "epochs"):
        one, other = (getattr(released[key], setting) for key in ("basic_vae", "enhanced_vae"))
        assert one != other


def test_the_rate_of_page_1_falls_except_under_released():
    """What page 1 says of the learning rate in a full training."""
    for name, protocol in protocols.PROTOCOLS.items():
        recipe = protocol.recipes["basic_vae"]
        last = training.lr_at(recipe, recipe.epochs)
        assert last == (recipe.lr if name == "released" else pytest.approx(0, abs=1e-12))


def fused(share: float, kept: float | None = 0.95) -> SimpleNamespace:
    """An input of two columns, of which the text has a share of the variance."""
    column = np.array([-1.0, 1.0])
    X = np.stack([column * (1 - share) ** 0.5, column * share**0.5], axis=1)
    return SimpleNamespace(X=X, blocks={"audio": [0], "text": [1]}, text_variance=kept)


def test_the_share_of_the_text_is_derived_from_the_weights_only_where_it_follows_from_them():
    weights = (0.6, 0.4)
    follows = fused(0.16 / 0.52)
    said = sentences.weights_sentence(follows, True, weights)
    assert "The text makes up 31% of the variance" in said
    assert "0.4² / (0.6² + 0.4²) = 31%" in said and "weights of sound and text change the" in said
    assert "²" not in sentences.weights_sentence(fused(0.17), True, weights)
    cancelled = sentences.weights_sentence(follows, False, weights)
    assert "²" not in cancelled and "weights of sound and text change nothing" in cancelled


def test_a_text_that_was_not_cut_is_not_said_to_be():
    """Under `released` all numbers of the text go in."""
    assert "PCA first cuts" in sentences.weights_sentence(fused(0.3), True, (0.6, 0.4))
    assert "PCA" not in sentences.weights_sentence(fused(0.3, kept=1.0), False, (0.6, 0.4))


# ---- full GTZAN ----------------------------------------------------------------------------------

# What the thirds of 100 tracks cannot show; the pages print it in their tables.
DISAGREE = {("K-Means", "Agglomerative (Ward)"), ("Beta-VAE", "AE + K-Means")}


def stored() -> dict:
    return json.loads((data_dir() / "results" / "bench" / "live.json").read_text())


@pytest.mark.parametrize("phase", ["1", "2", "3"])
def test_verdicts_on_thirds_are_those_of_full_gtzan_except_two_that_are_level(phase):
    live, full = stored()["thirds"][phase], stored()["full GTZAN, published runs"][phase]
    for one, other in zip(live["differences"], full["differences"], strict=True):
        assert (one["a"], one["b"]) == (other["a"], other["b"])
        if (one["a"], one["b"]) in DISAGREE:
            assert one["better"] == "level"  # too few tracks to tell, never the reverse
        else:
            assert one["better"] == other["better"]


def test_the_order_of_methods_and_active_dimensions_are_near_those_of_full_gtzan():
    live, full = stored()["thirds"], stored()["full GTZAN, published runs"]
    for phase in ("1", "3"):
        orders = [sorted(part[phase]["nmi"], key=part[phase]["nmi"].get) for part in (live, full)]
        assert orders[0] == orders[1]
    for phase in ("1", "2", "3"):
        for recipe, count in full[phase]["active"].items():
            assert abs(live[phase]["active"][recipe] - count) < 5


def test_the_stored_comparison_is_that_of_the_published_runs():
    """live.json repeats no number that the published runs no longer give."""
    full = stored()["full GTZAN, published runs"]["3"]
    runs = full_gtzan.Published()
    scores = runs.run("controlled", 3)
    for name in phases.names_of(3):
        assert full["nmi"][name] == pytest.approx(tables.mean_of(scores, name, "nmi"))
    assert full["active"] == full_gtzan.stored_active_dimensions(runs, "controlled", 3)
