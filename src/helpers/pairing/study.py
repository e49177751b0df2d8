"""What each fusion finds, against controls, and what sound and words know of a song: clusters, probes, retrieval,
variance.

Page "Songs with their own words" calls these for few seeds, `grids` for many. Everything is drawn by artist: folds and
intervals. A label is scored on the songs that have it, in classes of more than a few songs (`targets`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize

from .. import cache, clustering, inputs, metrics
from ..datasets import Tracks
from . import fusions
from .fusions import FUSIONS, OVER, OWN, SOUND, WEIGHTS, WITHIN, WORDS, Pair

SMALLEST, LEAST = 0.015, 5  # a class that is scored: its share of the songs, and how many at least
FOLDS = 5
NEAREST = 10  # of retrieval
RESAMPLES = 500
DEPTH = 12  # components that are looked at one by one
ARRAYS = dict[str, np.ndarray]


def targets(tracks: Tracks) -> ARRAYS:
    """Every label that can be scored, and each label but the language within each language: name -> codes (n,), -1 for
    songs that have none or are of a class of too few songs. Empty without labels."""
    found, least = {}, max(LEAST, round(SMALLEST * tracks.n))
    language = tracks.labels.get("language")
    for name, values in tracks.labels.items():
        found[name] = _codes(values, values != "", least)
        for one in np.unique(language) if language is not None and name != "language" else ():
            if (values[language == one] != "").mean() > 0.8:  # labels of fewer songs get too thin
                found[f"{name}, {one} only"] = _codes(values, (language == one) & (values != ""), least)
    return {name: codes for name, codes in found.items() if codes.max() > 0}


def _codes(values: np.ndarray, here: np.ndarray, least: int) -> np.ndarray:
    names, counts = np.unique(values[here], return_counts=True)
    kept = names[counts >= least]
    place = {name: i for i, name in enumerate(kept)} if len(kept) > 1 else {}
    return np.array([place.get(value, -1) if there else -1 for value, there in zip(values, here)])


# ---- clusters -------------------------------------------------------------------------------------------------------


def clustered(pair: Pair, labels: ARRAYS, name: str, control: str, seed: int) -> ARRAYS:
    """K-Means on a fusion's space, once a target, on the songs that have it and with as many clusters as it has
    classes: target -> clusters (n_target,). Nothing for a training that ran away."""
    from ..training import Diverged

    try:
        space = fusions.space(pair, name, control, seed)
    except Diverged as error:
        return {"diverged": np.array(str(error))}
    return {target: clustering.cluster(space[codes >= 0], "kmeans", int(codes.max()) + 1, seed, n_init=10)
            for target, codes in labels.items()}  # fmt: skip


def clusters(
    tracks: Tracks, names: Sequence[str], controls: Sequence[str], seeds: int, n_jobs: int | None = None
) -> dict[tuple[str, str, str], np.ndarray]:
    """(fusion, control, target) -> clusters (n_seeds, n_target), computed over the cores and kept in the store."""
    songs, labels = fusions.pair(tracks), targets(tracks)
    if songs.language is None or len(set(songs.language)) < 2:
        controls = [c for c in controls if c != WITHIN]
    todo = [(name, control, seed) for name in names for control in controls for seed in range(seeds)
            if FUSIONS.get(name, FUSIONS["concatenation"]).alone or control not in (SOUND, WORDS)]  # fmt: skip
    made = cache.remember_many([(clustered, songs, labels, *one) for one in todo], n_jobs, "fusions")
    found: dict[tuple[str, str, str], list[np.ndarray]] = {}
    for (name, control, _), part in zip(todo, made):
        for target in labels if "diverged" not in part else ():
            found.setdefault((name, control, target), []).append(part[target])
    return {key: np.stack(rows) for key, rows in found.items()}


def scores(
    tracks: Tracks, found: dict[tuple[str, str, str], np.ndarray], names: Sequence[str] = ("nmi", "ari")
) -> pd.DataFrame:
    """One row a fusion, control, target and metric: k, songs, seeds, mean, low, high (95 % intervals over artists and
    seeds), and own words minus this control, `gain`, `gain_low`, `gain_high`, paired over artists; for own words the
    gain is over the sound alone, without a network, which `found` has among ("concatenation", "sound alone")."""
    labels, rows = targets(tracks), []
    drawn = {}  # each clustering is resampled once
    for key, one in found.items():
        here = labels[key[2]] >= 0
        for metric in names:
            drawn[key, metric] = metrics.resampled(labels[key[2]][here], one, tracks.groups[here], metric)
    for (name, control, target), one in found.items():
        beaten = ("concatenation", SOUND, target) if control == OWN else (name, control, target)
        for metric in names:
            sides = [drawn[key, metric] for key in ((name, control, target), (name, OWN, target), beaten)]
            mean, low, high = metrics.interval(sides[:1])
            gain = metrics.interval(sides[1:])
            rows.append({"fusion": name, "control": control, "target": target, "metric": metric,
                         "k": int(labels[target].max()) + 1, "songs": one.shape[1], "seeds": len(one),
                         "mean": mean, "low": low, "high": high, "gain": gain[0], "gain_low": gain[1],
                         "gain_high": gain[2]})  # fmt: skip
    return pd.DataFrame(rows)


def by_weight(tracks: Tracks, seeds: int, n_jobs: int | None = None) -> pd.DataFrame:
    """`scores` by NMI of the concatenation at every weight of the words, 0 to 1, with own words and those of others:
    fusion is "words weigh 0.4", and `weight` the number."""
    control = WITHIN if len(set(tracks.labels.get("language", ()))) > 1 else OVER
    found = clusters(tracks, list(WEIGHTS), (OWN, control), seeds, n_jobs)
    found |= clusters(tracks, ["concatenation"], (OWN, SOUND), seeds, n_jobs)
    table = scores(tracks, found, ("nmi",))
    table = table[table.fusion != "concatenation"]
    return table.assign(weight=table.fusion.str.split().str[-1].astype(float))


# ---- probes ---------------------------------------------------------------------------------------------------------


def probe_targets(tracks: Tracks) -> tuple[ARRAYS, ARRAYS]:
    """What probes are asked for: labels and, where the year is known, the decade, as codes (n,); and the other numbers
    that the songs' "facts" have, (n,) float."""
    labels = {name: codes for name, codes in targets(tracks).items() if " only" not in name}
    facts = tracks.blocks.get("facts", pd.DataFrame(index=tracks.ids))
    if "year" in facts:
        decade = (facts.year // 10 * 10).astype(int).astype(str).to_numpy()
        codes = _codes(decade, decade != "", max(LEAST, round(SMALLEST * tracks.n)))
        labels |= {"decade": codes} if codes.max() > 0 else {}
    return labels, {name: facts[name].to_numpy() for name in facts if name != "year"}


def probe_input(pair: Pair, what: str, seed: int) -> np.ndarray:
    """What a probe sees, (n, d): a control's blocks side by side, every column z-scored."""
    return np.hstack([inputs.zscore(block) for block in pair.blocks(what, seed).values()])


def probed(X: np.ndarray, y: np.ndarray, artists: np.ndarray, classes: bool, seed: int) -> ARRAYS:
    """What a linear probe guesses of y (n,) from X (n, d) on songs of artists that it has not seen: "guess" (n,).

    Classes by logistic regression with balanced weights, numbers by ridge regression; FOLDS folds, fewer where a class
    has fewer artists."""
    folds = min(FOLDS, _fewest(y, artists)) if classes else FOLDS
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, class_weight="balanced", max_iter=300) if classes
                          else RidgeCV(np.logspace(0, 4, 9)))  # fmt: skip
    if classes:
        split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(X, y, artists)
    else:
        split = GroupKFold(folds, shuffle=True, random_state=seed).split(X, y, artists)
    guess = np.zeros(len(y), dtype=y.dtype)
    for train, test in split:
        guess[test] = model.fit(X[train], y[train]).predict(X[test])
    return {"guess": guess}


def probe_scores(tracks: Tracks, seeds: int, n_jobs: int | None = None) -> pd.DataFrame:
    """Linear probes of every target from sound, words, both, and sound with others' words: input, target, kind
    ("balanced accuracy", "R²"), chance, songs, mean, low, high, and `gain`, `gain_low`, `gain_high` of both over this
    input, in the row of both over sound alone."""
    songs = fusions.pair(tracks)
    labels, numbers = probe_targets(tracks)
    seen = [SOUND, WORDS, OWN, WITHIN if songs.language is not None else OVER]
    todo, calls = [], []
    for target, y in {**labels, **numbers}.items():
        classes = target in labels
        here = y >= 0 if classes else np.isfinite(y)
        if len(set(tracks.groups[here])) < 2 or (classes and _fewest(y, tracks.groups) < 2):
            continue
        for what in seen:
            for seed in range(seeds):
                todo.append((target, what))
                seen_by = probe_input(songs, what, seed)[here]
                calls.append((probed, seen_by, y[here], tracks.groups[here], classes, seed))
    made: dict[tuple[str, str], list[np.ndarray]] = {}
    for key, part in zip(todo, cache.remember_many(calls, n_jobs, "probes")):
        made.setdefault(key, []).append(part["guess"])
    rows = []
    for target in dict.fromkeys(target for target, _ in todo):
        y = {**labels, **numbers}[target]
        here = y >= 0 if target in labels else np.isfinite(y)
        sides = {what: _probe_sums(y[here], np.stack(made[target, what]), tracks.groups[here], target in labels)
                 for what in seen}  # fmt: skip
        for what in seen:
            mean, low, high = metrics.interval([sides[what]])
            gain = metrics.interval([sides[OWN], sides[SOUND if what == OWN else what]])
            rows.append({"input": what, "target": target, "kind": "balanced accuracy" if target in labels else "R²",
                         "chance": 1 / (y.max() + 1) if target in labels else 0.0, "songs": int(here.sum()),
                         "seeds": seeds, "mean": mean, "low": low, "high": high, "gain": gain[0], "gain_low": gain[1],
                         "gain_high": gain[2]})  # fmt: skip
    return pd.DataFrame(rows)


def _fewest(codes: np.ndarray, artists: np.ndarray) -> int:
    """Artists of the class that has the fewest."""
    return min(len(np.unique(artists[codes == one])) for one in range(codes.max() + 1))


def shares(top: np.ndarray, bottom: np.ndarray, artists: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over c of the ratio of two sums over songs, of each seed, (S,), and on resamples of whole artists,
    (RESAMPLES, S), as `metrics.interval` takes them. top (S, n, c), bottom (n, c)."""
    which = np.unique(artists, return_inverse=True)[1]
    pool = sparse.csr_matrix((np.ones(len(which)), (which, np.arange(len(which)))))
    above, below = np.stack([pool @ one for one in top]), pool @ bottom  # (S, artists, c), (artists, c)
    rng, n = np.random.default_rng(0), pool.shape[0]
    times = np.stack([np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(RESAMPLES)])
    whole = (above.sum(axis=1) / below.sum(axis=0)).mean(axis=1)
    with np.errstate(invalid="ignore"):  # a resample without a song of a class says nothing of it
        drawn = np.nanmean(np.einsum("ra,sac->rsc", times, above) / (times @ below)[:, None], axis=2)
    return whole, drawn


def _probe_sums(
    y: np.ndarray, guesses: np.ndarray, artists: np.ndarray, classes: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Balanced accuracy, or R², of guesses (S, n)."""
    if classes:
        member = np.eye(int(y.max()) + 1)[y]
        return shares((guesses == y)[:, :, None] * member, member, artists)
    whole, drawn = shares(((guesses - y) ** 2)[:, :, None], ((y - y.mean()) ** 2)[:, None], artists)
    return 1 - whole, 1 - drawn


# ---- retrieval ------------------------------------------------------------------------------------------------------


def found_again(pair: Pair, artists: np.ndarray, method: str, shuffled: bool, seed: int) -> ARRAYS:
    """How many songs' words lie nearer to a song's sound than its own, by cosine: "rank" (n,), in a space that was made
    of the songs of other artists, and "seen" (n,), in one that the song itself helped to make. `method` is "CCA" or
    "mixture of experts", whose experts take one modality alone; `shuffled` makes the space of wrong pairs."""
    rank, seen, n = np.zeros(len(artists), np.int32), np.zeros(len(artists), np.int32), len(artists)
    folds = GroupKFold(min(FOLDS, len(np.unique(artists))), shuffle=True, random_state=seed)
    order = pair.order(OVER if shuffled else OWN, seed)
    sound = inputs.reduce_text(pair.sound, pair.words.shape[1])[0] if method == "CCA" else pair.sound
    for train, test in folds.split(np.arange(n), groups=artists):
        if method == "CCA":
            correlations, one, other = fusions.cca(sound[train], pair.words[order][train])
            found = [(sound - sound[train].mean(axis=0)) @ one * correlations,
                     (pair.words - pair.words[order][train].mean(axis=0)) @ other * correlations]  # fmt: skip
        else:
            data = fusions.balanced({"sound": sound, "words": pair.words})
            net, _ = fusions.fit_multimodal((data[0][train], data[1][order[train]]), seed)
            with torch.no_grad():
                found = [net.encode(data[0], None)[0].double().numpy(), net.encode(None, data[1])[0].double().numpy()]
        one, other = map(normalize, found)
        alike = one @ other.T
        ranks = (alike > np.diag(alike)[:, None]).sum(axis=1)
        rank[test], seen[train] = ranks[test], ranks[train]
    return {"rank": rank, "seen": seen}


def retrieval(tracks: Tracks, seeds: int, methods: Sequence[str] = ("CCA", "mixture of experts"),
              n_jobs: int | None = None) -> pd.DataFrame:  # fmt: skip
    """Find a song's words by its sound, artists unseen: method, pairs ("own words", "words shuffled over all"), recall
    at NEAREST with its interval over artists, that on songs that the space was made of (`recall_seen`), chance, songs,
    median rank (from 1)."""
    songs, rows = fusions.pair(tracks), []
    methods = methods if len(set(tracks.groups)) > 1 else ()  # no artist could be kept unseen
    todo = [(method, shuffled) for method in methods for shuffled in (False, True)]
    calls = [(found_again, songs, tracks.groups, *one, seed) for one in todo for seed in range(seeds)]
    made = cache.remember_many(calls, n_jobs, "retrieval")
    for i, (method, shuffled) in enumerate(todo):
        ranks = np.stack([part["rank"] for part in made[i * seeds : (i + 1) * seeds]])
        sides = shares((ranks < NEAREST)[:, :, None].astype(float), np.ones((tracks.n, 1)), tracks.groups)
        mean, low, high = metrics.interval([sides])
        rows.append({"method": method, "pairs": OVER if shuffled else OWN, "recall": mean, "low": low, "high": high,
                     "recall_seen": np.mean([part["seen"] < NEAREST for part in made[i * seeds : (i + 1) * seeds]]),
                     "chance": NEAREST / tracks.n, "songs": tracks.n, "seeds": seeds,
                     "median_rank": float(np.median(ranks) + 1)})  # fmt: skip
    return pd.DataFrame(rows)


# ---- variance -------------------------------------------------------------------------------------------------------


def explained(X: np.ndarray, codes: np.ndarray) -> float:
    """Share of the variance of X (n, d) that lies between the means of the groups `codes` (n,), in [0, 1]."""
    centred = X - X.mean(axis=0)
    between = sum((codes == one).sum() * (centred[codes == one].mean(axis=0) ** 2).sum() for one in np.unique(codes))
    return float(between / (centred**2).sum())


def variance(tracks: Tracks) -> pd.DataFrame:
    """Where a label sits in each block: of every principal component (from 1; 0 is the whole block) its share of the
    block's variance, and how much of it lies between the classes of the label, `explained`, and between as many K-Means
    clusters of the block, `by_kmeans`, whose aim that is. Also block, target, and chance (k - 1 of n - 1)."""
    songs, rows = fusions.pair(tracks), []
    for name, block in (("sound", songs.sound), ("words", songs.words)):
        for target, codes in targets(tracks).items():
            here, k = codes >= 0, int(codes.max()) + 1
            if " only" in target:
                continue
            Z, y = inputs.reduce_text(block[here], None)[0], codes[here]
            scores, _ = inputs.reduce_text(Z, min(DEPTH, *Z.shape))
            named = {"block": name, "target": target, "chance": (k - 1) / (len(y) - 1)}
            best = clustering.cluster(Z, "kmeans", k, 0, n_init=10)
            rows.append(named | {"component": 0, "share": 1.0, "explained": explained(Z, y),
                                 "by_kmeans": explained(Z, best)})  # fmt: skip
            rows += [named | {"component": i + 1, "share": column.var() / Z.var(axis=0).sum(),
                              "explained": explained(column[:, None], y), "by_kmeans": explained(column[:, None], best)}
                     for i, column in enumerate(scores.T)]  # fmt: skip
    return pd.DataFrame(rows)
