"""The explorers carry what they promise: every point, every colour, every eps."""

import json
import re

import numpy as np
import pytest

from helpers.widgets import explorers

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
    by_genre, by_cluster, by_noise = [b["args"][0] for b in layout["updatemenus"][0]["buttons"]]
    assert by_genre["marker.color"] == [[0.5] * 6 + [1.5] * 6] and by_genre["marker.cmax"] == [2]
    assert by_cluster["marker.color"] == [[1.5] * 5 + [0.5] + [2.5] * 6]
    assert by_noise["marker.color"] == [[1.5] * 5 + [0.5] + [1.5] * 6]
    assert [colour for _, colour in by_noise["marker.colorscale"][0]][:2] == [explorers.NOISE] * 2
    assert data[0]["text"][5].startswith("t5<br>genre jazz<br>cluster noise<br>near t")
    assert html.data == explorers.latent_explorer(POINTS, LABELS, IDS, GENRES, "A map", "map-a").data
    legend = html.data[html.data.index('<p class="genres">'):]
    for genre, colour in explorers.genre_palette(GENRES).items():
        assert f'{colour}"></i>{genre}' in legend


def test_without_genres_there_is_no_genre_button():
    html = explorers.latent_explorer(POINTS, np.abs(LABELS), IDS, None, "A map", "map-a")
    _, _, layout = parts(html)
    assert 'class="genres"' not in html.data
    assert [b["label"] for b in layout["updatemenus"][0]["buttons"]] == ["by cluster"]


def test_the_slider_says_clusters_noise_and_nmi():
    table = np.stack([np.full(12, -1), LABELS, np.zeros(12, int)])
    _, _, layout = parts(explorers.eps_explorer(POINTS, np.array([0.1, 0.5, 2.0]), table, IDS, GENRES, 1, "D", "eps"))
    titles = [step["args"][1]["title.text"] for step in layout["sliders"][0]["steps"]]
    assert titles[0].endswith("k = 0, noise 100%") and "k = 2, noise 8%, NMI 1.000" in titles[1]
    assert layout["sliders"][0]["active"] == 1 and layout["title"]["text"] == titles[1]


def test_the_slider_over_beta_moves_the_points_and_says_the_scores():
    maps = np.stack([POINTS, 2 * POINTS, 0 * POINTS]).astype(np.float16)
    labels = np.stack([LABELS, LABELS, np.zeros(12)]).astype(np.int16)
    scores = {"active units": np.array([3, 2, 0]), "silhouette": np.array([0.5, 0.25, 0.0])}
    beta = np.array([0.5, 1.0, 4.0])
    html = explorers.beta_explorer(beta, maps, labels, scores, IDS, GENRES, 1, "A VAE", "beta")
    _, data, layout = parts(html)
    assert layout["title"]["text"] == "A VAE<br>β = 1: 2 active units, silhouette 0.25"
    assert [trace["visible"] for trace in data] == [True, False]
    moved = [step["args"][0] for step in layout["sliders"][0]["steps"]]
    assert [step["label"] for step in layout["sliders"][0]["steps"]] == ["0.5", "1", "4"]
    assert moved[1]["x"][0] == pytest.approx(2 * POINTS[:, 0], abs=0.06) and not any(moved[2]["y"][0])
    by_genre, by_cluster = moved[0]["marker.color"]
    assert by_genre == [0.5] * 6 + [1.5] * 6 and by_cluster == [1.5] * 5 + [0.5] + [2.5] * 6
    assert [b["args"][0]["visible"] for b in layout["updatemenus"][0]["buttons"]] == [[True, False], [False, True]]
    assert 'alt="A VAE: β = 1: 2 active units, silhouette 0.25"' in html.data


def test_the_slider_over_beta_without_genres():
    maps, labels = np.stack([POINTS] * 2), np.stack([LABELS] * 2)
    html = explorers.beta_explorer(np.array([1, 2]), maps, labels, {}, IDS, None, 0, "A VAE", "beta")
    _, data, layout = parts(html)
    assert len(data) == 1 and [b["label"] for b in layout["updatemenus"][0]["buttons"]] == ["by cluster"]


@pytest.mark.parametrize("position", [0, 1])
def test_nearest_labelling(position):
    table = np.stack([LABELS, np.zeros(12, int)])
    assert explorers.nearest_to(table, table[position] + 5) == position
