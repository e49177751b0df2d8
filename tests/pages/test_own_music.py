"""Every page runs on what a reader may bring: few tracks, other genres than GTZAN's, one seed."""

from pathlib import Path

import numpy as np
import pytest

from musicbook.corpus import sources
from tests.material import needs_use, write_clips
from tests.own_pages import executed, in_process, quick

PAGES = (
    "01_audio_baseline",
    "02_hybrid_features",
    "03_advanced_vaes",
    "04_cvae_collapse",
    "00_sound",
)
GENRES = {  # name of the collection -> the genres of its tracks
    "two genres far apart": ["Ambient"] * 6 + ["Techno"] * 6,
    "six genres of two": ["a", "b", "c", "d", "e", "f"] * 2,
    "one genre": ["Jazz"] * 12,
}


# Networks of full size, since these are the tracks that differ most; the others have small ones.
FULL_SIZE = "two genres far apart"


@pytest.fixture
def collection(request, tmp_path, monkeypatch, shared_store):
    """A feature table of real tracks under other names; the two genres are those that sound least
    alike."""
    monkeypatch.setenv("HELPERS_CACHE", str(shared_store))
    with in_process() if request.param == FULL_SIZE else quick():
        yield _table_of(request.param, tmp_path)


def _table_of(name: str, folder: Path) -> str:
    """The path of the feature table of a collection."""
    genres = GENRES[name]
    n = len(genres)
    tracks = sources.load("gtzan-mini-tracks")
    far = np.isin(tracks.genres, ["classical", "metal"])
    table = tracks.features[far].groupby(tracks.genres[far]).head(n // 2)
    table.insert(0, "track_id", [f"song {i}" for i in range(n)])
    table.insert(1, "genre", genres)
    path = folder / "mine.csv"
    table.to_csv(path, index=False)
    return str(path)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("collection", GENRES, indirect=True)
def test_the_page_runs(page, collection):
    _, names = executed(page, dataset=collection, seeds=1)
    assert names["tracks"].n == 12


@pytest.mark.parametrize("collection", [FULL_SIZE], indirect=True)
def test_the_page_on_leakage_says_what_it_cannot_check(collection):
    names = executed("05_leakage", dataset=collection)[1]
    first, second, _ = names["sentences"].guard_lines(names["tracks"], "released").splitlines()
    assert "The guard does not judge sound, since a measurement of the track itself" in first
    assert "not checked: no lyrics are known for the genre 'Ambient'" in second


@needs_use
def test_songs_with_their_own_words_in_a_folder_are_asked_the_same(
    tmp_path, monkeypatch, shared_store
):
    """Two genres by sub-folders, lyrics.csv beside them, no language, no artists: every cell runs,
    on these songs."""
    monkeypatch.setenv("HELPERS_CACHE", str(shared_store))
    rows = ["file,lyrics"]
    for genre in ("loud", "soft"):
        for i, path in enumerate(write_clips(tmp_path / "music" / genre, 13).values()):
            name = path.rename(path.with_name(f"{genre} {path.name}")).name
            text = f"{'shouting' if genre == 'loud' else 'whispering'} about {i} things"
            rows.append(f"{name},{text if i else ''}")
    (tmp_path / "music" / "lyrics.csv").write_text("\n".join(rows))
    with in_process():
        _, names = executed("07_own_words", dataset=str(tmp_path / "music"), seeds=1)
    assert names["tracks"].n == 24 and "We leave out 2 without words" in names["note"]
    grid = names["grid"]
    assert set(grid.target) == {"genre"} and not grid.drop(columns="weight").isna().any().any()
    assert list(names["read"]) == ["USE"]
    assert "the genre" in names["sentences"].own_words_verdict(grid, names["probed"]["USE"], "USE")
