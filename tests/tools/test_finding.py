"""The opening page compares one network with itself: nothing but its input differs."""

import re

import numpy as np

from helpers import inputs
from musicbook import stored_runs
from musicbook.chapters.leakage import attribution, explorers
from musicbook.chapters.results import claim_rules, verdicts
from musicbook.named_values import slug
from tests.conftest import ROOT
from tools import finding


def test_each_map_and_its_score_are_of_the_same_network_and_input():
    runs = stored_runs.Published()
    for variant, _, score in finding.MAPS.values():
        name = "" if variant == "full" else variant
        assert score == slug("gtzan", finding.PROTOCOL, 3, name, attribution.NETWORK, "nmi")
        drawn = explorers.stored_map(runs, finding.PROTOCOL, 3, attribution.NETWORK, variant)
        assert drawn.points.shape == (len(runs.ids), 2) and np.isfinite(drawn.points).all()
        # tracks of a cluster lie near each other, so the map is of the space that was clustered
        centres = np.array([drawn.points[drawn.labels == k].mean(axis=0) for k in range(10)])
        away = np.linalg.norm(drawn.points - centres[drawn.labels], axis=1).mean()
        assert away < 0.6 * np.linalg.norm(drawn.points - drawn.points.mean(axis=0), axis=1).mean()


def test_the_second_map_has_no_genre_in_its_input():
    runs = stored_runs.Published()
    leaky = [
        runs.run(finding.PROTOCOL, 3, variant).query("method == @attribution.NETWORK").leaky.any()
        for variant, *_ in finding.MAPS.values()
    ]
    assert leaky == [True, False]
    assert all(variant in inputs.VARIANTS for variant, *_ in finding.MAPS.values())


def test_the_answer_of_the_opening_page_compares_scores_of_one_protocol():
    """What it says of "the same network" is not of the one that another protocol builds."""
    text = (ROOT / "book" / "index.md").read_text()
    answer = text.split("**Read it in order:**")[0]
    quoted = re.findall(r"\{\{ gtzan_(\w+) \}\}", answer)
    assert len(quoted) >= 4 and all(name.startswith("released_3_") for name in quoted)
    assert {f"gtzan_{name}" for name in quoted} >= set(finding.SCORES)


def test_what_the_opening_page_says_of_lyrics_and_of_the_cvae_is_what_was_measured():
    """Its verdicts are typed: "hardly help", "gains a little", "loses", "in part"."""
    runs = stored_runs.Published()
    gains = {}
    for method in ("Input + K-Means", "Spectral", "Beta-VAE"):
        with_lyrics, without = (
            ("controlled", 3, method, variant) for variant in ("full", "audio alone")
        )
        gains[method] = verdicts.run_difference(runs, with_lyrics, without)[1:]
    low, high = gains["Input + K-Means"]
    assert low < 0 < high < 0.02
    assert gains["Spectral"][0] > 0 and gains["Beta-VAE"][1] < 0
    _, because = claim_rules.collapse(runs)
    assert "uses its code z" in because and "we call this a partial collapse" in because
