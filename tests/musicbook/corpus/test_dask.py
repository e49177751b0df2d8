"""A dask cluster that loses a worker in the middle of a job gives what one process gives; the
client stores it."""

import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.cluster import KMeans

from helpers import store, training
from helpers.protocols import Recipe
from musicbook.corpus import partitions
from musicbook.corpus.embedding import embed_texts
from musicbook.corpus.fast_features import extract_table
from tests.material import entries, needs_use, write_clips


@pytest.fixture
def cluster(tmp_path):
    """Two workers for one test: a worker that is killed while it starts again never comes back, so
    no test waits for one that another test has killed."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=50,
            local_directory=str(tmp_path / "dask"),
        ) as local,
        distributed.Client(local) as client,
    ):
        yield local, client


@pytest.fixture
def kill_a_worker(cluster):
    """A thread that kills a worker as soon as the store has something."""

    def killer() -> None:
        while not entries():
            time.sleep(0.005)
        os.kill(next(iter(cluster[0].workers.values())).process.pid, signal.SIGKILL)

    return threading.Thread(target=killer)


@pytest.fixture(autouse=True)
def stores(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    return lambda name: monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / name))


def test_extraction(cluster, kill_a_worker, stores, tmp_path):
    paths = write_clips(tmp_path / "music", 40)
    (tmp_path / "music" / "broken.wav").write_bytes(b"")
    paths["broken"] = tmp_path / "music" / "broken.wav"
    serial, serial_faults = extract_table(paths, quiet=True)
    stores("another")
    before = store.cache_report()["misses"]
    kill_a_worker.start()
    table, faults = extract_table(paths, client=cluster[1], quiet=True)
    kill_a_worker.join()
    pd.testing.assert_frame_equal(table, serial, check_exact=True)
    pd.testing.assert_frame_equal(faults, serial_faults)
    assert store.cache_report()["misses"] - before == entries() == 41  # nothing lost, nothing twice


@needs_use
def test_embedding(cluster, kill_a_worker, stores):
    texts = [f"a text of some length, number {i} " * (1 + i % 3) for i in range(480)]
    kill_a_worker.start()
    vectors = embed_texts(texts, encoder="use", client=cluster[1], quiet=True)
    kill_a_worker.join()
    assert entries() == 480
    stores("another")
    alone = embed_texts(texts, encoder="use", quiet=True)
    np.testing.assert_allclose(vectors, alone, atol=1e-3)


def table_of(X, path):
    """A Parquet table of row groups of 700, with columns that are no features."""
    table = {
        "track_id": [f"t{i}" for i in range(len(X))],
        "genre": ["a", "b"] * (len(X) // 2),
        "text_000": X[:, 0],
    }
    pq.write_table(
        pa.table(table | {f"f{j}": X[:, j] for j in range(X.shape[1])}), path, row_group_size=700
    )
    return path


def test_kmeans_over_partitions(cluster, tmp_path, monkeypatch):
    """Of columns and of latents: alone, on two workers, and by scikit-learn from the same start,
    the same labels. Of latents, one worker is killed between two passes while it holds half of the
    rows."""
    rng = np.random.default_rng(0)
    X = (
        1e3
        + rng.normal(size=(5000, 12)) * np.arange(1, 13)
        + 6 * rng.normal(size=(4, 12))[rng.integers(4, size=5000)]
    )
    path = table_of(X, tmp_path / "table.parquet")
    monkeypatch.setattr(partitions, "SAMPLE", 100)  # a poor start, from which several passes lead
    n, mean, sd = partitions.statistics(path, cluster[1])
    assert n == 5000 and len(partitions.parts(path)) == 8
    assert partitions.numeric_columns(path) == [f"f{j}" for j in range(12)]
    np.testing.assert_allclose([mean, sd], [X.mean(0), X.std(0)], rtol=1e-12)
    space = (X - X.mean(0)) / X.std(0)
    fit = training.fit(space, Recipe(hidden=(16,), latent=4, epochs=2), 0, use_cache=False)
    passes = []

    def kill() -> None:
        passes.append("")
        if len(passes) == 2:
            worker = next(w for w in cluster[0].workers.values() if w.process.pid)
            held = sum(worker.worker_address in where for where in cluster[1].who_has().values())
            os.kill(worker.process.pid, signal.SIGKILL)
            assert held, "it held nothing that could be lost"

    same_as_alone(path, None, space, cluster[1], lambda: None)
    same_as_alone(path, fit.model(), fit.mu.astype(float), cluster[1], kill)
    assert len(passes) > 2


def same_as_alone(path, net, space, client, between_passes) -> None:
    """K-Means of a table over the workers of `client` gives what one process gives, and what
    scikit-learn gives of its rows as they are in `space`."""
    labels, centres = partitions.kmeans(path, 4, net=net)
    moved = partitions._moved

    def watched(*arguments):
        between_passes()
        return moved(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partitions, "_moved", watched)
        spread, same = partitions.kmeans(path, 4, net=net, client=client)
        patch.setattr(partitions, "_moved", lambda sums, start: start)  # where it starts
        _, start = partitions.kmeans(path, 4, net=net)
    assert (spread == labels).all()
    np.testing.assert_allclose(same, centres, rtol=1e-12)
    whole = KMeans(4, init=start, n_init=1).fit(space)
    assert (whole.labels_ == labels).mean() > 0.999
    np.testing.assert_allclose(whole.cluster_centers_, centres, atol=1e-2)


def test_fewer_rows_than_clusters(tmp_path):
    with pytest.raises(ValueError, match="table.parquet has 4 rows, fewer than the 5 clusters"):
        partitions.kmeans(
            table_of(np.random.default_rng(0).normal(size=(4, 3)), tmp_path / "table.parquet"), 5
        )
