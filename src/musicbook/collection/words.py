"""What a group of tracks has in common, in words that a listener uses.

The words come from two sources, never from labels: tags of the Million Song Dataset that the
network musicnn hears in the sound (jazz, female voice, instrumental), and what the 68 features
measure (fast, dark, quiet). A word belongs to a group when its tracks lie well above, or below, all
tracks in it. Page "What is in my music?"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers import inputs

SOUND = {  # a feature, or several that are averaged -> what little and what much of it is called
    ("tempo",): ("slow", "fast"),
    ("centroid_mean", "rolloff_mean"): ("dark", "bright"),
    ("rms_mean",): ("quiet", "loud"),
    ("rms_std",): ("steady loudness", "changing loudness"),
    ("contrast_02_mean", "contrast_03_mean", "contrast_04_mean", "contrast_05_mean"): (
        "full sound",
        "clear tones",
    ),
    ("zcr_mean",): ("smooth", "noisy"),
}
TAGS = {  # tags that are said in other words here; None: praise, or the same as another tag
    "female vocalists": "female voice",
    "female vocalist": None,
    "male vocalists": "male voice",
    "Hip-Hop": "hip-hop",
    "House": "house",
    "Mellow": "mellow",
    "Progressive rock": "progressive rock",
    "chillout": "chill",
    "chill": None,
    "electronica": None,
    "00s": "2000s",
    "beautiful": None,
    "catchy": None,
    "sexy": None,
}
CLEAR = 0.5  # standard deviations from the mean of all tracks, from which a word is used
HEARD = 0.02  # probability of a tag in a group, below which the network does not mean it
BESIDE = 0.3  # of the first tag's score, below which a further tag is not worth a word
NOTHING = "mixed"


def sound_scales(features: pd.DataFrame) -> pd.DataFrame:
    """What the words of SOUND are about, in standard deviations from the mean of all tracks: one
    column (little, much) a pair of words; the table's own columns where it has other features."""
    Z = pd.DataFrame(inputs.zscore(features.to_numpy()), features.index, features.columns)
    known = {
        words: Z[list(columns)].mean(axis=1)
        for columns, words in SOUND.items()
        if set(columns) <= set(Z)
    }
    if known:
        scales = pd.DataFrame(known)
    else:
        pairs = [(f"low {name}", f"high {name}") for name in Z]
        scales = Z.set_axis(pd.MultiIndex.from_tuples(pairs), axis=1)
    return scales / scales.std(ddof=0).replace(0.0, 1.0)


def tag_scales(tags: pd.DataFrame) -> pd.DataFrame:
    """Probabilities of tags (n, 50) as standard deviations from the mean of all tracks, under the
    names of TAGS."""
    names = {tag: TAGS.get(tag, tag) for tag in tags}
    kept = tags[[tag for tag, name in names.items() if name is not None]]
    spread = kept.std(ddof=0).replace(0.0, 1.0)
    return ((kept - kept.mean()) / spread).rename(columns=names)


class Vocabulary:
    """Every word that these tracks can be described by: `values` (n, words), how far each track
    lies on the side of a word, and `weight` (n, words), how much is heard of it (1 for sound)."""

    def __init__(self, features: pd.DataFrame, tags: pd.DataFrame | None = None):
        columns, weights = {}, {}
        if tags is not None:
            heard = tags.rename(columns={tag: TAGS.get(tag, tag) for tag in tags})
            for name, values in tag_scales(tags).items():
                columns[name], weights[name] = values.to_numpy(), heard[name].to_numpy()
        self.tags = list(columns)
        for (little, much), values in sound_scales(features).items():
            for word, side in ((little, -values), (much, values)):
                columns[word], weights[word] = side.to_numpy(), np.ones(len(values))
        self.values, self.weights = pd.DataFrame(columns), pd.DataFrame(weights)

    def of(self, rows: np.ndarray) -> list[str]:
        """The words of the tracks at `rows`, the clearest first: at most three tags that are really
        heard, then at most three words for the sound."""
        lift, heard = self.values.iloc[rows].mean(), self.weights.iloc[rows].mean()
        clear = lift[lift >= CLEAR]
        tags = [word for word in clear.index if word in self.tags and heard[word] >= HEARD]
        score = lift * heard
        tags = [word for word in tags if score[word] >= BESIDE * score[tags].max()]
        tags.sort(key=lambda word: -score[word])
        sound = [word for word in clear.index if word not in self.tags]
        sound.sort(key=lambda word: -lift[word])
        return tags[:3] + sound[:3]


def describe(labels: np.ndarray, vocabulary: Vocabulary) -> dict[int, list[str]]:
    """The words of each group of labels (n,); tracks between groups (-1) have none."""
    return {
        int(group): vocabulary.of(np.flatnonzero(labels == group))
        for group in np.unique(labels[labels >= 0])
    }


def names(words: Mapping[int, Sequence[str]]) -> dict[int, str]:
    """A short name for each group, all different: its first two words that say different things; a
    third where two groups would be called alike, then a number."""
    chosen: dict[int, str] = {}
    for group, own in words.items():
        said = _without_repeats(own)
        options = [", ".join(said[:count]) for count in (2, 3, 4, 5, 6) if said[:count]]
        options = options or [NOTHING]
        free = [name for name in options if name not in chosen.values()]
        name = free[0] if free else options[-1]
        number = 2
        while name in chosen.values():
            name = f"{options[-1]} {number}"
            number += 1
        chosen[group] = name
    return chosen


def _without_repeats(own: Sequence[str]) -> list[str]:
    """The words without those that hold an earlier one or are held by it: "metal, heavy metal" says
    no more than "metal"."""
    said: list[str] = []
    for word in own:
        if not any(word in earlier or earlier in word for earlier in said):
            said.append(word)
    return said


# ---- do the words say anything? ------------------------------------------------------------------


def recognised(labels: np.ndarray, vocabulary: Vocabulary, seed: int = 0) -> tuple[float, float]:
    """How often a track that had no part in the words is given to its own group by the words alone,
    and how often that happens by chance.

    Words come from a random half of each group. Each track of the other half goes to the group
    whose words fit it best: the mean of its values on them. Chance is that of words which are
    given to the groups at random: one over the number of groups. NaN below two groups with
    words."""
    rng = np.random.default_rng([seed, 5])
    groups = np.unique(labels[labels >= 0])
    words, held_out, truth = [], [], []
    for group in groups:
        rows = rng.permutation(np.flatnonzero(labels == group))
        words.append(vocabulary.of(rows[: len(rows) // 2]))
        held_out.append(rows[len(rows) // 2 :])
        truth.append(np.full(len(held_out[-1]), len(words) - 1))
    kept = [place for place, own in enumerate(words) if own]
    if len(kept) < 2:
        return float("nan"), float("nan")
    values = vocabulary.values.iloc[np.concatenate(held_out)]
    fit = np.column_stack([values[words[place]].mean(axis=1) for place in kept])
    guesses = np.array(kept)[fit.argmax(axis=1)]
    return float((guesses == np.concatenate(truth)).mean()), 1 / len(groups)
