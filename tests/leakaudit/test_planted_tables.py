"""The audit on tables whose leak is known, and on honest ones: what it accuses, and what not."""

import numpy as np
import pandas as pd
import pytest

from leakaudit import examine
from leakaudit.kinds import FAMILIES, LABEL, SCORE
from musicbook.chapters.audit import planted, specimens

COPY, TEMPLATES, REPEATED = "copy of the label", "templates by class", "repeated rows"
EXPECTED = {
    "one-hot": COPY,
    "ordinal": COPY,
    "label for half of the rows": "stands out",
    "label with noise (sd 0.5)": "stands out",
    "template text": TEMPLATES,
    "label under PCA": "label in a direction",
    "z-scores by class": "scaled by class",
    "target encoding": "target encoding",
    "gaps by class": "missing by class",
    "sorted index": COPY,
    "in-sample probabilities": "class probabilities",
    "segments": "families",
    "segments with an id": "families",
    "copies at 0.1 sd": REPEATED,
    "tiled text": "few distinct rows",
    "captions of measured values": TEMPLATES,
}
OF_BEFORE = {
    "one hot": {COPY},
    "one hot and noise": {COPY},
    "one hot with errors": {COPY},
    "year": {COPY},
    "track order": {COPY},
    "loudness of noise": {"spread by class"},
    "three sentences": {TEMPLATES},
    "sentences with errors": {TEMPLATES},
    "constant for half": {"says the label"},
    "hidden in a block": {"says the label"},
    "gaps": {"missing by class"},
    "copies": {REPEATED},
    "segments": {"families", "row order"},
    "segments named": {"families"},
}


@pytest.fixture(autouse=True)
def half_of_the_rows(monkeypatch):
    """The tables of the bench with half of its rows, which are audited in half of the time."""
    monkeypatch.setattr(planted, "ROWS", 480)
    monkeypatch.setattr(specimens, "SONGS", 24)  # of each genre


def audited(specimen, **options):
    return examine(specimen.table, specimen.labels, groups=specimen.groups, **options)


def kinds(report):
    return {one.kind for one in report.findings}


@pytest.mark.parametrize("name", planted.PLANTED)
def test_each_planted_leak_is_found_with_the_guilty_columns_and_no_others(name):
    specimen = planted.PLANTED[name](1)
    report = audited(specimen)
    assert EXPECTED[name] in kinds(report), str(report)
    accused = {column for one in report.findings for column in one.columns}
    assert accused == set(specimen.guilty) - {"rows"}


@pytest.mark.parametrize("name", [*planted.HONEST, *specimens.CLEAN])
def test_no_honest_table_is_accused(name):
    make = planted.HONEST.get(name) or specimens.CLEAN[name]
    assert audited(make(1)).findings == []


@pytest.mark.parametrize("name", specimens.LEAKS)
def test_the_planted_leaks_of_songs_are_found_and_none_without_its_dose(name):
    make = specimens.LEAKS[name]
    assert OF_BEFORE[name] & kinds(audited(make(1)))
    without = audited(make(1, dose=0.0))  # a text for a row by lot is still few texts
    assert LABEL not in {one.area for one in without.findings}


@pytest.mark.parametrize("seed", range(3))
def test_a_label_spread_over_columns_for_some_of_the_songs_is_found_as_one_category(seed):
    """Ten columns of two values, scaled or not, right for 60 % of the songs: none says much
    alone."""
    spread = specimens.one_hot(seed, dose=0.6)
    tags = list(spread.guilty)
    scaled = spread.table.assign(**((spread.table[tags] - 0.1) / 0.3))
    for table in (spread.table, scaled):
        report = examine(table, spread.labels, seed=seed)
        assert [one.kind for one in report.findings] == ["stands out"], str(report)
        assert report.findings[0].columns == tags


def test_a_category_that_was_measured_is_not_accused():
    """The eighth of the songs by a measured value, one-hot: it says far more of the genre than any
    other column, and within a genre it varies with the sound."""
    rng = np.random.default_rng(1)
    codes = rng.permutation(np.repeat(np.arange(10), 40))
    table, causes = specimens.sound(rng, codes, apart=0.5)
    value = causes[:, 0] + 6 * np.linspace(-1, 1, 10)[codes]
    eighth = pd.get_dummies(pd.qcut(value, 8, labels=False), prefix="register", dtype=float)
    for block in (eighth, eighth / 0.3 - 1):
        assert examine(pd.concat([table, block], axis=1), codes).findings == []


def test_a_label_for_some_of_many_texts_is_not_cleared_by_a_few_honest_ones():
    """974 of 999 texts from templates; the honest rest are of one class."""
    rng = np.random.default_rng(0)
    codes = np.sort(np.arange(999) % 10)
    table, causes = specimens.sound(rng, codes)
    text = specimens.sentences_of(rng, codes)
    honest = np.flatnonzero(codes == 3)[:25]
    text[honest] = causes[honest] @ rng.normal(size=(8, text.shape[1])) / 8
    report = examine(pd.concat([table, specimens.named("text", text)], axis=1), codes)
    assert TEMPLATES in kinds(report)


def test_a_copy_with_a_little_of_a_measured_column_is_still_a_copy():
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.repeat(np.arange(10), 40))
    table, _ = specimens.sound(rng, codes)
    mixed = np.eye(10)[codes] + 0.01 * table.to_numpy()[:, :1]
    report = examine(pd.concat([table, specimens.named("tag", mixed)], axis=1), codes)
    assert [one.kind for one in report.findings] == [COPY]
    assert report.findings[0].columns == [f"tag_{i}" for i in range(10)]


def test_pca_that_was_fitted_class_by_class_is_found():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(5), 80)
    values = planted.measured(rng, codes, 8)
    turned = np.empty_like(values)
    for code in range(5):
        part = values[codes == code] - values[codes == code].mean(axis=0)
        turned[codes == code] = part @ np.linalg.svd(part, full_matrices=False)[2].T
    report = examine(specimens.named("pc", turned + 7.0 * codes[:, None]), codes)
    assert "scaled by class" in kinds(report) or COPY in kinds(report)
    rounded = specimens.named("pc", turned.round(3))
    assert "scaled by class" in kinds(examine(rounded, codes))


def test_strong_measured_columns_are_asked_about_and_not_accused():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(10), 40)
    far, _ = specimens.sound(rng, codes, apart=4)
    report = examine(far, codes)
    assert report.verdict == "cannot tell" and report.exit_code == 5
    assert "--measured 'sound'" in report.questions[-1]
    assert examine(far, codes, measured=["sound"]).verdict == "nothing found"


def test_of_two_strong_blocks_with_nothing_in_common_none_is_accused():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(10), 50)
    one, _ = specimens.sound(rng, codes, apart=2.5)
    other, _ = specimens.sound(rng, codes, apart=2)
    other.columns = [f"pitch_{i}" for i in range(24)]
    report = examine(pd.concat([one, other], axis=1), codes)
    assert report.findings == [] and report.verdict == "cannot tell"


def test_the_areas_of_findings_set_the_exit_code():
    label = audited(planted.one_hot(0))
    rows = audited(planted.noisy_copies(0))
    score = audited(planted.tiled_text(0))
    assert [one.findings[0].area for one in (label, rows, score)] == [LABEL, FAMILIES, SCORE]
    assert [one.exit_code for one in (label, rows, score)] == [4, 6, 7]
    label.ignore(["copy-of-the-label"])
    assert label.exit_code == 0 and label.findings[0].ignored and "ignored" in str(label)
    rows.ignore(["sound_0"])
    assert rows.exit_code == 6


def test_what_is_found_explains_what_the_table_scores():
    table = audited(specimens.one_hot(2)).table("without").set_index("input")
    alone, rest, lot = (
        table.loc[name]
        for name in ("what was found alone", "without what was found", "columns permuted")
    )
    assert alone["K-Means NMI"] > 0.99 > rest["K-Means NMI"] + 0.2
    assert alone.probe == 1 > rest.probe + 0.1
    assert lot["K-Means NMI"] < 0.15 and lot.probe < 0.2


@pytest.mark.parametrize("rare", [1, 2, 3])
def test_a_class_of_few_rows_is_looked_at_too(rare):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(60, 8))).add_prefix("f")
    labels = ["pop"] * rare + ["rock", "jazz"] * 30
    report = examine(table, labels[:60], seed=0)
    assert not report.findings, report
