"""A folder of music as a map: groups that return, words, doubles, playlists, sound, and a page that
loads nothing from elsewhere."""

import html
import json
import os
import re
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from IPython.core.interactiveshell import InteractiveShell

from helpers import metrics
from helpers.features import FEATURES, SR
from musicbook.__main__ import main
from musicbook.chapters.sound import players
from musicbook.collection import map_page, playlists, survey, walks, words
from musicbook.corpus import pretrained, sources, synth
from tests.conftest import ROOT

STYLES = ("classical", "metal")


def table(rows):
    """Tracks whose features are 0 but for those that are named."""
    frame = pd.DataFrame(0.0, range(len(rows)), list(FEATURES))
    for i, row in enumerate(rows):
        for name, value in row.items():
            frame.loc[i, name] = value
    return frame


# ---- words ---------------------------------------------------------------------------------------


def test_words_say_what_lies_high_and_low():
    fast = {"tempo": 180, "centroid_mean": 3000, "rolloff_mean": 6000}
    vocabulary = words.Vocabulary(table([fast] * 5 + [{"tempo": 60}] * 5))
    assert set(vocabulary.of(np.arange(5))) == {"fast", "bright"}
    assert set(vocabulary.of(np.arange(5, 10))) == {"slow", "dark"}
    assert vocabulary.of(np.arange(10)) == []


def test_a_table_of_other_features_is_described_by_its_columns():
    features = pd.DataFrame({"warmth": [0.0, 0, 9, 9], "age": [1.0, 1, 1, 1]})
    assert words.Vocabulary(features).of(np.array([2, 3])) == ["high warmth"]


def test_names_differ():
    same = {0: ["jazz", "quiet"], 1: ["jazz", "quiet", "dark"], 2: ["jazz", "quiet"], 3: []}
    names = words.names(same)
    assert names == {0: "jazz, quiet", 1: "jazz, quiet, dark", 2: "jazz, quiet 2", 3: "mixed"}
    assert words.names({0: ["metal", "heavy metal", "noisy"]}) == {0: "metal, noisy"}


def test_a_stranger_finds_the_groups_by_their_words_alone():
    """Words from half of the tracks lead the other half to its group; of random groups they do
    not."""
    tracks = sources.load("gtzan-mini-tracks")
    vocabulary = words.Vocabulary(tracks.features, pretrained.committed("MSD_tags").loc[tracks.ids])
    right, chance = words.recognised(tracks.genre_codes, vocabulary)
    assert right > 0.6
    assert chance == 1 / len(tracks.genre_names)  # twenty random orders gave 0.11 for 7 groups
    shuffled = np.random.default_rng(0).permutation(tracks.genre_codes)
    right, chance = words.recognised(shuffled, vocabulary)
    assert abs(right - chance) < 0.15


# ---- the survey ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found():
    return survey.survey(sources.load("gtzan-mini-tracks"), runs=4)


def test_musicnn_hears_what_it_has_numbers_of(found):
    numbers = sources.load("gtzan-mini-tracks", "musicnn").features.to_numpy()
    assert found.heard_by == "musicnn" and found.tags.shape == (100, 50)
    assert np.allclose(found.space, numbers / np.linalg.norm(numbers, axis=1, keepdims=True))
    kept = found.groups.labels >= 0
    truth = found.tracks.genres[kept]
    assert metrics.external(truth, found.groups.labels[kept])["ami"] > 0.7


def test_without_the_network_the_features_do(monkeypatch, caplog):
    mini = sources.load("gtzan-mini-tracks")
    assert survey.embedding_of(mini, "none") is None
    folder = replace(mini, name="folder", provenance=mini.provenance | {"paths": {"x": "a.flac"}})

    def no_network(tracks, embedding):
        raise FileNotFoundError("musicnn's weights are not here")

    monkeypatch.setattr(pretrained, "has_sound", lambda tracks: True)
    monkeypatch.setattr(pretrained, "heard", no_network)
    assert survey.embedding_of(folder) is None and "features stand in for musicnn" in caplog.text
    with pytest.raises(FileNotFoundError):
        survey.embedding_of(folder, "musicnn")


def test_neighbours_are_those_of_the_space(found):
    distance = np.linalg.norm(found.space - found.space[7], axis=1)
    assert found.near[7].tolist() == np.argsort(distance, kind="stable")[1:11].tolist()


def test_the_map_is_turned_and_not_bent():
    """Louder tracks lie higher, brighter ones to the right; no distance changes."""
    rng = np.random.default_rng(1)
    loud, bright = rng.normal(size=(2, 60))
    rows = [{"rms_mean": a, "centroid_mean": b, "rolloff_mean": b} for a, b in zip(loud, bright)]
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.column_stack([-bright, loud]) @ turn.T
    turned, axes = survey.oriented(points, table(rows))
    assert axes == ("loud", "bright")
    assert np.corrcoef(turned[:, 1], loud)[0, 1] > 0.99
    assert np.corrcoef(turned[:, 0], bright)[0, 1] > 0.99
    apart = np.linalg.norm(points[:1] - points, axis=1)
    assert np.allclose(apart, np.linalg.norm(turned[:1] - turned, axis=1))


def test_a_map_that_shows_no_scale_names_no_direction():
    rng = np.random.default_rng(0)
    rows = [{"rms_mean": value} for value in rng.normal(size=80)]
    assert survey.oriented(rng.normal(size=(80, 2)), table(rows))[1] == (None, None)


def test_too_few_tracks_are_refused():
    tracks = sources.load("gtzan-mini-tracks").rows(np.arange(9))
    with pytest.raises(ValueError, match="has 9 tracks; a map needs at least 10"):
        survey.survey(tracks)


# ---- the page ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten clips in two styles and four formats, one of them twice, one file that is none; names to
    escape."""
    place = tmp_path_factory.mktemp("own") / "my <music>"
    for style in STYLES:
        for i in range(5):
            path = place / style / f"{style} & {i}.{('wav', 'flac', 'ogg', 'aiff')[i % 4]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, synth.clip(style, i, 4.0), SR)
    sf.write(place / "metal" / "again.flac", synth.clip("metal", 0, 4.0), SR)
    (place / "metal" / "broken.mp3").write_bytes(b"no music")
    return place


def mapped(folder, out, *more):
    command = ["map", str(folder), "--out", str(out), "-k", "2", "--repeats", "2", "--quiet"]
    return main([*command, "--embedding", "none", *more])


def data_of(page):
    text = (page / "index.html").read_text()
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1].replace("<\\/", "</"))


@pytest.fixture(scope="module")
def page(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("map") / "page"
    assert mapped(folder, out) == 3  # a file was left out
    return out


def test_the_page_says_without_a_script_what_strangers_ask(page):
    """Which are doubles, what was left out, which track is in which group."""
    text = re.sub(r"<script.*?</script>", "", (page / "index.html").read_text(), flags=re.S)
    tables = []
    for part in re.findall(r"<table.*?</table>", text, re.S):
        rows = re.findall("<tr>.*?</tr>", part, re.S)
        tables.append([re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in rows])
    doubles, left_out, everything = tables[:3]
    assert {"metal/again", "metal/metal &amp; 0"} in [set(row) for row in doubles[1:]]
    assert [row[0] for row in left_out[1:]] == ["metal/broken"]
    assert len(everything) == 12
    assert "<music>" not in text and html.escape("my <music>") in text


def test_the_top_line_says_what_to_do_and_the_measures_stand_below(page):
    """A newcomer reads what the points are; how well groups are found again is told on request."""
    text = re.sub(r"<script.*?</script>", "", (page / "index.html").read_text(), flags=re.S)
    top, below = text.split("</header>")
    assert "11 tracks. Tracks that lie close together mostly sound alike." in top
    assert "Press one to hear it and to find more like it." in top
    assert "Found again" not in top
    how = below.split("How the groups were made</summary>")[1]
    assert len(data_of(page)["groups"]) == how.count('data-label="Found again"') > 0


def test_the_page_plays_the_files_where_they_are(page, folder):
    """Sound that no browser plays is brought as a clip."""
    data = data_of(page)
    assert len(data["names"]) == len(data["sounds"]) == 11
    own = [sound for sound in data["sounds"] if sound.startswith("file:")]
    clips = [sound for sound in data["sounds"] if not sound.startswith("file:")]
    assert len(own) == 9 and len(clips) == 2 and "%26" in " ".join(own)
    for clip in clips:
        assert 1 < sf.info(page / clip).duration <= 6.1
    assert set(data["paths"]) == {str(path) for path in folder.rglob("*") if path.suffix in SOUND}


SOUND = {".wav", ".flac", ".ogg", ".aiff"}


def test_a_page_to_give_away_names_no_place_on_this_machine(folder, tmp_path):
    assert mapped(folder, tmp_path / "gift", "--clips") == 3
    text = (tmp_path / "gift" / "index.html").read_text()
    assert str(folder) not in text and "file:" not in re.sub(r"<script>.*?</script>", "", text)
    sounds = data_of(tmp_path / "gift")["sounds"]
    assert all((tmp_path / "gift" / sound).is_file() for sound in sounds)


def test_the_page_loads_nothing(page):
    text = (page / "index.html").read_text()
    assert not re.findall(r'(?:src|href)\s*=\s*"(?!data:)[^"]+"', text)
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text


def test_playlists_and_tables_lie_beside_the_page(page):
    tracks = pd.read_csv(page / "tracks.csv")
    lists = sorted((page / "playlists").glob("*.m3u8"))
    lines = [line for path in lists for line in path.read_text("utf-8").splitlines()]
    assert sorted(line for line in lines if line[0] != "#") == sorted(tracks["path"])
    groups = pd.read_csv(page / "groups.csv")
    assert len(groups) == tracks.loc[tracks.cluster >= 0, "cluster"].nunique()
    assert [path.name[:2] for path in lists if path.name[0] == "0"] == [
        f"{i:02d}" for i in range(1, len(groups) + 1)
    ]


def test_a_playlist_keeps_accents_however_they_are_written():
    assert playlists.file_name("01 cafe\u0301, dark") == "01 caf\u00e9, dark"


def test_a_name_that_is_no_utf8_gets_into_the_page(found):
    """As old discs have them: Latin-1."""
    paths = dict.fromkeys(found.tracks.ids.tolist(), os.fsdecode(b"/music/caf\xe9.wav"))
    text = map_page.page_text(found, paths=paths)
    assert "file:///music/caf%E9.wav" in text and text.encode()


def test_a_folder_with_other_files_is_left_alone(folder, tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("dear")
    assert main(["map", str(folder), "--out", str(tmp_path)]) == 1
    assert "other files in it; name a new one" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]


def test_a_thousand_songs_make_a_page_of_three_megabytes_at_most(found):
    """Without clips, with long names; the script and style are part of it."""
    many = np.arange(1000) % 100
    tracks = found.tracks.rows(many)
    names = np.array([f"Some Artist/An Album of {i}/{i:04d} A Song with a Name" for i in many])
    big = replace(
        found,
        tracks=replace(tracks, ids=names),
        space=found.space[many],
        groups=replace(found.groups, labels=found.groups.labels[many]),
        points=found.points[many],
        near=found.near[many],
    )
    data = map_page.page_data(big, [f"file:///home/somebody/{name}.flac" for name in names])
    fixed = map_page.STYLE.stat().st_size + map_page.SCRIPT.stat().st_size
    assert len(json.dumps(data)) + fixed < 3e6


# ---- walks and clips -----------------------------------------------------------------------------


def test_ways_start_and_end_at_their_tracks():
    tracks = sources.load("gtzan-mini-tracks")
    fit = walks.trained(tracks)
    one, other = tracks.ids[3], tracks.ids[62]
    way = walks.between(tracks, fit, one, other)
    assert way["Nearest track"].iloc[0] == one and way["Nearest track"].iloc[-1] == other
    walk = walks.along(tracks, fit, walks.strongest(fit))
    assert walk.index.tolist() == ["-2 sd", "-1 sd", "+0 sd", "+1 sd", "+2 sd"]
    assert len(set(walk["Nearest track"])) > 1


def test_clips_are_of_the_demo_and_of_files_only(tmp_path):
    assert set(players.write_clips(sources.load("gtzan-mini-tracks"), tmp_path)) == {None}
    assert players.addresses(sources.load("gtzan-mini-tracks")) is None
    assert not list(tmp_path.iterdir())


def test_the_lines_for_colab_map_a_folder_and_show_it(folder, tmp_path, monkeypatch):
    """The lines that the page prints, but for the mount of a Drive, which only Colab has."""
    text = (ROOT / "notebooks" / "10_collection.py").read_text()
    lines = [
        line[2:] for line in text.splitlines() if line.startswith(("# from google", "# !python"))
    ]
    lines += [line[2:] for line in text.splitlines() if line.startswith("# from IPython")]
    assert len(lines) == 3 and lines[0].endswith('drive.mount("/content/drive")')
    readme = (ROOT / "README.md").read_text()
    assert "".join(f"    {line}\n" for line in lines) in readme
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    shell = InteractiveShell()
    command = lines[1].replace("/content/drive/MyDrive/Music", str(folder))
    command = command.replace("!python", f"!{sys.executable}") + " -k 2 --repeats 2"
    shell.run_cell(command).raise_error()
    shown = shell.run_cell(lines[2]).result
    assert shown.data.startswith("<!doctype html>") and 'id="data"' in shown.data
    assert len(list((tmp_path / "my-music" / "clips").glob("*.mp3"))) == 11
