"""The measures of the audit, by hand and on data whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from leakaudit import blocks, columns, directions, families, leaks, spoilers, transforms
from leakaudit.names import groups_by_name
from musicbook.chapters.audit import planted, specimens


def test_the_null_is_kept_for_rows_that_belong_together():
    p = []
    for seed in range(40):  # noise that is a group's own, labels by group: nothing to be read
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(30), 4)
        X = rng.normal(size=(30, 6))[groups] + 0.1 * rng.normal(size=(120, 6))
        p.append(leaks.effect(X, (np.arange(30) % 3)[groups], groups, 39, seed).p)
    assert np.mean(np.array(p) <= 0.05) <= 0.15 and 0.3 < np.mean(p) < 0.7


def test_one_inverse_predicts_what_a_fit_without_the_fold_does():
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(60, 5)), np.arange(60) % 3
    K = X @ X.T / 5
    folds = leaks.splits(codes, np.arange(60), 0)
    guess = leaks._guesses(K, codes[None], folds)[0]
    Y = np.eye(3)[codes]
    for train, test in folds:
        mean = Y[train].mean(axis=0)
        weights = np.linalg.solve(
            K[np.ix_(train, train)] + leaks.RIDGE * np.eye(len(train)), Y[train] - mean
        )
        score = K[np.ix_(test, train)] @ weights / np.sqrt(mean * (1 - mean))
        assert np.array_equal(guess[test], score.argmax(axis=1))


def test_a_probe_that_knows_nothing_does_not_guess_by_rounding_errors():
    """All rows of a balanced one-hot block lie equally far out, so one probe says nothing of any
    row. What was left of its predictions, 1e-16, depended on the row's own class: chance was 0.26
    for ten classes."""
    codes = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 40))
    found = leaks.effect(np.eye(10)[codes], codes, n_draws=19)
    assert found.linear == 1 and found.spread == pytest.approx(0.1)
    assert 0.1 <= found.chance < 0.13


def test_a_probe_looks_at_a_bounded_number_of_rows_and_keeps_groups_whole():
    codes = np.repeat(np.arange(4), 2500)
    groups = np.arange(10_000) // 5
    rows = leaks.sample_of_groups(codes, groups, 1000)
    assert 1000 <= len(rows) <= 1040
    assert np.bincount(groups[rows])[np.unique(groups[rows])].tolist() == [5] * len(
        np.unique(groups[rows])
    )
    assert np.bincount(codes[rows]).tolist() == [250] * 4
    X = np.random.default_rng(0).normal(size=(10_000, 3)) + codes[:, None]
    assert leaks.effect(X, codes, groups, 19).n_rows <= 2040


def test_one_columns_numbers_by_hand():
    codes = np.repeat([0, 1, 2], 40)
    X = np.column_stack([codes == 2, np.random.default_rng(0).random(120), codes]).astype(float)
    each = columns.by_column(X, codes, np.arange(120))
    assert each.one[0] == pytest.approx(1)
    assert each.labels[0] == pytest.approx(0.5)  # (2/3 - 1/3) * 3/2
    assert each.labels[2] == pytest.approx(1) and each.p[2] == 0.05 < each.p[1]
    assert each.sure[0] == pytest.approx(40 / 43.8416)  # Wilson's bound of 40 in 40


def test_measured_columns_vary_together_within_a_class_and_copies_do_not():
    rng = np.random.default_rng(0)
    codes, cause = np.repeat([0, 1], 100), rng.normal(size=200)
    measured, copy = 8 * codes + cause, 8 * codes + rng.normal(size=200)
    others = np.column_stack([cause + rng.normal(size=200), rng.normal(size=200)])
    rows = np.arange(200)
    own, rest = columns.group_classes(codes, rows), columns.within(others, codes, rows)
    alone = columns.within(np.column_stack([measured, copy, codes]), codes, rows, None)
    p = columns.shared_variation(alone, rest, own)
    assert p[0] <= 0.01 < p[1] and p[2] == 1
    alive = columns.lively_classes(measured[:, None], others, codes, rows, 0)
    assert alive == {0: True, 1: True}


def test_an_acquittal_asks_every_class():
    rng = np.random.default_rng(1)
    codes = np.repeat(np.arange(4), 60)
    causes = rng.normal(size=(240, 3))
    others = causes @ rng.normal(size=(3, 6)) + 0.3 * rng.normal(size=(240, 6))
    block = causes @ rng.normal(size=(3, 5))
    block[codes != 2] = rng.normal(size=(180, 5))  # honest in one class only
    life = blocks.life_of(block, others, codes, np.arange(240), 0)
    assert life.p <= 0.01 and life.classes[2] and not life.everywhere


def test_the_label_is_found_in_a_direction_and_not_in_strong_measured_columns():
    rng = np.random.default_rng(0)
    codes, rows = np.arange(600) % 6, np.arange(600)
    sound = planted.measured(rng, codes)
    both = leaks.standard(np.column_stack([sound, codes]))
    turned = both @ np.linalg.qr(rng.normal(size=(13, 13)))[0]
    leak = directions.best_direction(turned, codes, rows, 0)
    assert leak.holds_the_label and leak.share > 0.99
    far, _ = specimens.sound(rng, codes, apart=8)
    honest = directions.best_direction(far.to_numpy(), codes, rows, 0)
    assert honest.share > 0.95 and not honest.holds_the_label


@pytest.mark.parametrize("transform", ["mean", "z", "sd", "pca"])
def test_transforms_by_class_leave_a_trace_and_those_of_the_whole_table_do_not(transform):
    rng = np.random.default_rng(0)
    codes = rng.integers(4, size=400)
    X = leaks.standard(planted.measured(rng, codes, 6))
    assert not transforms.scaled_by_class(X, codes).any()
    whole = X @ np.linalg.svd(X, full_matrices=False)[2].T
    assert not transforms.scaled_by_class(whole, codes).any()
    Y = X.copy()
    for code in range(4):
        part = X[codes == code]
        if transform in ("mean", "z"):
            part = part - part.mean(axis=0)
        if transform in ("sd", "z"):
            part = part / part.std(axis=0)
        if transform == "pca":
            part = part @ np.linalg.svd(part - part.mean(axis=0), full_matrices=False)[2].T
        Y[codes == code] = part
    assert transforms.scaled_by_class(Y, codes).all()


def test_noise_that_is_louder_in_some_classes_is_no_scaling_by_class():
    hits = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        codes = np.repeat(np.arange(8), 50)
        X = rng.normal(size=(400, 30)) * 2.0 ** codes[:, None]
        hits += transforms.scaled_by_class(X, codes).sum()
    assert hits == 0


def test_target_encoding_is_the_mean_label_and_a_real_count_is_not():
    rng = np.random.default_rng(0)
    codes, record = rng.integers(5, size=500), rng.integers(100, size=500)
    names = np.array(list("abcde"))
    mean = pd.Series(codes).groupby(record).transform("mean").to_numpy()
    share = pd.Series(codes == 2).groupby(record).transform("mean").to_numpy(float)
    for values in (mean, share, 3 - 2 * mean):
        assert transforms.target_encoded(values, codes, names, 0) > 0.995
    honest = rng.normal(size=100)[record] + codes * 0
    assert transforms.target_encoded(honest, codes, names, 0) is None
    assert transforms.target_encoded(rng.normal(size=500), codes, names, 0) is None


@pytest.mark.parametrize(
    ("size", "noise", "copies", "families_found"),
    [(2, 0.0, True, True), (2, 0.1, True, True), (4, 0.5, False, None), (1, 0.0, False, False)],
)
def test_rows_of_families_are_found_without_names(size, noise, copies, families_found):
    rng = np.random.default_rng(3)
    codes = np.arange(1000 // size) % 8
    X = leaks.standard(specimens.sound(rng, codes)[0].to_numpy()[:, :12])
    codes = np.repeat(codes, size)
    X = np.repeat(X, size, axis=0) + noise * rng.normal(size=(1000, 12))
    near = families.neighbour_gap(X, codes, np.arange(1000), 0)
    assert (near.copies > 0.02) == copies
    if families_found is None:  # half a standard deviation of noise: at least a question
        assert near.possible
    else:
        assert near.certain == families_found


def test_segments_are_families_and_curved_measured_data_are_not():
    segments = planted.segments(0)
    codes = np.unique(segments.labels, return_inverse=True)[1]
    rows = np.arange(len(codes))
    assert families.neighbour_gap(segments.table.to_numpy(), codes, rows, 0).certain
    digits = specimens.bundled("digits", 0, 1000)
    near = families.neighbour_gap(digits.table.to_numpy(), digits.labels, rows, 0)
    assert not near.possible and near.copies < 0.02


def test_known_groups_do_not_count_as_unnamed_families():
    segments = planted.segments_with_an_id(0)
    codes = np.unique(segments.labels, return_inverse=True)[1]
    X = segments.table.drop(columns="song_id").to_numpy()
    near = families.neighbour_gap(X, codes, segments.table["song_id"].to_numpy(), 0)
    assert not near.certain


@pytest.mark.parametrize(
    ("names", "how"),
    [
        ([f"blues.{i // 5:05d}.{i % 5}.wav" for i in range(100)], "the stem of name"),
        ([f"/music/song {i // 4}_seg{i % 4}.mp3" for i in range(100)], "the stem of name"),
        ([f"artist {i // 3}" for i in range(100)], "the column name"),
        (list(np.arange(100) // 2 + 1000), "the column name"),
    ],
)
def test_names_of_rows_give_groups(names, how):
    named = groups_by_name(pd.DataFrame({"name": names}), 2)
    assert named.how == how and len(np.unique(named.groups)) in (20, 25, 34, 50)


def test_names_that_never_repeat_or_are_the_class_give_none():
    unique = pd.DataFrame({"file": [f"blues.{i:05d}.wav" for i in range(100)]})
    kinds = pd.DataFrame({"title": [f"{'ab'[i % 2]}{i}" for i in range(100)]})
    assert groups_by_name(unique, 2) is None and groups_by_name(kinds, 2) is None


def test_bunches_are_counted_and_even_rows_have_none():
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(20, 16))[np.arange(400) % 20]
    bunch = blocks.bunches(
        texts + 0.05 * rng.normal(size=(400, 16)), np.arange(400) % 20, np.arange(400), 0
    )
    assert bunch.share > 0.95 and bunch.size == 20 and bunch.pure == 1
    assert blocks.bunches(rng.normal(size=(400, 16)), None, np.arange(400), 0).share < 0.05


def test_dead_dimensions_and_a_slow_decline():
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(200, 32)) * np.r_[0.93, np.full(31, 0.03)]
    assert spoilers.dead_columns(latents).sum() == 31
    assert not spoilers.dead_columns(rng.normal(size=(200, 32)) * 0.8 ** np.arange(32)).any()


def test_scores_of_predictions_come_with_chance():
    codes = np.arange(30) % 10
    score = spoilers.score_predictions(np.random.default_rng(0).permutation(30) % 10, codes, 0)
    assert 0.3 < score.nmi_chance < 0.6 and score.p > 0.05
    assert spoilers.score_predictions(np.zeros(30), codes, 0).n_clusters == 1
    assert spoilers.score_predictions(codes, codes, 0).nmi == pytest.approx(1)
    names, share = spoilers.unknown_classes(np.array(["Unknown"] * 6 + ["rock", "N/A", "pop", "?"]))
    assert set(names) == {"Unknown", "N/A", "?"} and share == pytest.approx(0.8)
