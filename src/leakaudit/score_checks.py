"""Checks of what is no leak but spoils a score, and what scores become without what was found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from leakaudit import columns, leaks, spoilers
from leakaudit.case import Case
from leakaudit.families import REPEATED
from leakaudit.kinds import LABEL
from leakaudit.prepared import MISSING, MOSTLY_EMPTY, list_of

SAYS_NOTHING = 0.05  # effect of a whole table below which its rows may be joined wrongly
PROBE_ROWS = 500  # of each comparison in `compare_without`
DOSES = np.arange(1, 11) / 10


def check_scales(case: Case) -> None:
    """Dead dimensions of latents, and a table that is mostly empty."""
    for name, members in case.blocks.items():
        if not spoilers.LATENT.search(name) and name != "column":
            continue
        dead = spoilers.dead_columns(case.numbers[members].to_numpy())
        if dead.any():
            guilty = [c for c, bad in zip(members, dead) if bad]
            says = (
                f"{len(guilty)} of the {len(members)} dimensions of {name} are dead: they vary a "
                f"fifth as much as the quietest live one, or less. Few live dimensions raise a "
                "silhouette whatever the clusters are; standardising would make noise of the dead."
            )
            share = len(guilty) / len(members)
            case.report.add("dead dimensions", name, says, columns=guilty, effect=share)
    empty = case.prepared.empty
    if empty >= MOSTLY_EMPTY:
        says = f"{empty:.0%} of the cells of number columns hold no value."
        case.report.add("mostly empty", "table", says, effect=empty)


def check_unknown(case: Case) -> None:
    """Classes whose name says that they are none."""
    names, share = spoilers.unknown_classes(case.labels)
    if share >= spoilers.UNKNOWN_SHARE:
        says = (
            f"{share:.0%} of the rows are of the class {list_of(names)}. A purity of {share:.2f} "
            "is what one single cluster scores."
        )
        case.report.add("unknown class", "labels", says, effect=share)


def check_predictions(case: Case, predictions: np.ndarray) -> None:
    """Predictions or clusters, and what such predictions score by chance."""
    score = spoilers.score_predictions(predictions, case.codes, case.seed)
    numbers = score._asdict()
    case.report.scores |= {name: float(value) for name, value in numbers.items()}
    text = (
        f"{score.n_clusters} clusters against {len(case.classes)} classes of {len(case.codes)} "
        f"rows: NMI {score.nmi:.2f} (chance {score.nmi_chance:.2f}), ARI {score.ari:.2f} (chance "
        f"0), purity {score.purity:.2f} (chance {score.purity_chance:.2f})."
    )
    if score.n_clusters < 2:
        text = f"All predictions are the same. {text}"
    if score.n_clusters < 2 or score.p > leaks.LIKELY:
        case.report.add("predictions by chance", "predictions", text, p=score.p)
    else:
        case.report.notes.append(text)


def check_joined(case: Case) -> None:
    """Whether the whole table says anything of the label; if not, its rows may be joined
    wrongly."""
    for block in case.report.blocks:
        if block.get("p", 1.0) <= leaks.LIKELY and block.get("share", 0.0) >= SAYS_NOTHING:
            return
    if any(one.area == LABEL for one in case.report.findings):
        return
    effect = leaks.effect(case.numbers.to_numpy(), case.codes, case.groups, 39, case.seed)
    if effect is None or (effect.p <= leaks.LIKELY and effect.share >= SAYS_NOTHING):
        return
    case.report.questions.append(
        f"The table says {effect.share:.2f} of the label (0: chance, 1: all), as much as with its "
        "rows shuffled. Are features and labels joined in the same order?"
    )


def compare_without(case: Case, guilty: Sequence[str]) -> None:
    """Agreement of K-Means and accuracy of the best probe: of the table, without what was found,
    of that alone, and of two controls.

    Columns permuted within each class keep what they say of the label, and lose all else; permuted
    over all rows they keep neither.
    """
    rng = np.random.default_rng(case.seed)
    rows = leaks.sample_of_groups(case.codes, case.groups, PROBE_ROWS, case.seed)
    codes, groups = case.codes[rows], case.groups[rows]
    table = case.numbers.iloc[rows]
    X = table.to_numpy()
    order = np.argsort(codes, kind="stable")
    inside = np.empty_like(X)
    for column in range(X.shape[1]):
        inside[order, column] = X[np.lexsort([rng.random(len(X)), codes]), column]
    guilty = [c for c in table if c in guilty]
    parts = {"the table as it is": X}
    if 0 < len(guilty) < X.shape[1]:
        parts["without what was found"] = table.drop(columns=guilty).to_numpy()
    if guilty:
        parts["what was found alone"] = table[guilty].to_numpy()
    parts["columns permuted within each class"] = inside
    parts["columns permuted"] = rng.permuted(X, axis=0)
    for name, part in parts.items():
        case.report.without.append({"input": name, **_scores(part, codes, groups, case.seed)})


def _scores(X: np.ndarray, codes: np.ndarray, groups: np.ndarray, seed: int) -> dict:
    """Number of columns, NMI of K-Means, balanced accuracy of the best probe, and its chance."""
    effect, Z = leaks.effect(X, codes, groups, 19, seed), leaks.standard(X)
    k = min(codes.max() + 1, len(np.unique(Z, axis=0)))
    clusters = KMeans(k, n_init=3, random_state=seed).fit_predict(Z)
    accuracy = chance = np.nan
    if effect is not None:
        accuracy = max(effect.linear, effect.nonlinear, effect.spread)
        chance = effect.chance
    nmi = normalized_mutual_info_score(codes, clusters)
    return {"columns": X.shape[1], "K-Means NMI": nmi, "probe": accuracy, "chance": chance}


def smallest_dose(case: Case) -> str:
    """How small a leak this table would have shown, in two sentences.

    Into this table a column is planted that gives the number of the class for a share of the rows
    and any class for the others.
    """
    rng = np.random.default_rng([case.seed, 41])
    planted = np.empty((len(case.codes), len(DOSES)))
    for i, dose in enumerate(DOSES):
        kept = rng.random(len(case.codes)) < dose
        planted[:, i] = np.where(kept, case.codes, rng.permutation(case.codes))
    each = columns.by_column(planted, case.codes, case.groups, seed=case.seed)
    own = case.numbers[[c for c in case.numbers if not c.startswith(f"{MISSING}=")]].to_numpy()
    rest = columns.by_column(own, case.codes, case.groups, n_draws=1, seed=case.seed)
    likely = each["p"].to_numpy() <= leaks.LIKELY
    enough = np.zeros(len(DOSES), bool)
    for measure in ("labels", "one"):
        next_best = float(rest[measure].max())
        needed = max(columns.OUTSTANDING, next_best + columns.ABOVE_THE_REST)
        enough |= likely & (each[measure].to_numpy() >= min(columns.COPY, needed))
    first = len(DOSES)
    while first > 0 and enough[first - 1]:
        first -= 1
    rows = f"Copies are found from {REPEATED:.0%} of the rows on."
    if first == len(DOSES):
        return f"A column that gives the class of every row would not have stood out here. {rows}"
    return (
        f"A column that gives the class of {DOSES[first]:.0%} of the rows, and any class for the "
        f"others, would have been found; one for fewer might not. {rows}"
    )
