"""The explorers carry what they promise: every point, every colour, every neighbour, every eps."""

import json
import re

import numpy as np
import pytest

from helpers import clustering
from musicbook.chapters.leakage import explorers

IDS = np.array([f"t{i}" for i in range(12)])
GENRES = np.repeat(["jazz", "rock"], 6)
POINTS = np.random.default_rng(0).normal(size=(12, 2))
LABELS = np.array([0] * 5 + [-1] + [1] * 6)


@pytest.fixture(autouse=True)
def in_the_book(monkeypatch):
    monkeypatch.setenv(explorers.IN_THE_BOOK, "1")


def data(html):
    """What the page hands to the script."""
    return json.loads(
        re.search(r'<script type="application/json">(.*?)</script>', html.data, re.S)[1]
    )


def linked(**more):
    space = np.random.default_rng(1).normal(size=(12, 5))
    maps = {"leaky": (POINTS, clustering.nearest(space)), "clean": (2 * POINTS, None)}
    return explorers.latent_explorer(
        maps, IDS, {"genre": GENRES, "cluster": LABELS}, "map-a", **more
    ), space


def test_two_maps_of_the_same_tracks():
    html, space = linked()
    found = data(html)
    assert found["ids"] == IDS.tolist() and [m["title"] for m in found["maps"]] == [
        "leaky",
        "clean",
    ]
    assert found["maps"][0]["x"] == pytest.approx(POINTS[:, 0], abs=0.006)
    assert found["maps"][1]["y"] == pytest.approx(2 * POINTS[:, 1], abs=0.006)
    distance = np.linalg.norm(space[3] - space, axis=1)
    assert (
        found["maps"][0]["near"][3] == np.argsort(distance)[1:5].tolist()
        and "near" not in found["maps"][1]
    )
    genre, cluster = found["colours"]
    assert [genre["classes"][v][0] for v in genre["values"]] == GENRES.tolist()
    assert [cluster["classes"][v][0] for v in cluster["values"]] == ["0"] * 5 + ["noise"] + [
        "1"
    ] * 6
    assert 'alt="12 tracks on leaky and clean"' in html.data and html.data == linked()[0].data


def test_names_cannot_end_the_script():
    html = explorers.latent_explorer(
        {"m": (POINTS, None)}, np.array(["</script><b>"] * 12), {"cluster": LABELS}, "m"
    )
    assert html.data.count("</script>") == 1 and data(html)["ids"][0] == "</script><b>"


def test_sixty_clusters_look_different():
    looks = [(colour, symbol) for _, colour, symbol in explorers._clusters(60)]
    assert len(set(looks)) == 61
    script = explorers.CODE[1].read_text()
    assert all(f'"{symbol}": "M' in script for symbol in explorers.SYMBOLS), (
        "a legend without its shape"
    )


def test_outside_of_the_book_the_script_comes_along(monkeypatch):
    assert "cdn" not in linked()[0].data and "plotly_click" not in linked()[0].data
    monkeypatch.delenv(explorers.IN_THE_BOOK)
    html, _ = linked()
    assert re.search(r'data-plotly="https://cdn\.plot\.ly/plotly-\d[\d.]+\.min\.js"', html.data)
    assert "plotly_click" in html.data and ".explorer .controls" in html.data


def test_nearest_of_few_rows():
    found = clustering.nearest(np.array([[0.0], [1.0], [1.0], [5.0]]), k=9)
    assert (
        found.shape == (4, 3)
        and found[0].tolist()[2] == 3
        and all(i not in row for i, row in enumerate(found))
    )
