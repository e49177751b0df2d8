"""The embedded songs with their own words: how the files `data/paired*.npz` are made, what they
hold, and how well they can be made again.

`paired.npz` has the 68 features and the vectors of MiniLM, `paired_words.npz` those of the other
encoders, `paired_musicnn.npz` what two pretrained networks hear, row for row. Command `python -m
musicbook embedded paired`; page "Data" tells where the songs come from."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.features import BLOCKS, FEATURES
from helpers.store import write_arrays
from helpers.tracks import EMBEDDED, Tracks, data_dir
from musicbook.corpus import embedding
from musicbook.corpus.encoders import encoder_at_hand, encoder_of
from musicbook.corpus.fast_features import extract_table
from musicbook.corpus.folders import find_audio
from musicbook.corpus.sources import FACTS, load

COLUMNS = {
    "track_id": "track_id",
    "artist": "artist_id",
    "genius_tag": "genius_tag",
    "msd_genre": "msd_genre",
    "language": "language",
}
WORDS_FILE, SOUND_FILE = "paired_words.npz", "paired_musicnn.npz"
SOUNDS = ("features", "MTT", "MSD")  # the 68 features, and musicnn's two networks


# ---- reading -------------------------------------------------------------------------------------


def word_vectors(encoder: str) -> pd.DataFrame:
    """The committed vectors of the songs' own words by an encoder ("minilm", "use", "e5"), indexed
    by track id: (1000, dims), or (976, dims) of E5, for which some texts were not at hand."""
    encoder_of(encoder)
    if encoder == "minilm":
        return load("paired").blocks["text"]
    with np.load(data_dir() / WORDS_FILE) as file:
        values = file[encoder].astype(float)
        index = pd.Index(file["ids"].astype(str), name="id")
    table = pd.DataFrame(values, index).add_prefix("text_")
    return table[np.isfinite(values).all(axis=1)]


def sound_vectors(sound: str) -> pd.DataFrame:
    """What a song's 30-s preview is in numbers, indexed by track id: the 68 "features", or (1000,
    200) of the penultimate layer of musicnn's network "MTT" or "MSD", mean over the preview.
    ValueError for another name."""
    if sound not in SOUNDS:
        raise ValueError(f"sound={sound!r}: choose one of {', '.join(SOUNDS)}")
    if sound == "features":
        return load("paired").features
    with np.load(data_dir() / SOUND_FILE) as file:
        index = pd.Index(file["ids"].astype(str), name="id")
        return pd.DataFrame(file[sound].astype(float), index).add_prefix(f"{sound.lower()}_")


def songs(encoder: str = "minilm", sound: str = "features") -> Tracks:
    """The book's songs with their words as one encoder reads them and their sound as one network
    hears it; songs whose words an encoder was not given are left out."""
    tracks, words = load("paired"), word_vectors(encoder)
    kept = tracks.rows(np.isin(tracks.ids, words.index))
    blocks = kept.blocks | {
        "audio": sound_vectors(sound).loc[kept.ids],
        "text": words.loc[kept.ids],
    }
    return replace(kept, blocks=blocks)


# ---- making --------------------------------------------------------------------------------------


def write_paired(folder: Path) -> list[Path]:
    """Write the files `data/paired*.npz` from the tables in `folder`, and return them.

    tracks.csv has what is known of each song, features.csv (`python -m musicbook features`) and
    lyrics.npz (`embedding.embed_texts` of its words) are row for row with it. Where the folder has
    them: lyrics_use.npz and lyrics_e5.npz, the words by the other encoders, and musicnn.npz, by
    `track_id`. ValueError where the tables do not name the same songs."""
    tracks = pd.read_csv(folder / "tracks.csv", keep_default_na=False)
    features = pd.read_csv(folder / "features.csv")
    with np.load(folder / "lyrics.npz") as stored:
        ids, vectors = stored["track_id"].astype(str), stored["vectors"]
    for name, other in (("features.csv", features.track_id), ("lyrics.npz", ids)):
        if list(other) != list(tracks.track_id):
            raise ValueError(f"{folder / name}: not the songs of tracks.csv, in its order")
    arrays = {name: tracks[column].to_numpy(str).astype("S") for name, column in COLUMNS.items()}
    for name in FACTS:
        arrays[name] = tracks[name].to_numpy(np.int16 if name == "year" else np.float32)
    arrays["features"] = features[list(FEATURES)].to_numpy(np.float32)
    arrays["vectors"] = vectors.astype("<f2")
    written = [write_arrays(data_dir() / EMBEDDED["paired"], arrays)]
    order = list(tracks.track_id)
    others = {
        name: _rows_of(folder / f"lyrics_{name}.npz", ["vectors"], order) for name in ("use", "e5")
    }
    words = {name: part["vectors"] for name, part in others.items() if part}
    if words:
        written.append(write_arrays(data_dir() / WORDS_FILE, {"ids": arrays["track_id"]} | words))
    sounds = _rows_of(folder / "musicnn.npz", ["MSD", "MTT"], order)
    if sounds:
        written.append(write_arrays(data_dir() / SOUND_FILE, {"ids": arrays["track_id"]} | sounds))
    return written


def _rows_of(path: Path, names: list[str], order: list[str]) -> dict[str, np.ndarray]:
    """Arrays of a file in the order of the songs, float16; rows of NaN for songs that it has not.
    Empty without the file."""
    if not path.exists():
        return {}
    arrays = {}
    with np.load(path) as stored:
        index = pd.Index(stored["track_id"].astype(str))
        if strange := sorted(set(index) - set(order)):
            raise ValueError(f"{path}: {strange[0]} is no song of tracks.csv")
        for name in names:
            arrays[name] = pd.DataFrame(stored[name], index).reindex(order).to_numpy("<f2")
    return arrays


def distance_from_committed(folder: Path) -> pd.DataFrame:
    """How far the committed numbers are from what the files in `folder` give now: columns block,
    songs, difference (the largest absolute one).

    Sound is made again from `folder`/audio, words from `folder`/lyrics_of_the_audio.csv (track_id,
    lyrics) by every encoder that is installed. Empty without audio."""
    if not (folder / "audio").is_dir():
        return pd.DataFrame(columns=["block", "songs", "difference"])
    ours = load("paired")
    table, _ = extract_table(find_audio(folder / "audio"), quiet=True)
    again = table.set_index("track_id")[list(FEATURES)]
    apart = np.abs(again - ours.features.loc[again.index]).max()
    rows = [(block, len(again), apart.iloc[at].max()) for block, at in BLOCKS.items()]
    if (folder / "lyrics_of_the_audio.csv").exists():
        texts = pd.read_csv(folder / "lyrics_of_the_audio.csv", keep_default_na=False)
        rows += _words_apart(texts)
    return pd.DataFrame(rows, columns=["block", "songs", "difference"])


def _words_apart(texts: pd.DataFrame) -> list[tuple[str, int, float]]:
    rows = []
    embed = partial(embedding.embed_texts, [text.strip() for text in texts.lyrics], quiet=True)
    for encoder in ("minilm", "use", "e5"):
        if encoder_at_hand(encoder):
            vectors = pd.DataFrame(embed(encoder=encoder), texts.track_id)
            stored = word_vectors(encoder)
            both = stored.index.intersection(vectors.index)
            apart = np.abs(vectors.loc[both].to_numpy() - stored.loc[both].to_numpy()).max()
            rows.append((f"words, {encoder}", len(both), float(apart)))
    return rows
