"""Songs made here for the tests of the chapter: two genres that sound apart, words in two
languages."""

import numpy as np
import pandas as pd

from helpers.tracks import Tracks
from musicbook.corpus import feature_tables


def made_songs(n=60, language=True, genre=True, words=None, artists=None) -> Tracks:
    """Songs of two genres that sound apart, with words of two languages; artists of four songs
    each."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(n, 6)) + 3 * (np.arange(n) % 2)[:, None]).add_prefix("f")
    table.insert(0, "track_id", [f"song {i}" for i in range(n)])
    if artists is None:
        artists = [f"artist {i // 4}" for i in range(n)]
    table.insert(1, "artist", artists)
    if genre:
        table.insert(1, "genre", np.where(np.arange(n) % 2, "loud", "soft"))
    if language:
        table["language"] = np.where(np.arange(n) // 2 % 2, "de", "en")
    if words is None:
        words = rng.normal(size=(n, 20)) + 4 * (np.arange(n) // 2 % 2)[:, None]
    return feature_tables.from_table(table, "mine", text=pd.DataFrame(words))
