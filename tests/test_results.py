"""Tables and verdicts by hand, files that are whole or not there."""

import errno
import json

import numpy as np
import pandas as pd
import pytest

from helpers import cache, datasets, tables
from helpers.published import store


def tidy(values, metric="nmi", method="PCA + K-Means", leaky=False, dataset="gtzan", phase=1):
    columns = ["protocol", "phase", "dataset", "variant", "method", "seed", "metric", "value", "leaky"]
    rows = [("released", phase, dataset, "full", method, s, metric, v, leaky) for s, v in enumerate(values)]
    return pd.DataFrame(rows, columns=columns)


def test_summary_by_hand():
    row = tables.summarise(tidy([0.3, 0.4, 0.5])).iloc[0]
    assert (row["mean"], row.sd, row.seeds) == (pytest.approx(0.4), pytest.approx(0.1), 3)


def test_cells():
    assert tables.cell(0.1054, 0.0041) == "0.105\u00a0±\u00a00.004"
    assert tables.cell(float("nan"), 0.1) == "–" and tables.cell(-0.0004, 0.0) == "0.000\u00a0±\u00a00.000"
    assert tables.cell(93.03, 1.26, "calinski_harabasz") == "93.0\u00a0±\u00a01.3"
    assert tables.cell(10, 0.0, "k") == tables.cell(10, float("nan"), "k") == "10"
    assert tables.cell(9.5, 0.0, "k").startswith("9.5") and tables.cell(10, 0.5, "k") == "10.0\u00a0±\u00a00.5"
    assert tables.cell(0.5, float("nan")) == "0.500"


@pytest.mark.parametrize(
    ("paper", "leaky", "word"),
    [(0.45, False, "reproduced"), (0.45, True, "reproduced only with leakage"), (0.7, True, "not reproduced")],
)
def test_verdicts(paper, leaky, word):
    assert tables.verdict(paper, 0.4, 0.03, leaky) == word


def test_the_mark_reaches_the_tables():
    assert tables.table(tidy([0.4, 0.5], leaky=True)).index.tolist() == ["PCA + K-Means (LEAKY)"]
    beside = tables.beside_paper(tidy([0.35, 0.37]), 1)
    assert beside.loc[("PCA + K-Means", "NMI"), "Verdict"] == "reproduced"
    other = tables.beside_paper(tidy([0.35, 0.37], dataset="gtzan-mini"), 1)
    assert "Verdict" not in other and other.columns.tolist() == ["Paper, on all of GTZAN", "Ours, on these data"]


def test_sentences_read_the_numbers():
    both = pd.concat([tidy([0.3, 0.31]), tidy([0.5, 0.52], method="VAE + K-Means")])
    text = tables.read_contrast(both, "VAE + K-Means", "PCA + K-Means", ["nmi"])
    assert "0.510 ± 0.014 against 0.305 ± 0.007 (better)" in text.replace("\u00a0", " ")
    level = pd.concat([tidy([0.3, 0.4]), tidy([0.35, 0.36], method="VAE + K-Means")])
    assert "(level)" in tables.read_contrast(level, "VAE + K-Means", "PCA + K-Means", ["nmi"])
    lower = pd.concat([tidy([1.0, 1.01], "davies_bouldin"), tidy([2.0, 2.01], "davies_bouldin", "VAE + K-Means")])
    assert "(worse)" in tables.read_contrast(lower, "VAE + K-Means", "PCA + K-Means", ["davies_bouldin"])
    genres = np.array(["a", "a", "b", "b"])
    text = tables.read_confusion(genres, np.array([0, 1, 2, 2]))
    assert "*b* holds together best (100%" in text and "No cluster holds more than one genre" in text
    mixed = tables.read_confusion(np.array(["a"] * 5 + ["b"] * 3), np.array([0, 0, 0, 0, 1, 0, 0, 1]))
    assert "2 rows of *b* in a cluster that is first of all *a*" in mixed


def test_the_papers_tables_are_all_there():
    paper = tables.paper_tables()
    assert paper.groupby("phase").method.nunique().tolist() == [2, 3, 5]
    for phase, metrics in tables.PAPER_METRICS.items():
        assert set(paper[paper.phase == phase].metric) == set(metrics)


def test_foreign_features_are_refused_with_both_hashes(tmp_path):
    tracks = datasets.load("gtzan-mini-tracks")
    stored = store.provenance(tracks)
    store.check_provenance(tracks, stored, "here")
    changed = datasets.Tracks(tracks.name, tracks.ids, tracks.genres, tracks.groups, tracks.features + 1)
    with pytest.raises(ValueError, match=stored["features_sha256"]) as error:
        store.check_provenance(changed, stored, "here")
    assert store.provenance(changed)["features_sha256"] in str(error.value)
    renamed = datasets.Tracks(tracks.name, tracks.ids[::-1], tracks.genres, tracks.groups, tracks.features)
    with pytest.raises(ValueError, match="track ids"):
        store.check_provenance(renamed, stored, "here")


def test_saved_scores_come_back_and_bytes_repeat(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path))
    scores = tidy([0.25, 0.5])
    folder = store.published("x")
    store.save(scores, folder, {"n": 2})
    first = (folder / "scores.csv.gz").read_bytes()
    store.save(scores, folder, {"n": 2})
    assert first == (folder / "scores.csv.gz").read_bytes()
    loaded, record = store.load("x")
    assert loaded.value.tolist() == [0.25, 0.5] and record == {"n": 2}
    with pytest.raises(FileNotFoundError, match="make results"):
        store.load("y")


def test_by_cluster():
    ids = np.array(["a", "b", "c", "d", "e", "f"])
    space = np.array([[0.0], [1.0], [5.0], [9.0], [9.0], [50.0]])
    table = tables.by_cluster(ids, np.array([0, 0, 0, 1, 1, -1]), space)
    assert table.index.tolist() == [0, 1, "noise"] and table["Rows"].tolist() == [3, 2, 1]
    assert table.loc[0, "Closest to its centre"] == "b; a; c" and table.loc[0, "Farthest"] == "c"


def test_a_failed_write_leaves_nothing(tmp_path):
    def broken(path):
        path.write_text("half")
        raise OSError(errno.ENOSPC, "no room")

    with pytest.raises(OSError, match="cannot write .*a.json.*make room"):
        cache.write_atomically(tmp_path / "a.json", broken)
    assert list(tmp_path.iterdir()) == []
    cache.write_atomically(tmp_path / "a.json", lambda path: path.write_text(json.dumps(1)))
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
