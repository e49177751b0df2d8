"""Every page that takes a reader's data runs on tables that are unlike the book's own."""

import numpy as np
import pandas as pd
import pytest

from helpers.protocols import PROTOCOLS
from tests.own_pages import OF_OTHER_SONGS, PAGES, executed_on


@pytest.mark.parametrize("kind", ["no labels", "labels and artists"])
def test_every_page_runs_on_a_table_with_other_columns(kind, tmp_path, monkeypatch, shared_store):
    """Thirty columns that are none of the 68: as many rows as clusters without labels, sixty with
    moods and artists."""
    n = PROTOCOLS["controlled"].n_clusters if kind == "no labels" else 60
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(n, 30))).add_prefix("column_")
    table.insert(0, "track_id", [f"song {i}" for i in range(n)])
    if kind != "no labels":
        table["mood"] = np.array(["sad", "happy", "angry"])[np.arange(n) % 3]
        table["artist"] = [f"artist {i % 9}" for i in range(n)]  # each has songs of several moods
    table.to_csv(tmp_path / "mine.csv", index=False)
    monkeypatch.setenv("HELPERS_CACHE", str(shared_store))
    for page in PAGES:
        if kind == "no labels" or page not in OF_OTHER_SONGS:
            _, names = executed_on(str(tmp_path / "mine.csv"), page)
            if page in OF_OTHER_SONGS:
                assert names["note"] and names["tracks"].n > n
