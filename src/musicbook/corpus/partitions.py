"""A Parquet table larger than one machine: its statistics, latent means and K-Means, over its row
groups.

Each row group is read, scaled and encoded where the work is done, in this process or by the workers
of a dask cluster, which must see the same file; sums come back and are added in the table's order,
so that the numbers do not depend on who computed what. A group whose worker died is read again by
another one. Page "Run it yourself"."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import KMeans

from helpers import models, training

SAMPLE = 10_000  # rows, from all row groups, that the centres start from
MAX_PASSES = 300  # over the table
TOLERANCE = (
    1e-4  # of the columns' mean variance: a smaller squared move ends it, as in scikit-learn
)


def parts(path: str | Path) -> list[tuple[str, int]]:
    """The row groups of a table, (file, number) each."""
    import pyarrow.parquet as pq

    return [(str(path), i) for i in range(pq.read_metadata(path).num_row_groups)]


def numeric_columns(path: str | Path) -> list[str]:
    """The feature columns of a table: numbers, but for text vectors and what
    `feature_tables.from_table` sets apart."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = [
        f.name
        for f in pq.read_schema(path)
        if pa.types.is_floating(f.type) or pa.types.is_integer(f.type)
    ]
    return [
        name
        for name in numbers
        if not re.fullmatch(r"text_\d+|start_s|track_id|genre|group|artist", name)
    ]


def read(part: tuple[str, int], names: list[str]) -> np.ndarray:
    """One row group, (rows, len(names)) float64."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(part[0]) as file:
        table = file.read_row_group(part[1], columns=names)
    return np.column_stack([table[name].to_numpy() for name in names]).astype(float)


def statistics(path: str | Path, client=None) -> tuple[int, np.ndarray, np.ndarray]:
    """Rows, and mean and standard deviation (d,) of every feature column, in one pass; a group's
    sums of squares are about its own mean (Chan, Golub & LeVeque 1983), so that nothing is lost to
    rounding."""
    names = numeric_columns(path)
    n, mean, squares = 0, np.zeros(len(names)), np.zeros(len(names))
    for m, one, about in _each(_moments, [(part, names) for part in parts(path)], client):
        gap = one - mean
        mean, squares = mean + gap * m / (n + m), squares + about + gap**2 * n * m / (n + m)
        n += m
    return n, mean, np.sqrt(squares / n)


def _moments(part: tuple[str, int], names: list[str]) -> tuple[int, np.ndarray, np.ndarray]:
    X = read(part, names)
    return len(X), X.mean(axis=0), ((X - X.mean(axis=0)) ** 2).sum(axis=0)


def kmeans(
    path: str | Path,
    k: int,
    seed: int = 0,
    net: models.AE | None = None,
    client=None,
) -> tuple[np.ndarray, np.ndarray]:
    """K-Means (Lloyd 1982) of all rows of a table: labels (n,), and centres (k, d).

    Clustered are the z-scored features, or with a trained `net` without a condition its latent
    means. The centres start where scikit-learn's best of ten puts them on a sample of SAMPLE rows;
    a pass assigns every row and moves them, until they move less than scikit-learn lets them
    (TOLERANCE). With a dask `client` the workers keep what they read. ValueError for fewer rows
    than clusters."""
    n, mean, sd = statistics(path, client)
    if n < k:
        raise ValueError(f"{path} has {n} rows, fewer than the {k} clusters asked for")
    told = numeric_columns(path), mean, np.where(sd > 0, sd, 1.0), net
    groups = parts(path)
    if client is not None:
        shared = client.submit(
            tuple, told, pure=False
        )  # a task can be made again where its worker died
        held = [client.submit(_space, part, shared, pure=False) for part in groups]
    else:
        held = [(part, told) for part in groups]
    some = np.vstack(
        _each(
            _drawn, [(space, min(1.0, SAMPLE / n), seed, i) for i, space in enumerate(held)], client
        )
    )
    centres = KMeans(k, n_init=10, random_state=seed).fit(some).cluster_centers_
    for _ in range(MAX_PASSES):
        moved = _moved(_each(_sums, [(space, centres) for space in held], client), centres)
        shift, centres = ((moved - centres) ** 2).sum(), moved
        if shift <= TOLERANCE * some.var(axis=0).mean():
            break
    return np.concatenate(_each(_nearest, [(space, centres) for space in held], client)), centres


def _each(function: Callable, calls: list[tuple], client) -> list:
    """The function of each call, in their order."""
    if client is None:
        return [function(*call) for call in calls]
    return client.gather([client.submit(function, *call, pure=False) for call in calls])


def _space(part: tuple[str, int], told: tuple) -> np.ndarray:
    names, mean, sd, net = told
    X = (read(part, names) - mean) / sd
    if net is None:
        return X
    return training.encode(net, (torch.tensor(X, dtype=torch.float32),))[0].double().numpy()


def _rows(held) -> np.ndarray:
    return held if isinstance(held, np.ndarray) else _space(*held)


def _drawn(held, share: float, seed: int, i: int) -> np.ndarray:
    X = _rows(held)
    return X[
        np.sort(
            np.random.default_rng([seed, i]).choice(len(X), round(share * len(X)), replace=False)
        )
    ]


def _nearest(held, centres: np.ndarray) -> np.ndarray:
    return ((centres**2).sum(axis=1) - 2.0 * _rows(held) @ centres.T).argmin(axis=1)


def _sums(held, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    X = _rows(held)
    members = np.eye(len(centres))[_nearest(X, centres)]
    return members.T @ X, members.sum(axis=0)


def _moved(sums: list[tuple[np.ndarray, np.ndarray]], centres: np.ndarray) -> np.ndarray:
    """The means of what is nearest to each centre; one that nothing is nearest to stays."""
    total, size = (sum(part) for part in zip(*sums))
    return np.where(
        size[:, None] > 0,  # type: ignore[index]
        total / np.maximum(size, 1)[:, None],  # type: ignore[call-overload]
        centres,
    )
