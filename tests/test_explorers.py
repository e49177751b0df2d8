"""The explorers carry what they promise: every point, every colour, every eps."""

import json
import re

import numpy as np
import pytest

from helpers import explorers

IDS = np.array([f"t{i}" for i in range(12)])
GENRES = np.repeat(["jazz", "rock"], 6)
POINTS = np.random.default_rng(0).normal(size=(12, 2))
LABELS = np.array([0] * 5 + [-1] + [1] * 6)


def parts(html):
    """The data and layout that the page hands to plotly."""
    found = re.search(r"Plotly\.newPlot\(\s*\"([^\"]+)\",\s*(\[.*?\]),\s*(\{.*\}),\s*\{\"responsive\"", html.data, re.S)
    return found[1], json.loads(found[2]), json.loads(found[3])


def test_a_map_has_its_buttons_and_names():
    html = explorers.latent_explorer(POINTS, LABELS, IDS, GENRES, "A map", "map-a")
    name, data, layout = parts(html)
    assert name == "map-a" and "cdn" not in html.data and "<noscript><img" in html.data
    assert [b["label"] for b in layout["updatemenus"][0]["buttons"]] == ["by genre", "by cluster", "by noise"]
    assert data[0]["text"][5].startswith("t5<br>genre jazz<br>cluster noise<br>near t")
    assert html.data == explorers.latent_explorer(POINTS, LABELS, IDS, GENRES, "A map", "map-a").data


def test_without_genres_there_is_no_genre_button():
    _, _, layout = parts(explorers.latent_explorer(POINTS, np.abs(LABELS), IDS, None, "A map", "map-a"))
    assert [b["label"] for b in layout["updatemenus"][0]["buttons"]] == ["by cluster"]


def test_the_slider_says_clusters_noise_and_nmi():
    table = np.stack([np.full(12, -1), LABELS, np.zeros(12, int)])
    _, _, layout = parts(explorers.eps_explorer(POINTS, np.array([0.1, 0.5, 2.0]), table, IDS, GENRES, 1, "D", "eps"))
    titles = [step["args"][1]["title.text"] for step in layout["sliders"][0]["steps"]]
    assert titles[0].endswith("k = 0, noise 100%") and "k = 2, noise 8%, NMI 1.000" in titles[1]
    assert layout["sliders"][0]["active"] == 1 and layout["title"]["text"] == titles[1]


@pytest.mark.parametrize("position", [0, 1])
def test_nearest_labelling(position):
    table = np.stack([LABELS, np.zeros(12, int)])
    assert explorers.nearest_to(table, table[position] + 5) == position
