"""Broken and odd sound files as met in the wild: each is a real one, written here."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from helpers.features import FEATURES, SR
from musicbook.corpus import folders, synth
from musicbook.corpus.audio import load_audio
from musicbook.corpus.fast_features import extract_table
from tests.material import AS_ANOTHER_USER, open_to_all, python, write_clips


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path_factory.mktemp("cache")))


def broken(folder: Path) -> dict[str, str]:
    """Write the broken files into `folder`; returns what the report must say of each."""
    y = synth.clip("rock", seed=1, seconds=3.0)
    whole = folder / "whole.wav"
    sf.write(whole, y, SR)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "header_only.wav").write_bytes(whole.read_bytes()[:44])
    (folder / "text.wav").write_text("these are words, not sound\n" * 50)
    (folder / "cut_in_header.wav").write_bytes(whole.read_bytes()[:20])
    sf.write(folder / "zero_length.wav", np.zeros(0), SR)
    sf.write(folder / "too_short.wav", y[:500], SR)
    (folder / "noise.mp3").write_bytes(b"no frames in here" * 100)
    (folder / "phone.m4a").write_bytes(b"\x00\x00\x00\x18ftypM4A " + bytes(100))
    return {
        "empty": "empty",
        "header_only": "no audio samples",
        "text": "not audio: it holds text",
        "cut_in_header": "not audio that can be decoded",
        "zero_length": "no audio samples",
        "too_short": "too_short.wav: the audio lasts 0.023 s, shorter than one frame",
        "noise": "noise.mp3: not audio: it holds text",
        "phone": "phone.m4a: not audio that can be decoded here",
    }


def test_broken_files_are_reported_and_left_out(tmp_path):
    says = broken(tmp_path)
    table, faults = extract_table(folders.find_audio(tmp_path), quiet=True)
    assert table["track_id"].tolist() == ["whole"]
    reasons = faults.set_index("track_id")["reason"]
    assert set(reasons.index) == set(says)
    for track, reason in says.items():
        assert reason in reasons[track], reasons[track]


def test_odd_but_good_files(tmp_path):
    y = synth.clip("jazz", seed=2, seconds=5.0)
    sf.write(tmp_path / "whole.wav", y, SR)
    (tmp_path / "truncated.wav").write_bytes(
        (tmp_path / "whole.wav").read_bytes()[:120_001]
    )  # what is there is used
    sf.write(tmp_path / "silence.wav", np.zeros(5 * SR), SR)
    high = synth.clip("jazz", seed=2, seconds=5.0, sr=96000)
    sf.write(tmp_path / "high.flac", np.stack([high, -0.5 * high], axis=1), 96000, subtype="PCM_24")
    long = "ä" * 100 + "日本語" + "x" * 40
    sf.write(tmp_path / f"{long}.ogg", y, SR)
    (tmp_path / "sub folder").mkdir()
    sf.write(tmp_path / "sub folder" / "Beyoncé – ‘Ünïcode’ #1 %s.mp3", y, SR)
    table, faults = extract_table(folders.find_audio(tmp_path), quiet=True)
    assert faults.empty and len(table) == 6
    assert np.isfinite(table[list(FEATURES)].to_numpy()).all()
    silence = table.set_index("track_id").loc["silence"]
    assert silence["mfcc_01_mean"] == pytest.approx(-100 * np.sqrt(128), abs=1e-3)
    np.testing.assert_allclose(silence.drop("mfcc_01_mean").astype(float), 0.0, atol=1e-6)
    half, _ = load_audio(tmp_path / "high.flac")
    assert len(half) == 5 * SR


def test_names_that_are_not_utf8(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.wav"  # Latin-1, as old discs have it
    try:
        sf.write(tmp_path / "plain.wav", synth.clip("pop", seed=1, seconds=2.0), SR)
        os.rename(tmp_path / "plain.wav", name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    table, faults = extract_table(folders.find_audio(tmp_path), quiet=True)
    assert len(table) == 1 and faults.empty
    again, _ = extract_table(folders.find_audio(tmp_path), quiet=True)
    pd.testing.assert_frame_equal(table, again)


def test_a_file_that_must_not_be_read(tmp_path):
    paths = write_clips(tmp_path / "music", 2, seconds=1.0)
    next(iter(paths.values())).chmod(0o200)
    open_to_all(tmp_path / "music")
    code = f"""
from musicbook.corpus.fast_features import extract_table
from musicbook.corpus.folders import find_audio
paths = find_audio({str(tmp_path / "music")!r})
try:
    extract_table(dict(list(paths.items())[1:]), quiet=True)
except ValueError as error:
    print(error)
{AS_ANOTHER_USER}
table, faults = extract_table(paths, quiet=True)
print(len(table), faults["reason"].tolist())
"""
    out = python(code)
    assert out.stdout.startswith("1 [") and "ermission" in out.stdout, out.stderr


def test_no_file_can_be_used(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    for _ in range(2):  # the second time from the store
        with pytest.raises(
            ValueError,
            match="none of the 1 files could be used; the first: a.wav: the file is empty",
        ):
            extract_table(folders.find_audio(tmp_path), quiet=True)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "notes.txt").write_text("nothing to hear")
    with pytest.raises(ValueError, match="no audio in this folder"):
        folders.find_audio(tmp_path / "texts")
