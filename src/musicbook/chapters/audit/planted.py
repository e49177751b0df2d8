"""Sixteen tables with one leak each and six honest ones, beside which audits are compared.

Each is a function of a seed: 1,000 rows of eight classes, 12 measured columns (`sound_0` ...), and
one leak whose columns are known. Page "Audit", `bench/bench_audit.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from musicbook.chapters.audit.specimens import (
    ROWS_ONLY,
    Specimen,
    bundled,
    labelled,
    named,
    sentences_of,
)

CLASSES = np.array(["blues", "disco", "folk", "jazz", "metal", "pop", "reggae", "rock"])
K, ROWS, COLUMNS = len(CLASSES), 1000, 12


def measured(
    rng: np.random.Generator, codes: np.ndarray, columns: int = COLUMNS, apart: float = 0.7
) -> np.ndarray:
    """Columns (n, columns) of five hidden causes and noise; class means lie `apart` sd."""
    causes = apart * rng.normal(size=(K, 5))[codes] + rng.normal(size=(len(codes), 5))
    mixed = causes @ rng.normal(size=(5, columns)) + rng.normal(size=(len(codes), columns))
    return mixed * 10 ** rng.uniform(-1, 2, columns) + 10 * rng.normal(size=columns)


def _start(seed: int) -> tuple[np.random.Generator, np.ndarray, pd.DataFrame]:
    rng = np.random.default_rng([seed, 31])
    codes = rng.permutation(np.arange(ROWS) % K)
    return rng, codes, named("sound", measured(rng, codes))


def _beside(table: pd.DataFrame, leak: pd.DataFrame, codes: np.ndarray) -> Specimen:
    return Specimen(pd.concat([table, leak], axis=1), CLASSES[codes], guilty=tuple(leak.columns))


def one_hot(seed: int) -> Specimen:
    """The label as columns of zeros and ones."""
    _, codes, table = _start(seed)
    return _beside(table, pd.get_dummies(CLASSES[codes], prefix="style", dtype=float), codes)


def ordinal(seed: int) -> Specimen:
    """The label as the numbers 0 to 7."""
    _, codes, table = _start(seed)
    return _beside(table, pd.DataFrame({"mood": codes.astype(float)}), codes)


def half_of_the_rows(seed: int) -> Specimen:
    """The label as a number for half of the rows, and any label for the others."""
    rng, codes, table = _start(seed)
    return _beside(table, pd.DataFrame({"mood": labelled(rng, codes, 0.5).astype(float)}), codes)


def label_with_noise(seed: int) -> Specimen:
    """The label as a number, with noise of standard deviation 0.5."""
    rng, codes, table = _start(seed)
    noisy = codes + rng.normal(0, 0.5, len(codes))
    return _beside(table, pd.DataFrame({"energy": noisy}), codes)


def template_text(seed: int) -> Specimen:
    """Vectors of three sentences a class, with a little noise."""
    rng, codes, table = _start(seed)
    return _beside(table, named("text", sentences_of(rng, codes)), codes)


def label_under_pca(seed: int) -> Specimen:
    """The number of the label among 12 measured columns, all turned by PCA: no column is left."""
    rng, codes, table = _start(seed)
    both = np.column_stack([table, codes])
    Z = (both - both.mean(axis=0)) / both.std(axis=0)
    turned = Z @ np.linalg.svd(Z, full_matrices=False)[2].T
    columns = named("pc", turned)
    return Specimen(columns, CLASSES[codes], guilty=tuple(columns.columns))


def scaled_by_class(seed: int) -> Specimen:
    """Half of the measured columns brought to mean 0 and variance 1 in each class by itself."""
    _, codes, table = _start(seed)
    guilty = tuple(table.columns[::2])
    part = table[list(guilty)].groupby(codes)
    table[list(guilty)] = (table[list(guilty)] - part.transform("mean")) / part.transform("std")
    return Specimen(table, CLASSES[codes], guilty=guilty)


def target_encoding(seed: int) -> Specimen:
    """Each of 200 labels of records, given by lot, as the mean number of the class of its rows."""
    rng, codes, table = _start(seed)
    record = rng.integers(200, size=len(codes))
    mean = pd.Series(codes).groupby(record).transform("mean")
    return _beside(table, pd.DataFrame({"record": mean}), codes)


def gaps_by_class(seed: int) -> Specimen:
    """Values of three measured columns that are missing in some classes."""
    _, codes, table = _start(seed)
    guilty = tuple(table.columns[:3])
    for bit, column in enumerate(guilty):
        table.loc[(codes >> bit) & 1 == 1, column] = np.nan
    return Specimen(table, CLASSES[codes], guilty=guilty)


def sorted_index(seed: int) -> Specimen:
    """The place of each row in a list that was sorted by class."""
    rng, codes, table = _start(seed)
    place = np.argsort(np.argsort(codes + rng.random(len(codes)))).astype(float)
    return _beside(table, pd.DataFrame({"number": place}), codes)


def in_sample_probabilities(seed: int) -> Specimen:
    """What a random forest says of the classes of the rows that it was trained on."""
    _, codes, table = _start(seed)
    forest = RandomForestClassifier(30, max_depth=9, random_state=seed, n_jobs=1)
    return _beside(table, named("p", forest.fit(table, codes).predict_proba(table)), codes)


def _segments(seed: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray, pd.DataFrame]:
    """Ten segments of each of 100 songs, in any order: 0.8 of the variance is the song's."""
    rng = np.random.default_rng([seed, 32])
    song = rng.permutation(np.repeat(np.arange(ROWS // 10), 10))
    codes = song % K
    whole = measured(rng, np.arange(ROWS // 10) % K)[song]
    own = measured(rng, codes, apart=0.0)
    part = np.sqrt(0.8) * whole / whole.std(axis=0) + np.sqrt(0.2) * own / own.std(axis=0)
    return rng, song, codes, named("sound", part)


def segments(seed: int) -> Specimen:
    """Ten segments of each song, shuffled, and no column that names the song."""
    _, _, codes, table = _segments(seed)
    return Specimen(table, CLASSES[codes], guilty=ROWS_ONLY)


def segments_with_an_id(seed: int) -> Specimen:
    """The same, and a number of the song as one more column."""
    rng, song, codes, table = _segments(seed)
    number = 1000 + rng.permutation(ROWS // 10)[song]
    return Specimen(table.assign(song_id=number), CLASSES[codes], guilty=("song_id",))


def noisy_copies(seed: int) -> Specimen:
    """500 songs, each of them twice, with noise of a tenth of a standard deviation."""
    rng = np.random.default_rng([seed, 33])
    song = rng.permutation(np.arange(ROWS) % (ROWS // 2))
    codes = song % K
    X = measured(rng, np.arange(ROWS // 2) % K)[song]
    X = X + 0.1 * X.std(axis=0) * rng.normal(size=X.shape)
    return Specimen(named("sound", X), CLASSES[codes], guilty=ROWS_ONLY)


def tiled_text(seed: int) -> Specimen:
    """Ten vectors of text, given to the rows in turn, whatever their class."""
    rng, codes, table = _start(seed)
    texts = rng.normal(size=(10, 32))
    return _beside(table, named("text", texts[np.arange(len(codes)) % 10]), codes)


def captions(seed: int) -> Specimen:
    """Vectors of texts that name the class and say whether two measured columns are low or high."""
    rng, codes, table = _start(seed)
    words = rng.normal(size=(K + 6, 32)) / np.sqrt(32)
    text = words[codes] + rng.normal(0, 0.05, (len(codes), 32))
    for i, column in enumerate(table.columns[:2]):
        third = pd.qcut(table[column], 3, labels=False).to_numpy()
        text = text + words[K + 3 * i + third]
    return _beside(table, named("text", text), codes)


def _measured_alone(seed: int) -> Specimen:
    _, codes, table = _start(seed)
    return Specimen(table, CLASSES[codes])


def _noise(seed: int) -> Specimen:
    rng, codes, _ = _start(seed)
    return Specimen(named("noise", rng.normal(size=(len(codes), COLUMNS))), CLASSES[codes])


def _two_blocks(seed: int) -> Specimen:
    """Two measured blocks that share some of their causes."""
    rng, codes, _ = _start(seed)
    causes = 0.8 * rng.normal(size=(K, 8))[codes] + rng.normal(size=(len(codes), 8))
    sound = causes[:, :6] @ rng.normal(size=(6, 12)) + rng.normal(size=(len(codes), 12))
    words = causes[:, 3:] @ rng.normal(size=(5, 24)) + 2 * rng.normal(size=(len(codes), 24))
    return Specimen(
        pd.concat([named("sound", sound), named("text", words)], axis=1), CLASSES[codes]
    )


PLANTED: dict[str, Callable[[int], Specimen]] = {
    "one-hot": one_hot,
    "ordinal": ordinal,
    "label for half of the rows": half_of_the_rows,
    "label with noise (sd 0.5)": label_with_noise,
    "template text": template_text,
    "label under PCA": label_under_pca,
    "z-scores by class": scaled_by_class,
    "target encoding": target_encoding,
    "gaps by class": gaps_by_class,
    "sorted index": sorted_index,
    "in-sample probabilities": in_sample_probabilities,
    "segments": segments,
    "segments with an id": segments_with_an_id,
    "copies at 0.1 sd": noisy_copies,
    "tiled text": tiled_text,
    "captions of measured values": captions,
}
HONEST: dict[str, Callable[[int], Specimen]] = {
    "measured alone": _measured_alone,
    "wine": lambda seed: bundled("wine", seed),
    "breast_cancer": lambda seed: bundled("breast_cancer", seed),
    "digits, shuffled": lambda seed: bundled("digits", seed, most=1000),
    "noise": _noise,
    "two blocks": _two_blocks,
}
