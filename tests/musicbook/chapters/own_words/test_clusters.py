"""Groups of sound and words on songs made here, probes and retrieval on the same, and the figures
measured before on the book's songs."""

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from helpers import clustering, inputs, metrics
from musicbook.chapters.own_words import clusters, figures, fusions, probes, retrieval, sentences
from musicbook.chapters.own_words.fusions import SIDE_BY_SIDE, WAYS
from musicbook.chapters.own_words.songs import OVER, OWN, SOUND, WITHIN, WORDS, pair_of, targets
from musicbook.corpus import paired
from tests.musicbook.chapters.own_words.material import made_songs


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path_factory.mktemp("cache")))


def test_every_way_runs_and_no_table_has_a_hole():
    tracks = made_songs()
    table = clusters.compare_ways(tracks, list(WAYS), 1, n_jobs=1)
    assert set(table.way) == set(WAYS) and not table.drop(columns="weight").isna().any().any()
    assert table.weight.notna().equals(table.way.map(lambda name: WAYS[name].weighted))
    by = table.set_index(["way", "target"])
    assert by.alone[SIDE_BY_SIDE, "genre"] > 0.8
    found = pd.concat([probes.probe_scores(tracks, 2, n_jobs=1)])
    assert len(found) and not found.isna().any().any()
    searched = retrieval.retrieval(tracks, 2, n_jobs=1)
    assert len(searched) == 4 and not searched.isna().any().any()


def test_the_ends_of_the_weights_are_sound_and_words_alone():
    table = clusters.by_weight(made_songs(), 1, 1).set_index(["target", "weight"])["mean"]
    assert table["genre", 0.0] > 0.8 > 0.2 > table["genre", 1.0]
    assert table["language", 1.0] > 0.8 > table["language", 0.0]


def test_the_line_of_other_songs_words_stops_at_the_last_mixture():
    """It used to end on the score of own words alone, as if those of others knew the genre."""
    table = clusters.by_weight(made_songs(), 1, 1)
    ends = table.weight == 1.0
    assert table.swapped[ends].isna().all() and table.swapped[~ends].notna().all()
    lines = figures.weight_panels({"USE": table}).axes[0].get_lines()
    dashed = [line.get_ydata() for line in lines if line.get_linestyle() == "--"]
    assert dashed and all(np.isnan(values[-1]) for values in dashed)


def test_words_that_are_the_genre_help_and_those_of_others_do_not():
    """A gain over sound alone and over shuffled words, both clear of zero: what the chapter looks
    for is found where it was put."""
    rng = np.random.default_rng(1)
    loud = np.arange(120) % 2
    words = rng.normal(size=(120, 10)) + 6 * loud[:, None]
    tracks = made_songs(120, words=words)
    noisy = tracks.features + rng.normal(size=tracks.features.shape) * 20
    tracks = type(tracks)(
        tracks.name, tracks.ids, tracks.groups, tracks.blocks | {"audio": noisy}, tracks.labels
    )
    row = (
        clusters.compare_ways(tracks, [SIDE_BY_SIDE], 2, n_jobs=1).set_index("target").loc["genre"]
    )
    assert row["mean"] > 0.9 and row.gain_low > 0.3 and row.over_low > 0.3
    assert row.guard == "passes"


@pytest.mark.parametrize(
    "given",
    [
        {"language": False},
        {"genre": False},
        {"genre": False, "language": False},
        {"n": 24},
        {"artists": ["one"] * 60},
    ],
)
def test_what_a_collection_lacks_is_left_out_and_not_a_hole(given):
    tracks = made_songs(**given)
    table = clusters.compare_ways(tracks, [SIDE_BY_SIDE, "CCA", "joint VAE"], 2, n_jobs=1)
    probed = probes.probe_scores(tracks, 2, n_jobs=1)
    assert not probed.isna().any().any()
    assert len(table) == 3 * len(targets(tracks))
    if len(probed):
        swapped = OVER if not given.get("language", True) else WITHIN
        assert set(probed.input) == {SOUND, WORDS, OWN, swapped}
    assert bool(len(retrieval.retrieval(tracks, 1, ("CCA",), n_jobs=1))) == ("artists" not in given)
    for text in (
        sentences.own_words_verdict(table, probed, "USE"),
        sentences.grid_sentence(table),
        sentences.ways_sentence(table),
        sentences.weight_sentence("USE", clusters.by_weight(tracks, 1, 1)),
    ):
        assert text and "nan" not in text.lower()
    figures.gains(table)
    figures.probe_bars({"USE": probed})


def test_bonferroni_widens_by_the_number_of_rows():
    table = pd.DataFrame({"gain": [1.0], "gain_low": [0.1], "gain_high": [1.9]})
    one, many = clusters.widened(table), clusters.widened(pd.concat([table] * 100))
    assert one.clear[0] == one.sure[0] == 1
    assert (many.clear == 1).all() and (many.sure == 0).all()
    lower = pd.DataFrame({"gain": [-1.0], "gain_low": [-1.1], "gain_high": [-0.9]})
    assert clusters.widened(lower).sure[0] == -1


# ---- the figures measured before -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoder", "kept", "target", "nmi"),
    [
        ("minilm", 32, "genius_tag", 0.062),
        ("minilm", 0.95, "genius_tag", 0.120),
        ("use", 32, "genius_tag", 0.127),
        ("use", 0.95, "genius_tag", 0.121),
    ],
)
def test_the_number_of_components_decides_for_the_english_encoder(encoder, kept, target, nmi):
    tracks = paired.songs(encoder)
    codes = targets(tracks)[target]
    space = fusions.space(pair_of(tracks, kept), SIDE_BY_SIDE, OWN, 0)
    here = codes >= 0
    found = [clustering.cluster(space[here], "kmeans", 3, seed) for seed in range(3)]
    values = [metrics.external(codes[here], labels)["nmi"] for labels in found]
    assert np.mean(values) == pytest.approx(nmi, abs=0.012)


@pytest.mark.parametrize(("encoder", "nmi"), [("minilm", 0.981), ("use", 0.017)])
def test_the_language_of_words_alone(encoder, nmi):
    tracks = paired.songs(encoder)
    found = clustering.cluster(tracks.text.to_numpy(), "kmeans", 2, 0)
    language = tracks.labels["language"]
    assert metrics.external(language, found)["nmi"] == pytest.approx(nmi, abs=0.005)


def test_canonical_correlation_lives_on_the_pairing():
    tracks = paired.songs("minilm")
    codes, pair = targets(tracks)["genius_tag"], pair_of(tracks, 32)
    for control, low, high in ((OWN, 0.10, 0.17), (OVER, 0.0, 0.02)):
        space = fusions.space(pair, "CCA", control, 0)[codes >= 0]
        found = clustering.cluster(space, "kmeans", 3, 0)
        assert low <= metrics.external(codes[codes >= 0], found)["nmi"] <= high


def test_character_pieces_find_the_language(shared):
    """Words alone give the language away, without any model."""
    table = pd.read_csv(shared / "lyrics" / "genius_sample.csv").query("language in ['en', 'de']")
    table = table.groupby("language").head(400)
    model = TfidfVectorizer(analyzer="char", ngram_range=(2, 3), max_features=3000)
    pieces = model.fit_transform(table.lyrics.str[:2000])
    space, _ = inputs.reduce_text(pieces.toarray(), 32)
    found = clustering.cluster(space, "kmeans", 2)
    assert metrics.external(table.language.to_numpy(), found)["nmi"] > 0.9
