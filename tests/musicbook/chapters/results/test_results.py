"""Tables and verdicts by hand, sentences that read them."""

import errno
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers import inputs, phases, store, tables
from helpers.tracks import Tracks
from musicbook import stored_runs
from musicbook.chapters.results import verdicts
from musicbook.corpus import sources


def tidy(values, metric="nmi", method="PCA + K-Means", leaky=False, dataset="gtzan", phase=1):
    columns = [
        "protocol",
        "phase",
        "dataset",
        "variant",
        "method",
        "seed",
        "metric",
        "value",
        "leaky",
    ]
    rows = [
        ("released", phase, dataset, "full", method, s, metric, v, leaky)
        for s, v in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=columns)


def test_summary_by_hand():
    row = tables.summarise(tidy([0.3, 0.4, 0.5])).iloc[0]
    assert (row["mean"], row.sd, row.seeds) == (pytest.approx(0.4), pytest.approx(0.1), 3)


def test_cells():
    assert tables.score_cell(0.1054, 0.0041) == "0.105\u00a0±\u00a00.004"
    assert (
        tables.score_cell(float("nan"), 0.1) == "–"
        and tables.score_cell(-0.0004, 0.0) == "0.000\u00a0±\u00a00.000"
    )
    assert tables.score_cell(93.03, 1.26, "calinski_harabasz") == "93.0\u00a0±\u00a01.3"
    assert tables.score_cell(10, 0.0, "k") == tables.score_cell(10, float("nan"), "k") == "10"
    assert (
        tables.score_cell(9.5, 0.0, "k").startswith("9.5")
        and tables.score_cell(10, 0.5, "k") == "10.0\u00a0±\u00a00.5"
    )
    assert tables.score_cell(0.5, float("nan")) == "0.500"
    assert (
        tables.range_cell(-0.0001, 0.12345) == "[0.000,\u00a00.123]"
        and tables.range_cell(float("nan"), 1) == "–"
    )


def test_one_further_run_by_hand():
    values = np.array([0.28, 0.30, 0.32, 0.30])
    low, high = tables.prediction(values)
    half = stats.t.ppf(0.975, 3) * values.std(ddof=1) * np.sqrt(1.25)
    assert (low, high) == pytest.approx((0.3 - half, 0.3 + half))
    assert np.isnan(tables.prediction(values[:1])).all()


def test_one_further_run_falls_where_it_is_said_to():
    """Of normal values the range holds the next one 19 times in 20, for few seeds, too."""
    rng = np.random.default_rng(0)
    for n in (3, 10):
        draws = rng.normal(size=(2000, n + 1))
        held = [
            low <= row[-1] <= high for row in draws for low, high in [tables.prediction(row[:-1])]
        ]
        assert np.mean(held) == pytest.approx(0.95, abs=0.015)


CALM, NOISY = [0.300, 0.302, 0.298, 0.301, 0.299], [0.1, 0.5, 0.3, 0.2, 0.4]


@pytest.mark.parametrize(
    ("paper", "values", "metric", "word"),
    [
        (0.301, CALM, "nmi", "reproduced"),
        (
            0.309,
            CALM,
            "nmi",
            "near, though outside our spread",
        ),  # a quiet method is not missed for .009
        (
            0.420,
            NOISY,
            "nmi",
            "within a wide spread",
        ),  # a noisy one is not reproduced for its noise
        (0.400, CALM, "nmi", "not reproduced"),
        (0.301, [0.3], "nmi", "near, though outside our spread"),  # one run has no spread to lie in
        (0.301, [*CALM, np.nan], "nmi", "not defined"),
        (108.0, [100.0, 101.0, 99.0], "calinski_harabasz", "near, though outside our spread"),
        (112.0, [100.0, 101.0, 99.0], "calinski_harabasz", "not reproduced"),
        (1.50, [1.40, 1.41, 1.39], "davies_bouldin", "near, though outside our spread"),
    ],
)
def test_verdicts(paper, values, metric, word):
    assert tables.reproduction_verdict(paper, np.array(values), metric) == word


def test_the_mark_reaches_the_tables():
    assert tables.score_table(tidy([0.4, 0.5], leaky=True)).index.tolist() == [
        "PCA + K-Means (LEAKY)"
    ]
    beside = tables.beside_paper(tidy([0.355, 0.37]), 1)
    assert beside.loc[("PCA + K-Means", "NMI"), "Verdict"] == "reproduced"
    leaky = tables.beside_paper(tidy([0.355, 0.37], leaky=True), 1)
    assert leaky.loc[("PCA + K-Means", "NMI"), "Verdict"] == "reproduced (LEAKY)"
    other = tables.beside_paper(tidy([0.35, 0.37], dataset="gtzan-mini"), 1)
    assert "Verdict" not in other and other.columns.tolist() == [
        "Paper, on all of GTZAN",
        "Ours, on these data",
    ]


def test_chance_has_no_spread_and_scores_their_label():
    shown = tables.score_table(pd.concat([tidy([0.1, 0.2]), tidy([0.01, 0.03], "nmi_chance")]))
    assert shown.columns.tolist() == ["NMI", "NMI by chance"] and shown.iloc[0, 1] == "0.020"


def seeds_of(rng, genres, right, n=6):
    return np.stack(
        [
            np.where(rng.random(len(genres)) < right, genres, rng.integers(5, size=len(genres)))
            for _ in range(n)
        ]
    )


def test_a_difference_rests_on_tracks_and_seeds():
    rng = np.random.default_rng(0)
    genres = np.arange(200) % 5
    ids = np.arange(200).astype(str)
    right = {"good": 0.8, "poor": 0.4, "alike": 0.8}
    labels = {name: seeds_of(rng, genres, share) for name, share in right.items()}
    one = tables.difference(genres, ids, labels, "good", "poor")
    assert one.better == "good" and 0 < one.low < one.point < one.high and one.n_seeds == 6
    turned = tables.difference(genres, ids, labels, "poor", "good")
    assert turned.better == "good" and turned.point == -one.point
    assert tables.difference(genres, ids, labels, "good", "alike").better is None
    by_seed = {s: {name: found[s] for name, found in labels.items()} for s in range(6)}
    assert tables.difference(genres, ids, by_seed, "good", "poor") == one
    assert tables.difference(None, ids, labels, "good", "poor") is None
    assert tables.difference(genres, ids, labels, "good", "absent") is None


def test_rows_of_one_track_are_one():
    """Ten copies of every row tell no more than the rows: with groups the interval is as wide as
    before."""
    rng = np.random.default_rng(1)
    genres = np.arange(60) % 5
    sides = {"a": seeds_of(rng, genres, 0.6, 1), "b": seeds_of(rng, genres, 0.45, 1)}
    once = tables.difference(genres, np.arange(60), sides, "a", "b")
    tenfold = {name: np.repeat(found, 10, axis=1) for name, found in sides.items()}
    grouped = tables.difference(
        np.repeat(genres, 10), np.repeat(np.arange(60), 10), tenfold, "a", "b"
    )
    assert (grouped.low, grouped.high) == pytest.approx((once.low, once.high))
    alone = tables.difference(np.repeat(genres, 10), np.arange(600), tenfold, "a", "b")
    assert alone.high - alone.low < 0.6 * (once.high - once.low)


def test_sentences_read_the_confusion():
    genres = np.array(["a", "a", "b", "b"])
    text = tables.read_confusion(genres, np.array([0, 1, 2, 2]))
    assert "*b* stays together best: 100% of its tracks lie in one cluster." in text
    assert "No cluster holds more" in text
    mixed = tables.read_confusion(
        np.array(["a"] * 5 + ["b"] * 3), np.array([0, 0, 0, 0, 1, 0, 0, 1])
    )
    assert "The largest confusion: one cluster holds 4 tracks of *a* and 2 of *b*." in mixed


def test_a_tie_in_the_confusion_has_no_winner():
    """Two genres with equal parts, in one cluster in equal numbers: neither is best, and neither is
    most of the cluster."""
    genres = np.repeat(["country", "disco", "pop"], 10)
    clusters = [0] * 7 + [1, 2, 3] + [0] * 5 + [1] * 5 + [0] * 7 + [1, 2, 3]
    text = tables.read_confusion(genres, np.array(clusters))
    assert "*country* and *pop* stay together best: 70% of the tracks of each lie" in text
    assert "*disco* is spread most: its largest part in one cluster is 50%." in text
    assert "one cluster holds 7 tracks of *country* and 7 of *pop*." in text
    assert "mostly" not in text
    alike = tables.read_confusion(np.array(["a", "a", "b", "b"]), np.array([0, 1, 0, 1]))
    assert "Of each genre, 50% of the tracks lie in one cluster." in alike
    assert "One of the largest confusions: one cluster holds 1 track of *a*" in alike


def test_the_papers_tables_are_all_there():
    paper = tables.paper_tables()
    assert len(paper) == 45 and paper.groupby("phase").method.nunique().tolist() == [2, 3, 5]
    for phase in (1, 2, 3):
        assert set(paper[paper.phase == phase].method) == set(phases.names_of(phase))
        assert set(paper[paper.phase == phase].metric) == set(tables.paper_metrics(phase))


def test_inputs_are_told():
    tracks = sources.load("gtzan-mini-tracks")
    made = inputs.prepare(tracks, "written", 2)
    assert tables.read_columns(made) == "68 columns of sound, 32 of text"
    assert tables.lyrics_table(made.lyrics_report)["Tracks"].sum() == 100


def test_a_table_is_known_by_its_numbers_rows_and_labels():
    tracks = sources.load("gtzan-mini-tracks")
    mine = stored_runs.hashes(tracks)
    order = np.arange(tracks.n)[::-1]
    assert stored_runs.hashes(tracks.rows(order, tracks.name)) != mine
    other = Tracks(
        tracks.name, tracks.ids, tracks.groups, {"audio": tracks.features + 1}, tracks.labels
    )
    relabelled = Tracks(
        tracks.name, tracks.ids, tracks.groups, tracks.blocks, {"genre": tracks.genres[::-1]}
    )
    assert stored_runs.hashes(other)["features_sha256"] != mine["features_sha256"]
    assert stored_runs.hashes(relabelled)["rows_sha256"] != mine["rows_sha256"]


def test_runs_that_are_not_there_say_how_to_make_them():
    with pytest.raises(FileNotFoundError, match="make results DATASET=y"):
        stored_runs.Published("y")


def test_a_failed_write_leaves_nothing(tmp_path):
    def broken(path):
        path.write_text("half")
        raise OSError(errno.ENOSPC, "no room")

    with pytest.raises(OSError, match="cannot write .*a.json.*make room"):
        store.write_atomically(tmp_path / "a.json", broken)
    assert list(tmp_path.iterdir()) == []
    store.write_atomically(tmp_path / "a.json", lambda path: path.write_text(json.dumps(1)))
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_what_page_6_sums_up_of_phases_2_and_3():
    """Most numbers match closely or roughly where the genre is in the input, and else few."""
    every = verdicts.values(stored_runs.Published())
    later = every[every.phase > 1]
    matched = later.verdict.isin(verdicts.WORDS[:3]).groupby(later.protocol).mean()
    assert matched["released"] > 0.5
    assert matched["written"] < 0.2 and matched["controlled"] < 0.2
