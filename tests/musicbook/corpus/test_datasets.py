"""The embedded tables, what `load` accepts, and what it says about a table that cannot be used."""

import hashlib
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from helpers.features import FEATURES
from helpers.tracks import data_dir
from musicbook.corpus import sources


def test_embedded_tracks():
    tracks = sources.load("gtzan-mini-tracks")
    assert (
        tracks.n == 100
        and tracks.features.shape == (100, 68)
        and list(tracks.features) == list(FEATURES)
    )
    assert tracks.genre_names == [
        "blues",
        "classical",
        "country",
        "disco",
        "hiphop",
        "jazz",
        "metal",
        "pop",
        "reggae",
        "rock",
    ]
    assert np.bincount(tracks.genre_codes).tolist() == [10] * 10
    assert tracks.start_s is None and (tracks.groups == tracks.ids).all()
    assert (
        np.isfinite(tracks.features.to_numpy()).all()
        and (tracks.features.dtypes == "float64").all()
    )


def test_embedded_segments():
    tracks = sources.load("gtzan-mini")
    assert tracks.n == 1000 and len(set(tracks.ids)) == 1000 and len(set(tracks.groups)) == 100
    assert (
        tracks.ids[13] == "blues.00001.s03"
        and tracks.groups[13] == "blues.00001"
        and tracks.start_s[13] == 9.0
    )
    assert tracks.features.index[13] == tracks.ids[13]
    assert (pd.Series(tracks.genres).groupby(tracks.groups).nunique() == 1).all()


def test_sources_names_the_committed_files():
    text = (data_dir() / "SOURCES.md").read_text()
    listed = {name: sha for sha, name in re.findall(r"^([0-9a-f]{64})  ([\w.]+)$", text, re.M)}
    assert set(listed) == {
        "gtzan_mini_tracks.csv",
        "gtzan_mini_thirds.csv",
        "gtzan_mini_segments.csv",
        "gtzan_mini_musicnn.npz",
        "demo_musicnn.npz",
        "paired.npz",
        "paired_words.npz",
        "paired_musicnn.npz",
        "lyrics_bank.npz",
        "sentences.npz",
        "verses.csv",
        "verses_check.csv",
        "verses.npz",
    }
    for name, sha in listed.items():
        assert hashlib.sha256((data_dir() / name).read_bytes()).hexdigest() == sha, name


def test_provenance_names_the_table():
    provenance = sources.load("gtzan-mini").provenance
    assert provenance["source"] == "gtzan_mini_segments.csv" and provenance["n"] == 1000
    path = data_dir() / "gtzan_mini_segments.csv"
    assert provenance["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_unknown_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no data set 'gtzam': choose one of gtzan-mini"):
        sources.load("gtzam")


def test_full_table_is_used_when_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("GTZAN_FEATURES", str(tmp_path / "mine.csv"))
    with pytest.raises(FileNotFoundError, match="make data"):
        sources.load("gtzan")
    small().to_csv(tmp_path / "mine.csv", index=False)
    tracks = sources.load("gtzan")
    assert tracks.name == "gtzan" and tracks.n == 6


def small() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(6, 68)), columns=FEATURES)
    table.insert(0, "genre", ["rock", "pop"] * 3)
    table.insert(0, "track_id", [f"t{i}" for i in range(6)])
    return table


def test_csv_table(tmp_path):
    path = tmp_path / "mine.csv"
    small().drop(columns="genre").to_csv(path, index=False)
    tracks = sources.load(str(path))
    assert tracks.name == "mine" and tracks.genres is None and tracks.genre_names == []
    np.testing.assert_allclose(
        tracks.features.to_numpy(), small()[list(FEATURES)].to_numpy(), rtol=1e-12
    )
    with pytest.raises(ValueError, match="mine has no genre labels"):
        tracks.genre_codes  # noqa: B018


def test_names_that_look_like_nothing_are_names(tmp_path):
    table = small().assign(track_id=["NA", "null", "c", "d", "e", "f"], genre=["None", "nan"] * 3)
    table.to_csv(tmp_path / "mine.csv", index=False)
    tracks = sources.load(str(tmp_path / "mine.csv"))
    assert tracks.ids[:2].tolist() == ["NA", "null"] and tracks.genre_names == ["None", "nan"]


def test_one_genre_for_all_says_nothing(tmp_path):
    small().assign(genre="Jazz").to_csv(tmp_path / "mine.csv", index=False)
    assert sources.load(str(tmp_path / "mine.csv")).genres is None


def without_column(t):
    return t.drop(columns=["mfcc_03_std", "tempo"])


def with_value(value):
    def change(t):
        t = t.astype({"rms_mean": object})
        t.loc[3, "rms_mean"] = value
        return t

    return change


@pytest.mark.parametrize(
    "change, says",
    [
        (without_column, "missing: mfcc_03_std, tempo"),
        (lambda t: t.assign(track_id="same"), "'same' occurs more than once"),
        (lambda t: t.head(0), "no rows"),
        (lambda t: t.assign(genre=["rock", None] * 3), r"row 2 \(t1\) has no genre"),
    ],
)
def test_bad_tables(tmp_path, change, says):
    path = tmp_path / "bad.csv"
    change(small()).to_csv(path, index=False)
    with pytest.raises(ValueError, match=says):
        sources.load(str(path))


@pytest.mark.parametrize(
    "content",
    [b"", b'track_id,genre\na,b,c,d\ne,f,g\n"open', "track_id,géant\nü,1\n".encode("utf-16")],
)
def test_files_that_are_no_tables(tmp_path, content):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="bad"):
        sources.load(str(path))


def test_import_is_light():
    """Notebooks import `sources` first; nothing heavy may come with it."""
    heavy = ("librosa", "torch", "sentence_transformers", "numba")
    code = f"import sys, musicbook.corpus.sources; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
        == "[]"
    )


def test_kaggles_table_of_gtzan_is_recognised(tmp_path):
    """A table with its columns, made here: one sentence on what it holds, and the way out works."""
    pairs = [
        "chroma_stft",
        "rms",
        "spectral_centroid",
        "harmony",
        *(f"mfcc{i}" for i in range(1, 21)),
    ]
    columns = [f"{name}_{kind}" for name in pairs for kind in ("mean", "var")]
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(20, len(columns))), columns=columns)
    table.insert(0, "filename", [f"blues.{i:05d}.wav" for i in range(20)])
    table["label"] = ["blues", "rock"] * 10
    table.to_csv(tmp_path / "features_30_sec.csv", index=False)
    with pytest.raises(
        ValueError, match="Kaggle.*variances.*rename its column filename to track_id"
    ):
        sources.load(str(tmp_path / "features_30_sec.csv"))
    table.rename(columns={"filename": "track_id"}).to_csv(tmp_path / "own.csv", index=False)
    own = sources.load(str(tmp_path / "own.csv"))
    assert own.features.shape == (20, len(columns)) and list(own.labels) == ["label"]


def test_songs_with_their_own_words():
    """Three labels, one of them not known of all; artists are the groups; numbers that describe a
    song stand apart."""
    tracks = sources.load("paired")
    assert (tracks.n, len(set(tracks.groups)), tracks.features.shape[1], tracks.text.shape[1]) == (
        1000,
        566,
        68,
        384,
    )
    assert list(tracks.labels) == ["genius_tag", "msd_genre", "language"]
    assert (tracks.score("msd_genre").genres != "").sum() == 428
    assert (tracks.labels["language"] == "de").sum() == 500
    assert list(tracks.blocks["facts"]) == ["year", "danceability", "energy", "valence"]
    np.testing.assert_allclose(np.linalg.norm(tracks.text, axis=1), 1, atol=2e-3)


def test_the_songs_with_words_are_made_again_from_their_sound(shared, tmp_path, monkeypatch):
    """A sample of the previews, through the extractor of today."""
    from musicbook.corpus.fast_features import extract_table
    from musicbook.corpus.folders import find_audio

    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    files = dict(list(find_audio(shared / "paired" / "audio").items())[::10])
    table, _ = extract_table(files, quiet=True)
    again, ours = table.set_index("track_id")[list(FEATURES)], sources.load("paired").features
    np.testing.assert_allclose(again, ours.loc[again.index], rtol=1e-5, atol=1e-4)
