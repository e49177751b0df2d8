"""What a file holds against what its name ends in, generated: each pair is read, named as odd, left
out with its name, or passed over, the same by every command, and none ends a job."""

import io
import json
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from helpers.features import SR
from musicbook.__main__ import main
from musicbook.collection.commands import LEFT_OUT
from musicbook.corpus import acquire, audio, folders, sources, synth

pytest.importorskip("av", reason="PyAV is not installed: pip install av")

ENDINGS = ".wav .flac .mp3 .m4a .aac .ac3 .au .snd .aiff .wma .dts .voc".split()
UNKNOWN = [".raw", ""]  # read where the content is sound that begins as such
BY_LIBSNDFILE = ("WAV", "FLAC", "MP3", "OGG", "AIFF", "AU", "CAF")
BY_FFMPEG = {"m4a": "aac", "aac": "aac", "ac3": "ac3", "wma": "wmav2", "webm": "libopus"}
WITHOUT_HEAD = ("aac", "ac3", "wma", "webm", "cut ac3")  # their first bytes are not looked for
HTML = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>gone</body></html>\n"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


def encoded(y: np.ndarray, form: str) -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, y, SR, format=form)
    return buffer.getvalue()


def by_ffmpeg(wave: bytes, ending: str, folder) -> bytes:
    source, target = folder / "source.wav", folder / f"target.{ending}"
    source.write_bytes(wave)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", source, "-c:a", BY_FFMPEG[ending], target], check=True
    )
    return target.read_bytes()


def contents(folder) -> dict[str, tuple[bytes, str]]:
    """{name: (bytes, outcome)} of sound, of damaged and odd sound, and of what is none."""
    y = synth.clip("rock", seed=1, seconds=3.2)
    rng = np.random.default_rng(0)
    noise = 0.2 * rng.normal(size=len(y))
    made = {form.lower(): (encoded(y, form), "read") for form in BY_LIBSNDFILE}
    if shutil.which("ffmpeg"):
        for ending in BY_FFMPEG:
            made[ending] = (by_ffmpeg(made["wav"][0], ending, folder), "read")
    for form in ("flac", "mp3"):  # a third of what the header promises
        made[f"cut {form}"] = (made[form][0][: len(made[form][0]) // 3], "left out")
    for form in ("wav", "ogg", "ac3"):  # nothing says how long it should be
        if form in made:
            made[f"cut {form}"] = (made[form][0][: len(made[form][0]) * 2 // 3], "odd")
    return made | {
        "constant": (encoded(np.full(len(y), 0.3), "WAV"), "odd"),
        "silence": (encoded(np.zeros(len(y)), "WAV"), "odd"),
        "white noise": (encoded(noise, "WAV"), "odd"),
        "mostly silent": (encoded(np.concatenate([y, np.zeros(2 * len(y))]), "WAV"), "odd"),
        "web page": (HTML, "left out"),
        "long web page": (HTML * 300, "left out"),
        "pointer of git-lfs": (LFS, "left out"),
        "words": ("Grüße, nichts als Worte.\n".encode() * 50, "left out"),
        "many words": ("Grüße, nichts als Worte.\n".encode("latin-1") * 5000, "left out"),
        "json": (json.dumps({"error": "quota exceeded"}).encode(), "left out"),
        "zeros": (bytes(4096), "left out"),
        "many zeros": (bytes(200_000), "left out"),
        "ones": (b"\xff" * 50_000, "left out"),
        "one byte": (b"a", "left out"),
        "nothing": (b"", "left out"),
        "any bytes": (rng.bytes(100_000), "left out"),
        "picture": (b"\xff\xd8\xff\xe0\x00\x10JFIF" + rng.bytes(5000), "left out"),
        "archive": (b"PK\x03\x04" + rng.bytes(5000), "left out"),
        "document": (b"%PDF-1.7\n" + rng.bytes(50_000), "left out"),
    }


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    """(folder, {track id: expected outcome}): a file for each content and ending."""
    folder = tmp_path_factory.mktemp("matrix")
    expected = {}
    (folder / "music").mkdir()
    for content, (data, outcome) in contents(folder).items():
        for ending in [*ENDINGS, *UNKNOWN]:
            name = f"{content} as {ending.removeprefix('.') or 'no ending'}"
            (folder / "music" / f"{name}{ending}").write_bytes(data)
            sound = outcome != "left out" or content.startswith("cut ")
            recognised = ending in ENDINGS or (sound and content not in WITHOUT_HEAD)
            expected[name] = outcome if recognised else "passed"
    return folder / "music", expected


@pytest.fixture(scope="module")
def report(matrix, tmp_path_factory):
    """What the command `features` says of each file, read from its report."""
    out = tmp_path_factory.mktemp("out") / "music.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELPERS_CACHE", str(out.parent / "cache"))
        assert main(["features", str(matrix[0]), "-o", str(out), "-j", "1", "-q"]) == LEFT_OUT
        yield pd.read_csv(out.with_name("music_report.csv"), keep_default_na=False)


def outcomes(report: pd.DataFrame) -> dict[str, str]:
    found = {}
    for row in report.itertuples():
        if not row.used:
            found[row.track_id] = "left out"
        else:
            found[row.track_id] = "odd" if row.said else "read"
    return found


def test_every_content_under_every_ending(matrix, report):
    folder, expected = matrix
    assert len(expected) >= 384
    found = dict.fromkeys(expected, "passed") | outcomes(report)
    wrong = {name: found[name] for name in expected if found[name] != expected[name]}
    assert not wrong


def test_what_is_left_out_is_named_with_what_it_is(report):
    said = report[~report["used"]].set_index("track_id")["said"]
    for content, phrase in {
        "web page": "it holds a web page",
        "pointer of git-lfs": "it holds a pointer of git-lfs, so the sound was never fetched",
        "many words": "it holds text",
        "zeros": "nothing but the byte 0, repeated",
        "nothing": "the file is empty",
        "archive": "a zip archive",
        "cut flac": "damaged: only 1.",
    }.items():
        for ending in ENDINGS:
            track = f"{content} as {ending[1:]}"
            assert said[track].startswith(f"{track}{ending}: ") and phrase in said[track]


def test_what_is_odd_is_named_with_what_is_odd(report):
    said = report[report["used"]].set_index("track_id")["said"]
    for content, phrase in {
        "constant": "one constant value in the 3 s",
        "silence": "silent in the 3 s",
        "white noise": "noise without any structure",
        "mostly silent": "silent for 6 s of the 10 s",
    }.items():
        assert all(phrase in said[f"{content} as {ending[1:]}"] for ending in ENDINGS)


def test_pages_and_the_map_see_the_same(matrix, report, tmp_path, monkeypatch, capsys):
    """A folder with one file a content: what a page loads, and what `map` writes and says."""
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HELPERS_MUSICNN", "not here")
    music = tmp_path / "music"
    music.mkdir()
    for i, path in enumerate(sorted(matrix[0].glob("* as *.*"))):
        if i % len(ENDINGS) == i // len(ENDINGS) % len(ENDINGS):  # each content, another ending
            shutil.copy(path, music)
    tracks = sources.load(str(music))
    expected = report[report["track_id"].isin(path.stem for path in music.iterdir())]
    assert sorted(tracks.ids) == sorted(expected["track_id"][expected["used"]])
    left_out = dict(tracks.provenance["faults"])
    assert sorted(left_out) == sorted(expected["track_id"][~expected["used"]])
    quick = ["--embedding", "none", "--method", "kmeans", "-k", "3", "--repeats", "0"]
    assert main(["map", str(music), "-o", str(tmp_path / "map"), *quick]) == LEFT_OUT
    assert f"left out {len(left_out)}." in capsys.readouterr().err
    assert (tmp_path / "map" / "index.html").stat().st_size > 1000


def test_a_copy_of_gtzan_with_any_content(matrix, tmp_path):
    """The check of `musicbook data` names what is no track, and is not stopped by it."""
    music, expected = matrix
    (tmp_path / "rock").mkdir(parents=True)
    (tmp_path / "blues").mkdir()
    files = [p for p in sorted(music.iterdir()) if p.suffix in (".wav", ".au", ".flac", ".mp3")]
    for i, path in enumerate(files):
        shutil.copy(path, tmp_path / "rock" / f"rock.{i:05d}{path.suffix}")
    tracks = acquire.find_gtzan(tmp_path)
    problems = acquire.verify(tracks).groupby("track_id")["problem"].agg("; ".join)
    for i, path in enumerate(files[:100]):
        unusable = expected[path.stem] == "left out" and not path.stem.startswith("cut ")
        assert ("cannot be read" in problems[f"rock.{i:05d}"]) == unusable, path.name


def test_memory_that_does_not_do_is_no_fault_of_the_file(tmp_path, monkeypatch):
    """It is tried again next time, unlike a file that cannot be used."""
    from musicbook.corpus import fast_features

    sf.write(tmp_path / "a.wav", synth.clip("pop", seed=1, seconds=2.0), SR)
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))

    def full(path, duration):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(fast_features, "read_sound", full)
        with pytest.raises(ValueError, match="a.wav: not enough memory to read it"):
            fast_features.extract_table(folders.find_audio(tmp_path), quiet=True)
    table, faults = fast_features.extract_table(folders.find_audio(tmp_path), quiet=True)
    assert len(table) == 1 and faults.empty


def test_zeros_are_read_to_their_end_before_they_are_called_so(tmp_path):
    for padding in (4096, 4096 + 2**20, 5000):
        path = tmp_path / "padded.bin"
        path.write_bytes(bytes(padding) + b"\x01")
        assert audio.other_content(path) == ""
