"""The embedded songs with their own words: how `data/paired.npz` is made, and how well it can be made again.

Command `python -m helpers embedded paired`; page "Data" tells where the songs come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..cache import write_atomically
from ..datasets import EMBEDDED, FACTS, data_dir
from ..features import BLOCKS, FEATURES
from . import embedding
from .fast_features import extract_table
from .folders import find_audio

WORDS = {"track_id": "track_id", "artist": "artist_id", "genius_tag": "genius_tag", "msd_genre": "msd_genre",
         "language": "language"}  # fmt: skip


def build(folder: Path) -> Path:
    """Write `data/paired.npz` from the tables in `folder`, row for row: tracks.csv (what is known of each song),
    features.csv (`python -m helpers features`) and lyrics.npz (`embedding.embed` of each song's words).

    ValueError where the tables do not name the same songs in the same order."""
    tracks = pd.read_csv(folder / "tracks.csv", keep_default_na=False)
    features = pd.read_csv(folder / "features.csv")
    with np.load(folder / "lyrics.npz") as stored:
        ids, vectors = stored["track_id"].astype(str), stored["vectors"]
    for name, other in (("features.csv", features.track_id), ("lyrics.npz", ids)):
        if list(other) != list(tracks.track_id):
            raise ValueError(f"{folder / name}: not the songs of tracks.csv, in its order")
    arrays = {name: tracks[column].to_numpy(str).astype("S") for name, column in WORDS.items()}
    arrays |= {name: tracks[name].to_numpy(np.int16 if name == "year" else np.float32) for name in FACTS}
    arrays |= {"features": features[list(FEATURES)].to_numpy(np.float32), "vectors": vectors.astype("<f2")}

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as handle:
            np.savez_compressed(handle, **arrays)  # type: ignore[arg-type]

    return write_atomically(data_dir() / EMBEDDED["paired"], write)


def agreement(folder: Path) -> pd.DataFrame:
    """Largest absolute difference, by block of features, between `data/paired.npz` and what the files in `folder`/audio
    give now, and of the words' vectors where `folder`/lyrics_of_the_audio.csv (track_id, lyrics) has their texts:
    columns block, songs, difference. Empty without audio."""
    from ..datasets import load

    if not (folder / "audio").is_dir():
        return pd.DataFrame(columns=["block", "songs", "difference"])
    ours = load("paired")
    table, _ = extract_table(find_audio(folder / "audio"), quiet=True)
    again = table.set_index("track_id")[list(FEATURES)]
    apart = np.abs(again - ours.features.loc[again.index]).max()
    rows = [(block, len(again), apart.iloc[at].max()) for block, at in BLOCKS.items()]
    if (folder / "lyrics_of_the_audio.csv").exists():
        texts = pd.read_csv(folder / "lyrics_of_the_audio.csv", keep_default_na=False)
        vectors = embedding.embed([text.strip() for text in texts.lyrics], quiet=True)
        stored = ours.blocks["text"].loc[texts.track_id].to_numpy()
        rows.append(("words", len(texts), float(np.abs(vectors - stored).max())))
    return pd.DataFrame(rows, columns=["block", "songs", "difference"])
