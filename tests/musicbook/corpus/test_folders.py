"""The reader's own folder of music: genres, lyrics, playlists; and getting GTZAN from a copy."""

import io
import os
import sys
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from helpers.features import SR
from musicbook.collection import playlists
from musicbook.corpus import acquire, embedding, joined, sources, synth
from tests.material import needs_use, write_clips


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path_factory.mktemp("cache")))


def test_folder_with_genres_and_lyrics(tmp_path):
    music = tmp_path / "music"
    for genre in ("calm", "loud"):
        write_clips(music / genre, 3, seconds=2.0, kind="flac")
    (music / "loud" / "broken.mp3").write_bytes(b"")
    tracks = sources.load(str(music))
    assert tracks.n == 6 and tracks.genre_names == ["calm", "loud"] and tracks.text is None
    assert tracks.ids[0] == "calm/blues.00000"
    assert tracks.provenance["faults"] == [["loud/broken", "broken.mp3: the file is empty"]]


@needs_use
def test_folder_lyrics_by_file_and_by_title(tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    for name in ("The Band - First Song.wav", "The Band - Second.wav", "other.wav"):
        sf.write(music / name, synth.clip("pop", seed=len(name), seconds=2.0), SR)
    with sf.SoundFile(music / "tagged.flac", "w", SR, 1) as tagged:
        tagged.artist, tagged.title = "Some Body", "Third"
        tagged.write(synth.clip("rock", seed=1, seconds=2.0))
    words = pd.DataFrame(
        {
            "title": ["first song", "Third", "Nowhere"],
            "artist": ["the band", "some body", "x"],
            "lyrics": ["rain on the road", "dance all night", "unused"],
        }
    )
    words.to_csv(music / "lyrics.csv", index=False)
    tracks = sources.load(str(music))
    assert (
        tracks.genres is None
        and tracks.text.shape == (4, 512)
        and (tracks.text.index == tracks.ids).all()
    )
    assert "lyrics for 2 of 4 tracks" in tracks.provenance["note"]
    first, other, second, third = (
        tracks.text.loc[i].to_numpy()
        for i in ("The Band - First Song", "other", "The Band - Second", "tagged")
    )
    np.testing.assert_allclose(other, (first + third) / 2, atol=1e-6)
    np.testing.assert_allclose(other, second)
    pd.DataFrame({"file": ["other.wav"], "lyrics": ["one two"]}).to_csv(
        music / "lyrics.csv", index=False
    )
    assert "lyrics for 1 of 4" in sources.load(str(music)).provenance["note"]
    assert sources.load(str(music), lyrics="none").text is None
    pd.DataFrame({"file": ["nothing.wav"], "lyrics": ["one two"]}).to_csv(
        music / "lyrics.csv", index=False
    )
    with pytest.raises(ValueError, match="none of its 1 rows"):
        sources.load(str(music))
    pd.DataFrame({"name": ["x"], "lyrics": ["one two"]}).to_csv(music / "lyrics.csv", index=False)
    with pytest.raises(
        ValueError, match="columns name, lyrics; needed are lyrics and file or lyrics and title"
    ):
        sources.load(str(music))


@needs_use
def test_folder_lyrics_of_tracks_that_share_a_name(tmp_path):
    paths = {}
    for i, track in enumerate(
        ("A/01 Intro", "B/01 Intro", "B/Beyonce\u0301")
    ):  # as a Mac writes the accent
        paths[track] = tmp_path / f"{track}.wav"
        paths[track].parent.mkdir(exist_ok=True)
        sf.write(paths[track], synth.clip("pop", seed=i, seconds=1.0), SR)
    files = ["A/01 Intro.wav", "B/01 Intro.wav", "beyonc\u00e9.wav"]
    pd.DataFrame({"file": files, "lyrics": ["one", "two", "three"]}).to_csv(
        tmp_path / "lyrics.csv", index=False
    )
    found = joined.read_lyrics(paths, tmp_path / "lyrics.csv").vectors
    np.testing.assert_allclose(
        found, embedding.embed_texts(["one", "two", "three"], encoder="use", quiet=True), atol=1e-6
    )
    pd.DataFrame({"file": files[:1], "lyrics": ["one"]}).to_csv(
        tmp_path / "lyrics.csv", index=False
    )
    found = joined.read_lyrics(paths, tmp_path / "lyrics.csv").vectors
    assert found.notna().all(axis=1).tolist() == [True, False, False]


def test_a_folder_of_yours_called_gtzan_is_not_the_collection(tmp_path):
    write_clips(tmp_path / "gtzan", 2, seconds=1.0)
    assert sources.load(str(tmp_path / "gtzan")).name == "gtzan (yours)"


def test_playlists(tmp_path):
    paths = write_clips(tmp_path / "mü sic", 5, seconds=1.0)
    ids = list(paths)
    written = playlists.write([1, 0, 1, 1, -1], ids, paths, tmp_path / "out")
    assert [p.name for p in written] == ["cluster_01.m3u8", "cluster_00.m3u8", "noise.m3u8"]
    entries = [
        line for line in written[0].read_text("utf-8").splitlines() if not line.startswith("#")
    ]
    assert entries == [str(paths[i]) for i in (ids[0], ids[2], ids[3])] and all(
        os.path.exists(e) for e in entries
    )
    table = pd.read_csv(tmp_path / "out" / "tracks.csv")
    assert table["cluster"].tolist() == [1, 0, 1, 1, -1] and table["track_id"].tolist() == ids
    playlists.write([0, 0, 0, 0, 0], ids, paths, tmp_path / "out")  # those of before go
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["cluster_00.m3u8", "tracks.csv"]
    with pytest.raises(ValueError, match="no sound file is known"):
        playlists.write([0], ["x"], {}, tmp_path / "out")


@pytest.mark.parametrize(
    "layout, kind",
    [("Data/genres_original", "wav"), ("genres", "au"), ("gtzan_genre/genres", "wav"), ("", "wav")],
)
def test_gtzan_layouts(tmp_path, layout, kind):
    for genre in ("blues", "rock"):
        folder = tmp_path / layout / genre
        folder.mkdir(parents=True)
        for i in range(2):
            sf.write(folder / f"{genre}.{i:05d}.{kind}", np.zeros(100), SR)
    tracks = acquire.find_gtzan(tmp_path)
    assert list(tracks) == ["blues.00000", "blues.00001", "rock.00000", "rock.00001"]
    (tmp_path / "else" / "polka").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="no genre folders"):
        acquire.find_gtzan(tmp_path / "else")


def test_verify_says_what_is_missing(tmp_path):
    tracks = {}
    for i, (rate, seconds) in enumerate([(SR, 30.0), (44100, 30.0), (SR, 12.0)]):
        tracks[f"blues.{i:05d}"] = tmp_path / f"{i}.wav"
        sf.write(tracks[f"blues.{i:05d}"], np.zeros(round(rate * seconds)), rate)
    tracks["jazz.00054"] = tmp_path / "jazz.wav"
    tracks["jazz.00054"].write_text("damaged")
    problems = acquire.verify(tracks).groupby("track_id")["problem"].agg("; ".join)
    assert len(problems) == 999 and "blues.00000" not in problems
    assert "44100 Hz" in problems["blues.00001"] and "12.00 s" in problems["blues.00002"]
    assert "damaged" in problems["jazz.00054"] and problems["rock.00099"] == "missing"


def test_unpack_never_leaves_the_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as z:
        z.writestr("fine.txt", "x")
        z.writestr("../outside.txt", "x")
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as t:
        member = tarfile.TarInfo("../outside.txt")
        member.size = 1
        t.addfile(member, io.BytesIO(b"x"))
    for name in ("evil.zip", "evil.tar.gz"):
        with pytest.raises(ValueError, match="outside of the folder"):
            acquire.unpack(tmp_path / name, tmp_path / "target")
    (tmp_path / "torn.tar.gz").write_bytes((tmp_path / "evil.tar.gz").read_bytes()[:60])
    with pytest.raises(ValueError, match="not a whole"):
        acquire.unpack(tmp_path / "torn.tar.gz", tmp_path / "target")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evil.tar.gz", "evil.zip", "torn.tar.gz"]
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as z:
        z.writestr("genres/blues/blues.00000.wav", "x")
    assert acquire.find_gtzan(acquire.locate("gtzan", tmp_path / "good.zip", tmp_path / "raw"))


def test_nothing_to_acquire_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(FileNotFoundError, match="make data GTZAN=/path/to/it"):
        acquire.locate("gtzan", None, tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        acquire.locate("genius", tmp_path / "none", tmp_path)
