"""A folder of music as a page: its clusters, words, doubles, neighbours, playlists, and clips to hear."""

import html
import json
import re
import urllib.parse
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from helpers import datasets, metrics
from helpers.__main__ import main
from helpers.corpus import pretrained, synth
from helpers.features import FEATURES, SR
from helpers.widgets import collection, players

STYLES = ("classical", "metal")


def table(rows):
    """Tracks whose features are 0 but for those that are named."""
    frame = pd.DataFrame(0.0, range(len(rows)), list(FEATURES))
    for i, row in enumerate(rows):
        for name, value in row.items():
            frame.loc[i, name] = value
    return frame


def test_words_say_what_lies_high_and_low():
    features = table([{"tempo": 180, "centroid_mean": 3000, "rolloff_mean": 6000}] * 5 + [{"tempo": 60}] * 5)
    profiles = collection.scales(features)
    assert collection.in_words(profiles.iloc[:5].mean()) in ("fast, bright", "bright, fast")
    assert set(collection.in_words(profiles.iloc[5:].mean()).split(", ")) == {"slow", "dark"}
    assert collection.in_words(profiles.mean()) == "like the whole collection"


def test_a_table_of_other_features_is_told_by_its_columns():
    profiles = collection.scales(pd.DataFrame({"warmth": [0.0, 0, 9, 9], "age": [1.0, 1, 1, 1]}))
    assert collection.in_words(profiles.iloc[2:].mean()) == "high warmth"


def test_steadiness_by_hand():
    first, second = np.array([0, 0, 0, 0, 1, 1]), np.array([5, 5, 5, 7, 7, 7])
    found = collection.steadiness([first, second])
    assert found.to_dict() == pytest.approx({0: 3 / 4, 1: 2 / 3})
    assert collection.steadiness([first, first + 3]).tolist() == [1.0, 1.0]
    assert [collection.mark(value) for value in (0.75, 0.6, 0.1, np.nan)] == [
        "steady (0.75)", "fair (0.60)", "loose (0.10)", "one seed only"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten clips in two styles and three formats, one of them twice, one file that is none; names to escape."""
    place = tmp_path_factory.mktemp("own") / "my <music>"
    for style in STYLES:
        for i in range(5):
            path = place / style / f"{style} & {i}.{('wav', 'flac', 'ogg')[i % 3]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, synth.clip(style, i, 4.0), SR)
    sf.write(place / "metal" / "again.flac", synth.clip("metal", 0, 4.0), SR)
    (place / "metal" / "broken.mp3").write_bytes(b"no music")
    return place


@pytest.fixture(scope="module")
def page(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("map") / "page"
    assert main(["map", str(folder), "--out", str(out), "--clusters", "4", "--seeds", "2", "--embedding", "none",
                 "--quiet"]) in (0, None)  # fmt: skip
    return out


def test_the_page_answers_what_strangers_ask(page):
    """What is in cluster 1, what is like this track, which are doubles, what is missing: without any script."""
    text = re.sub(r"<script.*?</script>", "", (page / "index.html").read_text(), flags=re.S)
    tables = re.findall(r"<table>.*?</table>", text, re.S)
    rows = [
        [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in re.findall("<tr>.*?</tr>", t, re.S)]
        for t in tables
    ]
    clusters, doubles, likes, left_out = rows
    assert clusters[0][:3] == ["Cluster", "Tracks", "In words"] and sum(int(row[1]) for row in clusters[1:]) == 11
    assert {"metal/again", "metal/metal &amp; 0"} in [set(row[:2]) for row in doubles[1:]]
    assert len(likes) == 12 and all(row[2].count(";") >= 3 for row in likes[1:])
    assert [row[0] for row in left_out[1:]] == ["metal/broken"]
    assert "<music>" not in text and html.escape("my <music>") in text


def test_the_page_plays_and_brings_its_playlists(page):
    text = (page / "index.html").read_text()
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', text, re.S)[1])
    assert len(data["ids"]) == len(data["sounds"]) == 11
    for clip in data["sounds"]:
        assert 1 < sf.info(page / clip).duration <= 6.1
    linked = re.findall(r'href="(playlists/[^"]+)"', text)
    assert len(linked) >= 3 and all((page / urllib.parse.unquote(name)).exists() for name in linked)
    outside = re.findall(
        r'(?:src|href)="(?!data:|playlists/|clips/|#)([^"]*)"', re.sub(r"<script.*?</script>", "", text, flags=re.S)
    )
    assert outside == [], "the page asks for something that it does not bring"


def test_a_folder_with_other_files_is_left_alone(folder, tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("dear")
    assert main(["map", str(folder), "--out", str(tmp_path), "--seeds", "1"]) == 1
    assert "other files in it; name a new one" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]


def test_too_few_tracks_are_refused():
    tracks = datasets.load("gtzan-mini-tracks").rows(np.arange(9))
    with pytest.raises(ValueError, match="has 9 tracks; a map takes 10 at least"):
        collection.survey(tracks)


@pytest.fixture(scope="module")
def found():
    return collection.survey(datasets.load("gtzan-mini-tracks"), seeds=2, n_jobs=1)


def test_ways_start_and_end_at_their_tracks(found):
    one, other = collection.farthest(found)
    way = collection.between(found, one, other)
    assert way["Nearest track"].iloc[0] == one and way["Nearest track"].iloc[-1] == other
    assert found.labels[list(found.tracks.ids).index(one)] != found.labels[list(found.tracks.ids).index(other)]
    walk = collection.along(found, collection.strongest(found))
    assert walk.index.tolist() == ["-2 sd", "-1 sd", "+0 sd", "+1 sd", "+2 sd"] and len(set(walk["Nearest track"])) > 1


def test_what_is_decoded_at_a_track_is_near_what_it_is(found):
    """The words at its own place are those of the reconstruction: brighter tracks decode brighter."""
    profiles = collection.scales(found.tracks.features)["dark", "bright"].to_numpy()
    ends = [int(profiles.argmin()), int(profiles.argmax())]
    said = collection.heard(found, found.space[ends], ["dark", "bright"])["Decoded"]
    assert "bright" not in said["dark"] and "dark" not in said["bright"]


def test_neighbours_are_those_of_the_latent_space(found):
    table = collection.neighbours(found)
    distance = np.linalg.norm(found.space - found.space[7], axis=1)
    assert (
        table["Most like it"].iloc[7].split("; ") == found.tracks.ids[np.argsort(distance, kind="stable")[1:6]].tolist()
    )


def test_a_pretrained_network_makes_the_groups_and_the_vae_the_ways(found):
    tracks = datasets.load("gtzan-mini-tracks")
    heard = collection.survey(tracks, seeds=2, n_jobs=1, embedding="musicnn")
    numbers = datasets.load("gtzan-mini-tracks", "musicnn").features.to_numpy()
    assert np.allclose(heard.space, numbers / np.linalg.norm(numbers, axis=1, keepdims=True))
    by_sound, by_features = (metrics.external(tracks.genres, of.labels)["nmi"] for of in (heard, found))
    assert by_sound > by_features + 0.1  # page 11: it was trained on tags that name genres
    assert np.array_equal(heard.fit.mu, found.fit.mu) and heard.tracks.features.equals(tracks.features)
    one, other = collection.farthest(heard)
    assert collection.between(heard, one, other)["Nearest track"].iloc[[0, -1]].tolist() == [one, other]
    assert "musicnn" in heard.by and "VAE" in found.by


def test_musicnn_is_taken_for_a_folder_where_its_weights_are(tmp_path, monkeypatch, caplog):
    mini = datasets.load("gtzan-mini-tracks")
    folder = replace(mini, provenance=mini.provenance | {"paths": {mini.ids[0]: "a.flac"}})  # its numbers are committed
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    monkeypatch.delenv("HELPERS_MUSICNN", raising=False)
    assert collection.at_hand(folder) is None
    (tmp_path / pretrained.WHEEL).touch()
    assert collection.at_hand(folder) == "musicnn" and collection.at_hand(mini) is None
    by_artist = replace(folder, groups=np.repeat([f"artist {i}" for i in range(10)], 10))
    assert collection.at_hand(by_artist) == "musicnn"
    one_more = replace(folder, ids=np.append(mini.ids[:-1], "unheard"))
    assert collection.at_hand(one_more) is None and "cannot hear 1 of 100" in caplog.text
    assert collection.at_hand(replace(folder, name="elsewhere")) is None and "cannot hear 100" in caplog.text


def test_clips_are_of_the_demo_and_of_files_only(tmp_path):
    assert set(players.write_clips(datasets.load("gtzan-mini-tracks"), tmp_path)) == {None}
    assert players.addresses(datasets.load("gtzan-mini-tracks")) is None and not list(tmp_path.iterdir())
