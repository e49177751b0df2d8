"""The named numbers of the pages "CVAE and posterior collapse" and "Collapse in depth"."""

from __future__ import annotations

from musicbook.chapters.collapse import words
from musicbook.chapters.collapse.grids import OTHER_LYRICS, published_grid
from musicbook.chapters.leakage import attribution
from musicbook.named_values import Value

FACTS = "data/author_facts.csv"
BATTERY = "data/results/gtzan/collapse_battery.csv"
SCALE = "data/results/gtzan/collapse_scale.csv"
FACTORS = "data/results/gtzan/collapse_factors.csv"
REBUILT = "CVAE, no annealing"  # the author's recipe, trained by us
NAMES = {"rebuilt_cvae": REBUILT, "rebuilt_cvae_other_lyrics": OTHER_LYRICS}
TITLES = {
    "rebuilt_cvae": "our rebuild of the author's CVAE",
    "rebuilt_cvae_other_lyrics": "our rebuild of the author's CVAE on lyrics it has not seen",
}
MEASURES = {  # ending of the name -> measure, what it is, digits
    "active_units": (("active units", "", ""), "active units", 1),
    "kl": (("KL", "", ""), "KL in nats", 1),
    "mse": (("squared error", "", ""), "squared error", 3),
    "mse_means": (("squared error", "", "means"), "squared error of a table of genre means", 3),
    "sound_mse": (("squared error", "sound", ""), "squared error of the sound", 3),
    "sound_mse_zero": (("squared error", "sound", "z = 0"), "that of the sound with z = 0", 3),
    "genre_from_z": (("probe", "c", "sampled z"), "accuracy of a probe of genre from z", 2),
    "genre_from_sound": (("probe", "c", "data"), "accuracy of a probe of genre from sound", 2),
}


def collapse_values() -> dict[str, Value]:
    """`author_cvae_gain`, `author_cvae_linear_gain`: which share of the error of a table of genre
    means the author's code takes off, and the best linear code; `rebuilt_cvae_…` the measures of
    our rebuild, mean over seeds, on its own lyrics and on others; `cvae_units_of_<n>_tracks` the
    units that a CVAE uses of so many tracks; `factors_<method>` how well planted factors are
    found."""
    return _author_gains() | _rebuilt() | _by_tracks() | _by_method()


def _author_gains() -> dict[str, Value]:
    facts = attribution.author_facts().value
    values = {}
    for name, row, whose in (
        ("gain", "cvae_mse", "its code"),
        ("linear_gain", "cvae_mse_linear", "the best linear code"),
    ):
        share = 1 - facts[row] / facts["cvae_mse_means"]
        meaning = (
            f"the author's CVAE: share of the error of a table of means that {whose} takes off"
        )
        values[f"author_cvae_{name}"] = Value(f"{share:.0%}", meaning, FACTS, row)
    return values


def _rebuilt() -> dict[str, Value]:
    table = published_grid("gtzan", "battery")
    if table is None:
        return {}
    values = {}
    released = table[table.protocol == "released"]
    for name, model in NAMES.items():
        part = released[released.model == model]
        if part.empty:
            continue
        for ending, (key, what, digits) in MEASURES.items():
            text = f"{words.mean_measure(part, *key):.{digits}f}"
            values[f"{name}_{ending}"] = Value(text, f"{TITLES[name]}: {what}", BATTERY, model)
        share = f"{words.gain_of(part):.0%}"
        meaning = f"{TITLES[name]}: share of the error of a table of means that its code takes off"
        values[f"{name}_gain"] = Value(share, meaning, BATTERY, model)
        verdict = words.counted(part.drop_duplicates("seed").verdict)
        values[f"{name}_verdict"] = Value(verdict, f"{TITLES[name]}: verdict", BATTERY, model)
    return values


def _by_tracks() -> dict[str, Value]:
    """Active units of a CVAE trained on the fewest and on the most tracks of GTZAN."""
    few, _ = words.split_scale(published_grid("gtzan", "scale"))
    if few is None or few.empty:
        return {}
    values = {}
    for n in (few.n.min(), few.n.max()):
        text = f"{words.mean_measure(few[few.n == n], 'active units'):.1f}"
        meaning = f"active units of a CVAE trained on {n} tracks of GTZAN"
        values[f"cvae_units_of_{n}_tracks"] = Value(text, meaning, SCALE, str(n))
    return values


def _by_method() -> dict[str, Value]:
    """Disentanglement (DCI) of planted factors that can be found, by ICA and by the best
    network."""
    table = published_grid("gtzan", "factors")
    if table is None:
        return {}
    ica = words.mean_measure(table[table.model == "ICA"], "disentanglement")
    model, beta, best = words.best_network(table[table.beta > 0])
    meaning = "disentanglement (DCI) of planted factors that can be found"
    return {
        "factors_ica": Value(f"{ica:.2f}", f"{meaning}, by ICA", FACTORS, "ICA"),
        "factors_best_network": Value(
            f"{best:.2f}", f"{meaning}, by the {model} at β = {beta:g}", FACTORS, model
        ),
    }
