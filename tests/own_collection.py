"""A folder of music as people have it: formats, damage, names, doubles, links; all made here from
synthetic sound.

`python tests/own_collection.py FOLDER` makes one to look at. Without ffmpeg the formats that it
writes are left out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile as sf

from helpers.features import SR
from musicbook.corpus import synth

FFMPEG = shutil.which("ffmpeg")
BY_FFMPEG = {  # ending -> how ffmpeg writes it
    "m4a": "-c:a aac -b:a 96k",
    "m4b": "-c:a aac -f ipod",
    "mp4": "-c:a aac",
    "aac": "-c:a aac",
    "wma": "-c:a wmav2",
    "webm": "-c:a libopus",
    "mka": "-c:a flac",
    "wv": "-c:a wavpack",
    "tta": "-c:a tta",
    "ac3": "-c:a ac3",
    "mp2": "-c:a mp2",
    "spx": "-c:a libspeex -ar 16000",
    "3gp": "-c:a aac",
    "asf": "-c:a wmav2",
    "rm": "-c:a ac3",
    "dts": "-c:a dca -strict -2 -ar 44100",
}
BY_LIBSNDFILE = {
    "wav": "WAV",
    "wave": "WAV",
    "au": "AU",
    "snd": "AU",
    "flac": "FLAC",
    "ogg": "OGG",
    "oga": "OGG",
    "mp3": "MP3",
    "aif": "AIFF",
    "aiff": "AIFF",
    "aifc": "AIFF",
    "caf": "CAF",
    "w64": "W64",
    "rf64": "RF64",
}
HOSTILE = [  # names of tracks; each a file of its own
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "a|b|c",
    "new\nline",
    "carriage\rreturn",
    "tab\there",
    "=cmd|' calc'!A1",
    "+1+1",
    "-2",
    "@SUM(A1)",
    "$HOME `id` $(id)",
    'a "quote"',
    "it's",
    "{{ title }}",
    "{% raw %}",
    "**bold** _and_ `code`",
    "[link](javascript:alert(1))",
    "back\\slash",
    "turned \u202egnp",
    "日本語",
    "Beyonce\u0301",
    "note 🎵",
    "#EXTINF",
    "%41%2F",
    " leading",
    "trailing .",
    "..dots",
    "ä" * 100,
    "nan",
    "NA",
    "$x^2$",
    "&amp;",
    "!!!",
    "???",
    "1. first",
    "- dash",
]
FOLDERS = ["<img src=x onerror=alert(2)>", "R|B", "=1+1", "$HOME", "{{ title }}"]  # and of genres


class Collection:
    """What was made below `folder`: `fate`, {path below it: "used", "odd", "left out", "passed"};
    `doubles`, groups."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.fate, self.doubles, self.number = folder, {}, [], 0
        folder.mkdir(parents=True)

    def sound(self, seconds: float = 6.0) -> np.ndarray:
        self.number += 1
        return synth.clip(sorted(synth.STYLES)[self.number % 10], seed=self.number, seconds=seconds)

    def path(self, name: str | bytes, fate: str) -> Path:
        self.fate[os.fsdecode(name)] = fate
        path = Path(os.fsdecode(os.path.join(os.fsencode(self.folder), os.fsencode(name))))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name, fate="used", y=None, sr=SR, **options) -> Path:
        path = self.path(name, fate)
        options.setdefault("format", "WAV")
        with open(path, "wb") as file:
            sf.write(file, self.sound() if y is None else y, sr, **options)
        return path

    def raw(self, name, content: bytes, fate="left out") -> Path:
        path = self.path(name, fate)
        path.write_bytes(content)
        return path

    def ffmpeg(self, name: str, options: str, y=None, fate="used", tags=None) -> Path:
        path, source = self.path(name, fate), self.folder.parent / "source.wav"
        sf.write(source, self.sound() if y is None else y, SR)
        given = [
            word for tag, text in (tags or {}).items() for word in ("-metadata", f"{tag}={text}")
        ]
        subprocess.run(
            [FFMPEG, "-v", "error", "-y", "-i", source, *given, *options.split(), path], check=True
        )
        source.unlink()
        return path


def make(folder: Path) -> Collection:
    """Write the collection into the new folder `folder`."""
    made = Collection(folder.resolve())
    for ending, form in BY_LIBSNDFILE.items():
        made.write(f"formats/lib {ending}.{ending}", format=form)
    for ending, options in BY_FFMPEG.items() if FFMPEG else ():
        made.ffmpeg(f"formats/ff {ending}.{ending}", options)
    if FFMPEG:
        tags = {"artist": "A | B", "title": "<b>", "genre": "Jazz"}
        made.ffmpeg("formats/apple lossless.m4a", "-c:a alac", tags=tags)
    hostile(made)
    made.write("names/SHOUTED.WAV")
    made.write("names/blank.wav ")
    made.write("names/without ending")
    made.write("names/really sound.dat")
    made.write("names/lying.mp3")
    made.write("names/a.b.wav")
    made.write("names/a.wav")
    made.write("names/a.flac", format="FLAC")
    for name in ("cover.jpg", "notes.txt", "no ending"):
        made.raw(f"names/{name}", b"\xff\xd8\xff nothing to hear", "passed")
    for name in (".hidden.wav", "._apple double.mp3"):
        made.raw(f"names/{name}", b"RIFF", "passed")
    damaged(made)
    degenerate(made)
    doubles(made)
    links(made)
    return made


def hostile(made: Collection, seconds: float = 6.0) -> None:
    for i, name in enumerate(HOSTILE):
        made.write(f"{FOLDERS[i % len(FOLDERS)]}/{name}.wav", y=made.sound(seconds))
    try:
        made.write(
            FOLDERS[0].encode() + b"/caf\xe9.wav", y=made.sound(seconds)
        )  # Latin-1, as old discs have it
    except OSError:  # a file system that takes UTF-8 alone
        made.fate.popitem()


def damaged(made: Collection) -> None:
    y = made.sound()
    whole = made.write("damage/whole.wav", y=y).read_bytes()
    made.raw("damage/empty.wav", b"")
    made.raw("damage/header only.wav", whole[:44])
    made.raw("damage/cut in header.wav", whole[:20])
    made.raw("damage/words.wav", b"these are words, not sound\n" * 50)
    made.write("damage/zero length.wav", "left out", np.zeros(0))
    made.write("damage/shorter than a frame.wav", "left out", y[:500])
    made.write("damage/not numbers.wav", "left out", np.full(SR, np.nan), subtype="FLOAT")
    made.raw("damage/noise.mp3", b"no frames in here" * 100)
    made.raw("damage/stub.m4a", b"\x00\x00\x00\x18ftypM4A " + bytes(100))
    made.raw("damage/half a download.mp3.part", whole[:1000])
    made.raw("damage/chrome.crdownload", whole[:1000])
    rng = np.random.default_rng(0)
    whole = made.write("damage/long.mp3", y=made.sound(40.0), format="MP3").read_bytes()
    middle = len(whole) // 3
    made.raw(
        "damage/overwritten.mp3", whole[:middle] + rng.bytes(3000) + whole[middle + 3000 :], "odd"
    )
    for name in ("chained.ogg", "chained.flac"):
        form = name.partition(".")[2].upper()
        parts = [
            made.write(f"damage/{n} of {name}", format=form).read_bytes() for n in ("one", "two")
        ]
        made.raw(f"damage/{name}", parts[0] + parts[1], "odd")
        made.doubles.append([f"damage/{name}", f"damage/one of {name}", f"damage/two of {name}"])
    if FFMPEG:
        with_length = made.ffmpeg(
            "damage/whole with length.mp3", "-b:a 128k", made.sound(40.0)
        ).read_bytes()
        made.raw("damage/cut to 40 kB.mp3", with_length[:40_000])
        whole = made.ffmpeg("damage/whole.m4a", "-c:a aac -b:a 96k", made.sound(20.0)).read_bytes()
        made.raw(
            "damage/cut.m4a", whole[: len(whole) // 2]
        )  # what says where the sound lies stood at the end
        spoilt = bytearray(whole)
        spoilt[20_000:22_000] = rng.bytes(2000)
        made.raw("damage/overwritten.m4a", bytes(spoilt), "odd")
        made.doubles.append(["damage/whole.m4a", "damage/overwritten.m4a"])
        twice = made.ffmpeg(
            "damage/tagged.mp3", "-b:a 128k -id3v2_version 3", tags={"artist": "x", "genre": "(17)"}
        )
        tag = twice.read_bytes()[:2000].partition(b"\xff\xf3")[0]
        made.raw("damage/doubly tagged.mp3", tag + twice.read_bytes(), "used")
        made.doubles.append(["damage/doubly tagged.mp3", "damage/tagged.mp3"])
    made.doubles.append(["damage/long.mp3", "damage/overwritten.mp3"])


def degenerate(made: Collection) -> None:
    y = made.sound(5.0)
    made.write("odd/silence.wav", "odd", np.zeros(5 * SR))
    made.write(
        "odd/silent intro.flac", "odd", np.concatenate([np.zeros(40 * SR), y]), format="FLAC"
    )
    made.write("odd/anti-phase.wav", "odd", np.stack([y, -y], axis=1))
    made.write("odd/out of range.wav", "odd", made.sound() * 300, subtype="FLOAT")
    made.write("odd/half a second.wav", "odd", made.sound()[: SR // 2])


def doubles(made: Collection) -> None:
    y = made.sound(20.0)
    first = made.write("doubles/first.wav", y=y)
    shutil.copy(first, made.path("doubles/copy.wav", "used"))
    made.write(
        "doubles/low rate.mp3", y=y, format="MP3", bitrate_mode="CONSTANT", compression_level=0.9
    )
    made.write("doubles/trimmed.wav", y=0.5 * y[3 * SR :])
    made.doubles.append(
        [f"doubles/{name}" for name in ("copy.wav", "first.wav", "low rate.mp3", "trimmed.wav")]
    )


def links(made: Collection) -> None:
    outside = made.folder.parent / "outside"
    outside.mkdir()
    made.write("../outside/linked.wav")
    made.fate["links/to a folder/linked.wav"] = made.fate.pop("../outside/linked.wav")
    (made.folder / "links").mkdir()
    (made.folder / "links" / "to a folder").symlink_to(outside)
    (made.folder / "links" / "round and round").symlink_to(made.folder)
    made.path("links/to nothing.wav", "left out").symlink_to("nowhere")
    os.mkfifo(made.path("links/pipe.wav", "left out"))


if __name__ == "__main__":
    found = make(Path(sys.argv[1]))
    print(
        {fate: list(found.fate.values()).count(fate) for fate in dict.fromkeys(found.fate.values())}
    )
