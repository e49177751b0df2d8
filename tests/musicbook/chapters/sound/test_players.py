"""Players hold sound that decodes; the figure and table show the 68 numbers; medoids and outliers
are what they say."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest

from helpers import features
from helpers.tracks import Tracks
from musicbook.chapters.sound import anatomy, players
from musicbook.corpus import synth
from musicbook.corpus.sources import load

sf = pytest.importorskip("soundfile")
CLIP = synth.clip("rock", 0, 2.0, spread=0.0)


def decoded(html):
    codes = re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', html)
    return [sf.read(io.BytesIO(base64.b64decode(code))) for code in codes]


def test_a_player_holds_the_sound():
    ((y, sr),) = decoded(players.player(CLIP, 'a "name"'))
    assert sr == 22050 and len(y) == pytest.approx(len(CLIP), abs=2 * 1152)
    n = min(len(y), len(CLIP))
    lag = int(np.argmax(np.correlate(y[:8000], CLIP[:6000], "valid")))  # the coder's delay
    assert np.corrcoef(y[lag:n], CLIP[: n - lag])[0, 1] > 0.95
    assert 'aria-label="a &quot;name&quot;"' in players.player(CLIP, 'a "name"')


@pytest.mark.parametrize("style", sorted(synth.STYLES))
def test_every_clip_of_the_page_fits(style):
    assert len(players.as_mp3(synth.clip(style, 0, players.SECONDS, spread=0.0))) <= players.LIMIT


def test_a_long_clip_is_refused():
    noise = np.random.default_rng(0).uniform(-1, 1, 60 * 22050)
    with pytest.raises(ValueError, match="more than 60000: cut the clip"):
        players.as_mp3(noise)


def test_the_figure_has_a_bar_for_each_number():
    reference = load("gtzan-mini").features
    values = features.extract(CLIP)
    figure = anatomy.anatomy_figure(CLIP, values, reference)
    assert [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes][0] == "Waveform"
    z = (values - reference.mean().to_numpy()) / reference.std().to_numpy()
    tops = [
        segment[1][1] for lines in figure.axes[3].collections for segment in lines.get_segments()
    ]
    assert sorted(tops) == pytest.approx(sorted(z)) and len(tops) == 68
    low, high = figure.axes[3].get_ylim()
    assert low < min(tops) and max(tops) < high


def test_numbers_in_their_units():
    table = anatomy.number_table({"rock": np.arange(68) + 0.12345})
    assert table.shape == (68, 1) and list(table.index.get_level_values("number")) == list(
        features.FEATURES
    )
    assert table.loc[("Tempo (beats per minute)", "tempo"), "rock"] == "67.1"
    assert table.loc[("MFCC (dB)", "mfcc_01_mean"), "rock"] == "0.123"


def test_ends_of_clusters_by_hand():
    Z = np.array([[0.0], [1.0], [2.0], [9.0], [50.0], [51.0], [7.0]])
    found = players.typical_and_odd(Z, np.array([0, 0, 0, 0, 1, 1, -1]))
    assert found.to_dict("list") == {
        "cluster": [0, 1],
        "size": [4, 2],
        "medoid": [1, 4],
        "outlier": [3, 5],
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / ".cache"))
    for i, style in enumerate(("rock", "jazz", "rock")):
        (tmp_path / style).mkdir(exist_ok=True)
        sf.write(tmp_path / style / f"{i}.wav", synth.clip(style, i, 3.0), 22050)
    return load(tmp_path)


def test_a_folder_can_be_heard(folder, tmp_path):
    paths = players.own_audio(folder)
    assert set(paths) == set(folder.ids)
    shown = players.row(folder, ["jazz/1", "nobody"])
    assert shown.data.count("<audio") == 1 and ">jazz/1</span>" in shown.data
    names = players.write_clips(folder, tmp_path / "clips")
    assert len(names) == 3 and all((tmp_path / "clips" / name).exists() for name in names)


def test_a_gallery_names_every_player():
    html = players.gallery({"<rock>": {"the clip": players.player(CLIP, "clip")}, "": {}}).data
    assert len(decoded(html)) == 1
    assert "&lt;rock&gt;" in html and html.count("listen-title") == 1
    assert '<span class="listen-name">the clip</span>' in html


def test_embedded_tables_are_silent(monkeypatch):
    monkeypatch.delenv("GTZAN_AUDIO", raising=False)
    assert players.own_audio(load("gtzan-mini")) == {}


def test_gtzan_is_heard_from_the_readers_copy(tmp_path, monkeypatch):
    (tmp_path / "genres" / "blues").mkdir(parents=True)
    sound = tmp_path / "genres" / "blues" / "blues.00000.wav"
    sf.write(sound, CLIP, 22050)
    ids = np.array(["blues.00000", "blues.00001"])
    tracks = Tracks(
        "gtzan", ids, ids, {"audio": pd.DataFrame(np.zeros((2, 68)), columns=features.FEATURES)}
    )
    monkeypatch.setenv("GTZAN_AUDIO", str(tmp_path))
    assert players.own_audio(tracks) == {"blues.00000": sound}
    monkeypatch.setenv("GTZAN_AUDIO", str(tmp_path / "nowhere"))
    assert players.own_audio(tracks) == {}
