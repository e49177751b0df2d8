"""A dask cluster that loses a worker in the middle of a job gives what one process gives; the client stores it."""

import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest

from helpers import cache
from helpers.corpus.embedding import embed
from helpers.corpus.fast_features import extract_table
from tests.material import entries, needs_weights, write_clips


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as local,
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


def test_extraction(cluster, kill_a_worker, stores, tmp_path, monkeypatch):
    paths = write_clips(tmp_path / "music", 40)
    (tmp_path / "music" / "broken.wav").write_bytes(b"")
    paths["broken"] = tmp_path / "music" / "broken.wav"
    serial, serial_faults = extract_table(paths, quiet=True)
    stores("another")
    monkeypatch.setattr(cache.stored, "__defaults__", (0.0,))  # the first result is seen at once
    before = cache.cache_report()["misses"]
    kill_a_worker.start()
    table, faults = extract_table(paths, client=cluster[1], quiet=True)
    kill_a_worker.join()
    pd.testing.assert_frame_equal(table, serial, check_exact=True)
    pd.testing.assert_frame_equal(faults, serial_faults)
    assert cache.cache_report()["misses"] - before == entries() == 41  # nothing lost, nothing twice


@needs_weights
def test_embedding(cluster, kill_a_worker, stores, monkeypatch):
    texts = [f"a text of some length, number {i} " * (1 + i % 3) for i in range(128)]
    monkeypatch.setattr(cache.stored, "__defaults__", (0.0,))
    kill_a_worker.start()
    vectors = embed(texts, client=cluster[1], quiet=True)
    kill_a_worker.join()
    assert entries() == 128
    stores("another")
    np.testing.assert_allclose(vectors, embed(texts, quiet=True), atol=1e-3)
