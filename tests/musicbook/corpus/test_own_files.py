"""Every kind of file that people have: what is read, named, refused, grouped, and what each layout
makes of labels."""

import io
import os
import shutil

import numpy as np
import pytest
import soundfile as sf

from helpers.features import SR
from musicbook.corpus import (
    audio,
    doubles,
    fast_features,
    folder_labels,
    folders,
    reports,
    sources,
    synth,
)
from tests import own_collection
from tests.material import python, write_clips

needs_ffmpeg = pytest.mark.skipif(
    own_collection.FFMPEG is None, reason="no ffmpeg: apt-get install ffmpeg"
)
av = pytest.importorskip("av", reason="PyAV is not installed: pip install av")


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The whole collection, and all that was found in it."""
    folder = tmp_path_factory.mktemp("own") / "<img src=x onerror=alert(3)> my music"
    collection = own_collection.make(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELPERS_CACHE", str(tmp_path_factory.mktemp("cache")))
        found = folders.look_through(folder)
        yield collection, found, fast_features.extract_all(found.paths, quiet=True)


def places(made) -> dict[str, str]:
    """{track id: path below the folder, links as they are found}"""
    return {track: os.path.relpath(path, made[0].folder) for track, path in made[1].paths.items()}


def test_each_file_of_the_collection_meets_its_fate(made):
    collection, found, extracted = made
    where = places(made)
    fate = {where[track]: "used" for track in extracted.tags}
    fate |= {where[track]: "odd" for track, _ in extracted.remarks}
    fate |= {where[track]: "left out" for track in extracted.faults["track_id"]}
    fate |= {name: "left out" for name, _ in found.faults}
    expected = {name: what for name, what in collection.fate.items() if what != "passed"}
    assert fate == expected
    assert sum(found.passed.values()) == len(collection.fate) - len(expected)
    assert len(collection.fate) >= 80


def test_doubles_of_the_collection_are_grouped(made):
    where = places(made)
    assert sorted(sorted(where[t] for t in group) for group in made[2].doubles) == sorted(
        map(sorted, made[0].doubles)
    )


def test_no_decoder_writes_to_the_terminal(made):
    code = f"""
import logging
logging.basicConfig(level=logging.WARNING)
from musicbook.corpus import fast_features, folders
fast_features.extract_all(folders.find_audio({str(made[0].folder / "damage")!r}), quiet=True)
"""
    done = python(
        code,
        env=os.environ | {"HELPERS_CACHE": str(made[0].folder.parent / "c"), "TQDM_DISABLE": "1"},
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_threads_give_the_terminal_back(made):
    """As the threads of a dask worker: after them all, what is written still arrives."""
    code = f"""
import sys
from concurrent.futures import ThreadPoolExecutor
from musicbook.corpus import audio
def read(path):
    try:
        audio.read_sound(path)
    except ValueError:
        pass
with ThreadPoolExecutor(4) as pool:
    list(pool.map(read, [{str(made[0].folder / "damage" / "overwritten.mp3")!r}] * 12))
print("arrived", file=sys.stderr)
"""
    assert python(code).stderr == "arrived\n"


# ---- formats -------------------------------------------------------------------------------------


@needs_ffmpeg
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("ending", ["m4a", "wma", "tta", "wv", "mka"])
def test_ffmpeg_formats_are_what_librosa_reads(tmp_path, ending):
    librosa = pytest.importorskip("librosa")
    y = synth.clip("rock", seed=1, seconds=4.0)
    path = own_collection.Collection(tmp_path / "m").ffmpeg(
        f"x.{ending}", own_collection.BY_FFMPEG[ending], y
    )
    ours, _ = audio.load_audio(path)
    theirs, _ = librosa.load(path, sr=SR, duration=30.0)  # by audioread and the ffmpeg program
    n = min(len(ours), len(theirs))
    assert n > 3.9 * SR and abs(len(ours) - len(theirs)) < 0.1 * SR
    np.testing.assert_allclose(ours[:n], theirs[:n], atol=2e-4)  # theirs went through 16 bits


def test_without_pyav_one_sentence_counts_the_files(tmp_path, monkeypatch):
    write_clips(tmp_path, 2, seconds=1.0)
    for name in ("a.m4a", "b.wma"):
        (tmp_path / name).write_bytes(b"\x00\x00\x00\x18ftypM4A " + bytes(100))
    monkeypatch.setattr(audio, "find_spec", lambda name: None)
    said = reports.report_sentences(sources.load(str(tmp_path)).provenance)
    assert (
        "2 of them need a decoder that is not here; more formats are read with PyAV: pip install "
        "av." in said
    )


def test_samples_of_damaged_and_chained_files(tmp_path):
    y = synth.clip("rock", seed=1, seconds=40.0)
    whole, part = io.BytesIO(), io.BytesIO()
    sf.write(whole, y, SR, format="MP3")
    spoilt = bytearray(whole.getvalue())
    at = len(spoilt) // 3
    (tmp_path / "x.mp3").write_bytes(
        spoilt[:at] + np.random.default_rng(0).bytes(3000) + spoilt[at + 3000 :]
    )
    good, _ = audio.load_audio(_file(tmp_path / "good.mp3", whole.getvalue()))
    found = audio.read_sound(tmp_path / "x.mp3")
    assert len(found.y) > 29 * SR and any("damaged" in said for said in found.remarks)
    assert np.corrcoef(found.y[: 10 * SR], good[: 10 * SR])[0, 1] > 0.99
    sf.write(part, y[: 5 * SR], SR, format="OGG")
    twice = audio.read_sound(_file(tmp_path / "twice.ogg", part.getvalue() * 2))
    assert len(twice.y) == pytest.approx(10 * SR, abs=SR // 10)
    assert any("several streams" in said and "5.0 s" in said for said in twice.remarks)


@pytest.mark.parametrize("channels", [1, 2, 7, 8, 9, 16, 64])
def test_any_number_of_channels_is_read(tmp_path, channels):
    """With one plane a channel PyAV read beyond the eighth, which ended the process."""
    y = 0.1 * np.random.default_rng(0).normal(size=(5000, channels)).astype(np.float32)
    sf.write(tmp_path / "x.wav", y, SR, subtype="FLOAT")
    decoded, why = audio._by_ffmpeg(tmp_path / "x.wav", 30.0)
    assert why == "" and np.array_equal(decoded.samples, y)
    assert len(audio.read_sound(tmp_path / "x.wav").y) == 5000


@pytest.mark.parametrize("rate", [1, 100, 1000])
def test_a_sampling_rate_that_holds_no_sound_is_named(tmp_path, rate):
    y = synth.clip("rock", seed=1, seconds=1.0)[: 8 * rate]
    sf.write(tmp_path / "x.wav", y, rate)
    assert f"has only {rate} samples a second" in audio.read_sound(tmp_path / "x.wav").remarks


def _file(path, content):
    path.write_bytes(content)
    return path


def test_a_playlist_in_disguise_opens_no_other_file(tmp_path):
    """FFmpeg reads playlists, and would follow what they name."""
    sf.write(tmp_path / "secret.wav", synth.clip("rock", seed=1, seconds=2.0), SR)
    listed = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n"
    (tmp_path / "x.m4a").write_text(listed)
    (tmp_path / "y.m4a").write_text(f"ffconcat version 1.0\nfile {tmp_path}/secret.wav\n")
    for name in ("x.m4a", "y.m4a"):
        assert audio._by_ffmpeg(tmp_path / name, 30.0)[0] is None
        with pytest.raises(ValueError, match="it holds text"):
            audio.read_sound(tmp_path / name)


# ---- doubles -------------------------------------------------------------------------------------


def test_different_pieces_are_not_doubles():
    styles = ("blues", "reggae", "disco")
    clips = {f"{s} {i}": synth.clip(s, seed=i, seconds=12.0) for s in styles for i in range(3)}
    prints = {name: fast_features._extract(y)[1] for name, y in clips.items()}
    assert doubles.same_recording_groups(prints) == []
    cut = fast_features._extract(0.3 * clips["disco 1"][2 * SR + 117 :])[1]
    assert doubles.same_recording_groups(prints | {"cut": cut}) == [["disco 1", "cut"]]


def test_silence_is_no_double():
    quiet = np.zeros(20 * SR, np.float32)
    a, b = (
        np.concatenate([quiet, synth.clip(style, seed=3, seconds=6.0)])
        for style in ("jazz", "metal")
    )
    prints = {
        name: fast_features._extract(y)[1]
        for name, y in {"a": a, "b": b, "c": quiet, "d": quiet}.items()
    }
    assert doubles.same_recording_groups(prints) == []


def test_time_of_finding_doubles_is_linear():
    import time

    rng = np.random.default_rng(0)

    def seconds(n):
        prints = {str(i): rng.integers(0, 2**32, 640, np.uint32) for i in range(n)}
        began = time.process_time()
        doubles.same_recording_groups(prints)
        return time.process_time() - began

    seconds(100)
    assert seconds(4000) < 8 * max(seconds(1000), 0.2)


def test_doubles_are_drawn_together(tmp_path):
    write_clips(tmp_path, 3, seconds=6.0)
    first = sorted(tmp_path.glob("*.wav"))[0]
    shutil.copy(first, tmp_path / "zz.wav")
    tracks = sources.load(str(tmp_path))
    assert tracks.groups.tolist() == [
        first.stem,
        *(p.stem for p in sorted(tmp_path.glob("*.wav"))[1:3]),
        first.stem,
    ]
    assert any(
        "1 recordings are there more than once" in said
        for said in reports.report_sentences(tracks.provenance)
    )


# ---- layouts and labels --------------------------------------------------------------------------


def layout(folder, names):
    return {name: folder / f"{name}.mp3" for name in names}


GENRES = ["Jazz/a", "Jazz/b", "Rock/c", "Rock/d"]


@pytest.mark.parametrize(
    "names, tags, labels, says",
    [
        (GENRES, {}, "folder", "names of the sub-folders."),
        ([f"all/{n}" for n in GENRES], {}, "folder", "names of the sub-folders."),
        (
            [f"{n}/x/y" for n in GENRES],
            {"genre": 0},
            "folder",
            "names of the sub-folders.",
        ),  # tags agree
        (["000/1", "000/2", "001/3", "001/4"], {}, None, "the sub-folders are numbers"),
        (
            ["000/1", "000/2", "001/3", "001/4"],
            {"genre": "Pop Folk Pop Folk"},
            "tags",
            "the sub-folders are numbers",
        ),
        (
            ["Abba/One/1", "Abba/Two/2", "Queen/One/3", "Queen/Two/4"],
            {},
            None,
            "hold folders themselves",
        ),
        (
            ["Abba/1", "Abba/2", "Queen/3", "Queen/4"],
            {"artist": 0},
            None,
            "called like the artists",
        ),
        (
            ["Compilations/1", "Compilations/2", "Queen/3", "Queen/4"],
            {},
            None,
            "called Compilations",
        ),
        ([*GENRES, "loose"], {}, None, "1 of 5 files lie beside the sub-folders"),
        (["a/1", "b/2", "c/3"], {}, None, "no sub-folders that hold several tracks"),
        (["1", "2", "3"], {}, None, "the files lie in no sub-folder"),
        (["g/1", "g/2", "g/3"], {}, None, "all 3 files lie in one sub-folder, g"),
        (["90 bpm/1", "90 bpm/2", "120 bpm/3", "120 bpm/4"], {}, None, "numbers or dates"),
        (["1980s/1", "1980s/2", "1990s/3", "1990s/4"], {}, "folder", "names of the sub-folders."),
    ],
)
def test_layouts(tmp_path, names, tags, labels, says):
    paths = layout(tmp_path, names)
    told = {name: {} for name in names}
    for tag, values in tags.items():
        for i, name in enumerate(names):
            told[name][tag] = name.split("/")[0] if values == 0 else values.split()[i]
    found, said = folder_labels.choose_labels(paths, tmp_path, told)
    assert says in said
    assert labels == (None if not found else "tags" if "tags" in said else "folder")


def test_labels_that_are_asked_for(tmp_path):
    names = ["000/1", "000/2", "001/3", "001/4"]
    paths = layout(tmp_path, names)
    tags = dict(zip(names, [{"genre": "Pop"}, {}, {"genre": "Folk"}, {"genre": "Pop"}]))
    by_folder, _ = folder_labels.choose_labels(paths, tmp_path, tags, "folder")
    assert by_folder == dict(zip(names, ["000", "000", "001", "001"]))
    assert folder_labels.choose_labels(paths, tmp_path, tags, "none")[0] == {}
    labels, sentence = folder_labels.choose_labels(paths, tmp_path, tags, "tags")
    assert labels["000/2"] == "untagged" and "1 have none" in sentence
    table = tmp_path / "l.csv"
    table.write_text("file,genre\n1.mp3,Blues\n000/2,Soul\n001/3,Soul\nnowhere,x\n")
    labels, sentence = folder_labels.choose_labels(paths, tmp_path, tags, str(table))
    assert labels == dict(zip(names, ["Blues", "Soul", "Soul", "unlabelled"]))
    rows = "1 of its rows could not be used, the first: line 5, nowhere"
    assert f"from l.csv; 1 tracks have none; {rows}" in sentence
    table.write_text(
        "file,genre\n" + "".join(f"{name},12.{i // 2}%\n" for i, name in enumerate(names))
    )
    labels, sentence = folder_labels.choose_labels(paths, tmp_path, tags, str(table))
    assert "odd for labels: its values are numbers or dates written as text" in sentence


@pytest.mark.parametrize(
    "how, error, says",
    [
        ("polka", FileNotFoundError, "choose folder, tags, none, or the path of a table"),
        ("tags", ValueError, "the genre tags in .* each of the 4 tracks has a value of its own"),
        ("folder", ValueError, "no labels: all 4 files lie in one sub-folder, all"),
    ],
)
def test_labels_that_are_asked_for_and_cannot_be(tmp_path, how, error, says):
    names = ["all/1", "all/2", "all/3", "all/4"]
    tags = {name: {"genre": f"own {name}"} for name in names}
    with pytest.raises(error, match=says):
        folder_labels.choose_labels(layout(tmp_path, names), tmp_path, tags, how)


def test_artists_are_groups_where_there_are_enough(tmp_path):
    for i in range(12):
        with sf.SoundFile(tmp_path / f"{i:02d}.flac", "w", SR, 1) as sound:
            sound.artist, sound.genre = f"artist {i % 10}", "Jazz" if i % 2 else "Pop"
            sound.write(synth.clip("rock", seed=i, seconds=1.0))
    tracks = sources.load(str(tmp_path), labels="tags")
    assert tracks.genre_names == ["Jazz", "Pop"] and len(set(tracks.groups)) == 10
    (tmp_path / "09.flac").unlink()
    assert len(set(sources.load(str(tmp_path)).groups)) == 11


def test_ids_never_collide(tmp_path):
    for name in ("a.mp3.wav", "a.mp3", "a.wav", "b.wav", "b.flac"):
        (tmp_path / name).write_bytes(b"x")
    try:
        for name in (b"caf\xe9.wav", b"caf\\xe9.wav"):
            (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    paths = folders.find_audio(tmp_path)
    assert len(paths) == 7 and len({str(p) for p in paths.values()}) == 7


def test_a_list_of_paths_does(tmp_path):
    paths = list(write_clips(tmp_path, 2, seconds=1.0).values())
    table, faults = fast_features.extract_table(paths, quiet=True)
    assert table["track_id"].tolist() == [str(p) for p in paths] and faults.empty


def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    from tests.material import AS_ANOTHER_USER, open_to_all

    write_clips(tmp_path / "music", 1, seconds=1.0)
    (tmp_path / "music" / "shut").mkdir(mode=0o700)
    open_to_all(tmp_path / "music")
    code = f"""
from musicbook.corpus import folders
{AS_ANOTHER_USER}
found = folders.look_through({str(tmp_path / "music")!r})
print(len(found.paths), found.faults)
"""
    out = python(code)
    assert out.stdout.startswith("1 [('shut', 'the folder cannot be read"), out.stderr
