"""Tables and sentences that read the collapse chapter's numbers off a study or a grid, so that
prose cannot go stale.

Pages "CVAE and posterior collapse" and "Collapse in depth". A table is that of
`study.tidy_diagnoses` or of a grid; None, not computed, gives a note."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import stats

from helpers.escape import markup
from helpers.tables import mean_of, score_cell
from musicbook.chapters.collapse.decision import Thresholds
from musicbook.chapters.collapse.grids import RAN_AWAY
from musicbook.chapters.collapse.study import ChapterRun
from musicbook.chapters.phases.full_gtzan import stored_active_dimensions
from musicbook.named_values import Value, interval_words, quote, signed
from musicbook.stored_runs import Published

NOT_RUN = "Not computed here: `make results` makes this grid from the full feature table."
# of a sentence on several scores: one difference counts if it holds at this level after Bonferroni
LEVEL = 0.95


def pick(table: pd.DataFrame, measure: str, target: str = "", space: str = "") -> pd.DataFrame:
    """The rows of one measure."""
    return table[(table.measure == measure) & (table.target == target) & (table.space == space)]


def of_protocol(table: pd.DataFrame | None, protocol: str) -> pd.DataFrame | None:
    """The rows of one protocol; None without a table, or without such rows."""
    if table is None:
        return None
    part = table[table.protocol == protocol]
    return None if part.empty else part


def mean_measure(table: pd.DataFrame, measure: str, target: str = "", space: str = "") -> float:
    """One measure, mean over all rows."""
    return float(pick(table, measure, target, space).value.mean())


# ---- verdicts ------------------------------------------------------------------------------------


def counted(verdicts: Iterable[str]) -> str:
    """Verdicts over seeds in words: "by design (3 of 3 seeds)"; the bare word for one seed."""
    series = pd.Series(list(verdicts))
    counts = series.value_counts(sort=False)
    if len(series) == 1:
        return str(series.iloc[0])
    return ", ".join(f"{name} ({k} of {len(series)} seeds)" for name, k in counts.items())


def verdict_table(table: pd.DataFrame | None, columns: str) -> pd.DataFrame:
    """Models by the values of `columns`: the verdicts, counted over seeds."""
    if table is None:
        return pd.DataFrame({"note": [NOT_RUN]})
    once = table.drop_duplicates(["model", "seed", columns])
    words = once.groupby(["model", columns], sort=False).verdict.agg(counted)
    return words.unstack().fillna("–").rename_axis("Model")


def summary_table(table: pd.DataFrame | None, label: str = "genre") -> pd.DataFrame:
    """Models by the measures that carry the verdict, mean ± sd over seeds; `label` is what the
    condition is called."""
    if table is None:
        return pd.DataFrame({"note": [NOT_RUN]})
    models = pd.Index(dict.fromkeys(table.model), name="Model")
    shown = {
        "Active units": ("active units", "", ""),
        "KL (nats)": ("KL", "", ""),
        "Squared error": ("squared error", "", ""),
        "Error with another track's z": ("squared error", "", "z shuffled"),
        "Error of a table of means": ("squared error", "", "means"),
    }
    probes = table[(table.measure == "probe") & (table.space == "sampled z")]
    for target in probes.target.unique():
        name = label if target == "c" else target
        shown[f"{name} from z"] = ("probe", target, "sampled z")
    columns = pd.DataFrame(index=models)
    for name, key in shown.items():
        values = pick(table, *key).groupby("model").value.agg(["mean", "std"]).reindex(models)
        metric = "dims" if name == "Active units" else ""
        columns[name] = [score_cell(mean, sd, metric, 2) for mean, sd in values.to_numpy()]
    once = table.drop_duplicates(["model", "seed"])
    return columns.assign(Verdict=once.groupby("model").verdict.agg(counted))


def guessing_levels(table: pd.DataFrame, label: str = "genre") -> str:
    """How often guessing is right for each probe of z in `summary_table`."""
    probes = table[(table.measure == "probe") & (table.space == "sampled z")]
    chances = probes.groupby("target", sort=False).chance.mean()
    parts = []
    for target, chance in chances.items():
        name = label if target == "c" else target
        parts.append(f"{chance:.0%} of cases for the {name}")
    return (
        "The columns *from z* say how often a probe of z is right. Guessing alone is right in "
        f"{' and in '.join(parts)}."
    )


THRESHOLDS: dict[str, tuple[float, ...]] = {  # field of Thresholds -> what it is moved to
    "active": (0.01, 0.02, 0.1, 0.2),
    "notices": (0.01, 0.02, 0.1),
    "partial": (0.25, 0.75),
    "forgets": (0.25, 0.75),
}


def threshold_name(field: str, value: float) -> str:
    """What it means to move one threshold to a value."""
    if field == "active":
        return f"a unit is active above {value:g} nats"
    if field == "notices":
        return f"z matters if the z of another track adds {value:.0%} to the error"
    if field == "partial":
        return f"partial collapse: below {value:.0%} of the best linear code"
    return f"by design: a probe of c in z has less than {value:.0%} of its skill on the data"


def sensitivity(chapter: ChapterRun) -> pd.DataFrame:
    """The verdicts of every model when one threshold of the battery is moved and the others
    stay; the first row has those of the thresholds as they are used."""
    used = Thresholds()
    values_used = (
        f"{used.active:g} nats, {used.notices:.0%}, {used.partial:.0%} and {used.forgets:.0%}"
    )
    moved = {f"as used (in the order of the rows below: {values_used})": used}
    for field, values in THRESHOLDS.items():
        for value in values:
            moved[threshold_name(field, value)] = Thresholds(**{field: value})
    rows = {}
    for name, at in moved.items():
        rows[name] = {
            model: counted(one.verdict_at(at) for one in diagnoses)
            for model, diagnoses in chapter.diagnoses.items()
        }
    return pd.DataFrame(rows).T.rename_axis("Threshold")


def read_sensitivity(table: pd.DataFrame) -> str:
    """Whether a verdict of `sensitivity` changes with a threshold."""
    moved = table.iloc[1:]
    changed = int((moved != table.iloc[0]).to_numpy().sum())
    if not changed:
        return "No verdict changes."
    verb = "changes" if changed == 1 else "change"
    return f"Of the {moved.size} verdicts with a moved threshold, {changed} {verb}."


# ---- the tracks at hand --------------------------------------------------------------------------


def live_answer(chapter: ChapterRun) -> str:
    """The verdict on the first model for the data at hand, and the evidence that carries it."""
    model, diagnoses = next(iter(chapter.diagnoses.items()))
    verdict = counted(one.verdict for one in diagnoses)
    units = f"{chapter.values(model, 'active units').mean():.1f}"
    error_with_other_z = value_with_interval(chapter, model, "squared error", "", "z shuffled")
    sentences = [
        f"On *{markup(chapter.tracks.name)}* the verdict on the first model, the "
        f"{model_words(model)}, is **{verdict}**. It has {units.removesuffix('.0')} active units. "
        f"Its squared error is {chapter.values(model, 'squared error').mean():.2f}. With the z "
        f"of another track the error is {error_with_other_z}.",
        *_probe_sentences(chapter, model),
    ]
    if chapter.c is None:
        sentences.append(
            "These tracks have no labels, and a CVAE needs a condition: the models shown are "
            "unconditional, and only collapse itself can be diagnosed."
        )
    sentences += [f"There is {markup(note)}." for note in diagnoses[0].notes]
    return " ".join([*sentences, *chapter.left_out])


def model_words(model: str) -> str:
    """What a sentence calls a model: "CVAE, KL annealing" would read like two things."""
    name = model.replace(", no annealing", " without KL annealing").replace(", ", " with ")
    return f"*{name}*"


def value_with_interval(
    chapter: ChapterRun, model: str, measure: str, target: str = "", space: str = ""
) -> str:
    """A measure of a model, mean over seeds, with its 95 % interval where there is one."""
    key = measure, target, space
    mean = f"{chapter.values(model, *key).mean():.2f}"
    low, high = chapter.interval(model, *key)
    if np.isnan(low):
        return mean
    return f"{mean} (95 % interval {interval_words(low, high)})"


def _probe_sentences(chapter: ChapterRun, model: str) -> list[str]:
    table = chapter.diagnoses[model][0].table
    sentences = []
    for measure, target, space in table.index:
        if (measure, space) != ("probe", "sampled z"):
            continue
        name = markup(chapter.label if target == "c" else target)
        chance = table.at[(measure, target, space), "chance"]
        share = chapter.values(model, measure, target, space).mean()
        skills = [one.facts().skills[target] for one in chapter.diagnoses[model]]
        end = ""
        if all(skill.at_chance for skill in skills):
            end = f", so it finds no {name} in z"
        sentences.append(
            f"A probe reads {name} from z in {share:.0%} of cases, and guessing is right in "
            f"{chance:.0%}{end}."
        )
    return sentences


def standardised_scores(chapter: ChapterRun) -> str:
    """What K-Means gets on standardised means from the model that was made to collapse, beside the
    first one."""
    own, dead = next(iter(chapter.diagnoses)), list(chapter.diagnoses)[-1]
    if chapter.c is None or own == dead:
        return "Without a condition there is no score of it to compare."
    key = "NMI", "c", "standardised mu"
    healthy, collapsed = (chapter.values(model, *key).mean() for model in (own, dead))
    chance = np.mean([one.table.at[key, "chance"] for one in chapter.diagnoses[dead]])
    label = markup(chapter.label)
    first = (
        "Here we take the mean of each code, without its noise, and scale every unit to the same "
        "variance, as the author's program does in phase 3. Then K-Means looks for groups."
    )
    below = ""
    if healthy < chance:
        below = (
            " (Why a code without the genre can score below chance is said in "
            "[Advanced VAEs](03_advanced_vaes.ipynb).)"
        )
    if collapsed <= max(healthy, chance):
        return (
            f"{first} The collapsed model gets an NMI of {collapsed:.3f} with the {label}, and the "
            f"{model_words(own)} {healthy:.3f}."
        )
    return (
        f"{first} The collapsed model agrees better with the {label} (NMI {collapsed:.3f}) than "
        f"the {model_words(own)} ({healthy:.3f}), and better than chance ({chance:.3f}). The "
        "reason: in an unused unit the mean is nearly zero, but it holds a faint trace of the "
        "input. In a code z that is drawn with its noise, the trace drowns, so a probe only "
        "guesses. Without the noise, and scaled up, it counts as much as a real signal. Under "
        f"*controlled* and *written*, the other pages cluster the means without this "
        f"scaling.{below}"
    )


# ---- the paper's model ---------------------------------------------------------------------------


def page_answer(values: Mapping[str, Value]) -> str:
    """The page's answer: what holds of the CVAE that the paper's author trained."""
    quoted = {name: quote(values, f"author_cvae_{name}") for name in AUTHOR_QUOTED}
    return (
        "Not fully. It turns a song into a few numbers, its *code*. With zeros in place of the "
        f"code, its squared error on the sound rises from {quoted['sound_mse']} to "
        f"{quoted['sound_mse_zero']}. But the code holds far less information than the best code "
        f"of a linear network: {quoted['kl']} *nats* (a unit of information) against "
        f"{quoted['linear_kl']}. It also lowers the error far less. On lyrics that it had not "
        "seen, this is a *partial collapse*. On those of its training, which are not public, the "
        "verdict may differ. The paper infers a collapse from loose clusters (a low silhouette), "
        "which cannot show one."
    )


AUTHOR_QUOTED = ("sound_mse", "sound_mse_zero", "kl", "linear_kl")


def author_evidence(values: Mapping[str, Value]) -> str:
    """What the battery says of the author's own checkpoint, and why its lyrics matter."""

    def value(name: str) -> str:
        return quote(values, name)

    return (
        f"In the author's CVAE {value('author_cvae_active_units')} of "
        f"{value('author_cvae_units')} units are active. That alone is no collapse. But its code "
        f"has {value('author_cvae_kl')} nats, and the best linear code would have "
        f"{value('author_cvae_linear_kl')}. The code also lowers the error on the whole input "
        "(sound, lyrics and genre columns) only a little. (The errors in the first paragraph of "
        f"the page, {value('author_cvae_sound_mse')} and {value('author_cvae_sound_mse_zero')}, "
        "are on the sound only. All errors are means over columns that have variance 1.) On the "
        f"whole input, the squared error is {value('author_cvae_mse')}. A "
        "table of genre means, which needs no network and no code, has an error of "
        f"{value('author_cvae_mse_means')}. So the code makes the error only "
        f"{value('author_cvae_gain')} lower. The best linear code would make it "
        f"{value('author_cvae_linear_gain')} lower. By our rule these two things together are a "
        "*partial collapse*."
    )


def unseen_lyrics(table: pd.DataFrame | None, model: str, other: str) -> str:
    """What our rebuild of the author's CVAE gets on its own lyrics, and on others: how much of the
    author's figures is due to lyrics that we do not have."""
    if table is None:
        return NOT_RUN
    parts = {name: table[table.model == name] for name in (model, other)}
    gains = {name: gain_of(part) for name, part in parts.items()}
    own, unseen = (counted(_verdicts(part)) for part in parts.values())
    end = ""
    if own != unseen:
        end = (
            " So on the lyrics that it was trained on, which we do not have, the author's network "
            "might get another verdict."
        )
    return (
        "But the author's lyrics are not public, so we judge the author's network on lyrics that "
        "it has not seen. We trained the same network again to see how much that matters. On the "
        f"lyrics that ours was trained on, its code makes the error {gains[model]:.0%} lower. "
        f"The verdict is **{own}**. On other lyrics with the same tags, it makes the error "
        f"{gains[other]:.0%} lower. There, the verdict is **{unseen}**.{end}"
    )


def units_by_protocol(runs: Published, table: pd.DataFrame | None) -> str:
    """How many units our CVAEs of phase 3 use under two protocols, and why that differs; nothing
    where one of them was not run. `table` is the one above it, with seeds of its own."""
    names = [name for name in ("released", "controlled") if name in runs.protocols]
    counts = [stored_active_dimensions(runs, name, 3).get("cvae", np.nan) for name in names]
    if len(counts) < 2 or np.isnan(counts).any():
        return ""
    released, controlled = counts
    of_them = "" if table is None else f" (the table has {table.seed.nunique()} of them)"
    return (
        "How many units a CVAE uses depends on the protocol. We counted them on full GTZAN, with "
        f"sound and lyrics, and took the mean over {len(runs.seeds)} seeds{of_them}. Our CVAE uses "
        f"{released:.1f} units under *released*, and {controlled:.1f} under *controlled*. The two "
        "differ in their inputs, layers and training ([Method](../book/method.md)). So compare "
        "units only within one protocol."
    )


def gain_of(table: pd.DataFrame, space: str = "") -> float:
    """Which share of the error of a table of means a code takes off, mean over seeds; `space`
    "linear" asks the best linear code."""
    return 1 - mean_measure(table, "squared error", "", space) / mean_measure(
        table, "squared error", "", "means"
    )


def _verdicts(table: pd.DataFrame) -> pd.Series:
    return table.drop_duplicates("seed").verdict


# ---- grids ---------------------------------------------------------------------------------------


def ran_away(*tables: pd.DataFrame | None) -> str:
    """A sentence on the trainings of some grids that diverged, with their seeds."""
    names = []
    for table in tables:
        lost = pd.DataFrame() if table is None else table[table.verdict == RAN_AWAY]
        for row in lost.itertuples():
            names.append(f"*{row.model}* on {row.n} tracks, beta = {row.beta:g}, seed {row.seed}")
    if not names:
        return "No training failed, so nothing is left out of the tables and figures of this page."
    return f"These trainings are left out, because their loss exploded: {'; '.join(names)}."


def changes(
    table: pd.DataFrame | None, column: str, before, after, by: str = "model"
) -> pd.DataFrame:
    """What changes from the rows where `column` is `before` to those where it is `after`, for each
    value of `by`: means over seeds of the paired differences, with 95 % t intervals."""
    if table is None:
        return pd.DataFrame({"note": [NOT_RUN]})
    shown = {
        "Active units": ("active units",),
        "KL (nats)": ("KL",),
        "Genre, NMI": ("NMI", "c", "active units"),
        "Genre from z": ("probe", "c", "sampled z"),
        "Style from active units": ("probe", "style", "active units"),
    }
    rows: dict = {}
    for name, key in shown.items():
        for group, part in pick(table, *key).groupby(by, sort=False):
            gaps = _paired_gaps(part, column, before, after)
            if len(gaps):
                mean, half = gaps.mean(), half_width(gaps)
                words = f"{signed(mean, 2)} ({interval_words(mean - half, mean + half, sign=True)})"
                rows.setdefault(group, {})[name] = words
    return pd.DataFrame(rows).T.fillna("–").rename_axis(by.capitalize())


def _paired_gaps(part: pd.DataFrame, column: str, before, after) -> pd.Series:
    """The differences of one measure, seed by seed."""
    seeds = part.pivot_table(index="seed", columns=column, values="value")
    seeds = seeds.reindex(columns=[before, after])
    return (seeds[after] - seeds[before]).dropna()


def half_width(values: pd.Series, level: float = LEVEL) -> float:
    """Half the width of the t interval of a mean; NaN for one value."""
    t = stats.t.ppf((1 + level) / 2, max(len(values) - 1, 1))
    return float(t * values.std() / len(values) ** 0.5)


def split_scale(
    table: pd.DataFrame | None,
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """The grid of scale in two: the collection itself, and tracks that were drawn."""
    if table is None:
        return None, None
    drawn = table.data.isin(["planted", "MSD-shaped"])
    return table[~drawn], table[drawn]


def with_data_in_names(table: pd.DataFrame | None) -> pd.DataFrame | None:
    """The table with the kind of track in the name of each model."""
    return None if table is None else table.assign(model=table.model + ", " + table.data)


def fewest_and_most(table: pd.DataFrame | None) -> tuple[int, int]:
    """The fewest and the most tracks of a table; 0 and 0 without one."""
    if table is None or table.empty:
        return 0, 0
    return int(table.n.min()), int(table.n.max())


def read_few(table: pd.DataFrame | None) -> str:
    """What more tracks of the paper's own collection change for a CVAE: how much of its code it
    uses, and whether the verdict changes."""
    if table is None or table.empty:
        return NOT_RUN
    few, most = table.n.min(), table.n.max()
    sides = [table[table.n == n] for n in (few, most)]
    units, nats = (
        [mean_measure(side, measure) for side in sides] for measure in ("active units", "KL")
    )
    verdicts = {n: counted(_verdicts(part)) for n, part in table.groupby("n")}
    same = len({word.split(" (")[0] for word in verdicts.values()}) == 1
    end = (
        f"The verdict stays: {next(iter(verdicts.values()))}."
        if same
        else f"The verdicts, by size: {'; '.join(f'{n}: {word}' for n, word in verdicts.items())}."
    )
    return (
        f"With {few} tracks of GTZAN, by their sound alone, a CVAE has {units[0]:.1f} active "
        f"units. With {most} tracks it has {units[1]:.1f}. So more tracks mean "
        f"{'more' if units[1] > units[0] else 'no more'} active units. The KL, which says how much "
        f"information z carries, changes from {nats[0]:.1f} to {nats[1]:.1f} nats. "
        f"{end}"
    )


def read_many(table: pd.DataFrame | None) -> str:
    """Whether many more planted tracks change the diagnosis of a healthy and of a collapsed
    CVAE."""
    if table is None or table.empty:
        return NOT_RUN
    few, most = table.n.min(), table.n.max()
    healthy = table[table.model == "CVAE"]
    dead = table[table.model.str.contains("beta")]
    words = set(healthy.verdict)
    stays = len(words) == 1 and set(dead.verdict) == {"collapsed"}
    if not stays:
        return (
            f"From {few:,} to {most:,} synthetic tracks the diagnosis changes: the healthy CVAE is "
            f"called {', '.join(sorted(words))}, and the collapsed one "
            f"{', '.join(sorted(set(dead.verdict)))}."
        )
    betas = ", ".join(f"{beta:g}" for beta in sorted(dead.beta.unique()))
    return (
        f"From {few:,} to {most:,} synthetic tracks, no verdict changes. A CVAE that works still "
        f"works (“{words.pop()}”), and a collapsed one, with β = {betas}, stays collapsed."
    )


def read_working(table: pd.DataFrame | None, few: pd.DataFrame | None) -> str:
    """What many more synthetic tracks (`table`) change in a CVAE that works, for each kind of
    track: the information that its code carries, and how well a probe reads the style from it; and
    that the first tracks of a collection (`few`) change the information in their own way."""
    if table is None or table.empty or few is None or few.empty:
        return NOT_RUN
    ends = fewest_and_most(table)
    says = {1: "rises", -1: "falls", 0: "does not change clearly"}
    parts = []
    for data, part in table[table.model == "CVAE"].groupby("data", sort=False):
        information = says[_sign_of_change(pick(part, "KL"), *ends)]
        style = says[_sign_of_change(pick(part, "probe", "style", "active units"), *ends)]
        parts.append(
            f"On {data} tracks the KL {information}, and the accuracy with which a probe reads the "
            f"style {style}."
        )
    return (
        f"This is what more tracks change in a CVAE that works. {' '.join(parts)} On GTZAN, in the "
        "figure at the top of the page, the KL "
        f"{says[_sign_of_change(pick(few, 'KL'), *fewest_and_most(few))]}. But that figure begins "
        f"with {few.n.min():,} tracks, and here the fewest are {ends[0]:,}."
    )


def _sign_of_change(part: pd.DataFrame, before: int, after: int) -> int:
    """+1 or -1 for a change of one measure with the tracks whose interval misses zero, else 0."""
    gaps = _paired_gaps(part, "n", before, after)
    half = half_width(gaps)
    return int(gaps.mean() > half) - int(gaps.mean() < -half)


BROKEN = "planted, collapsed"  # the start of the remedies at which a model without one collapses


REMEDIES = {  # names in the grid, as a sentence says them
    "free bits 0.25": "free bits",
    "beta = 0.25": "a small β",
    "learned sigma, beta = 1": "a learned σ with β = 1",
    "BN-VAE 0.6": "BN-VAE",
}


def depth_answer(many: pd.DataFrame | None, remedies: pd.DataFrame | None) -> str:
    """The answer of the page "Collapse in depth": what a collapse is, and what cures it."""
    return (
        "A *conditional VAE* (CVAE) is a network that is given the genre, and keeps the rest of a "
        "track in a code. It has *collapsed* if this code says nothing about the track. "
        f"{read_remedies(remedies)} More tracks do not cure it. {read_many(many)}"
    )


def read_remedies(table: pd.DataFrame | None) -> str:
    """Which remedies cure a collapsed model: those after which a probe reads the style from z."""
    if table is None:
        return NOT_RUN
    style = pick(table[table.start == BROKEN], "probe", "style", "sampled z")
    means = style.groupby("model", sort=False)[["value", "chance"]].mean()
    cured = (means.value > means.chance + 0.05).drop("none", errors="ignore")
    names = [REMEDIES.get(name, name) for name in cured.index[cured]]
    if not names:
        return "None of our remedies cures a collapsed model."
    return f"Of the remedies that we tried on a collapsed model, these cure it: {', '.join(names)}."


def read_sweep(table: pd.DataFrame | None, runs: Published) -> str:
    """Whether the silhouette and the agreement with genre rise together along β, and whether they
    do from PCA to the VAE in the published `runs`; and why K-Means scores where no unit is
    active."""
    if table is None:
        return NOT_RUN
    silhouette, nmi, units = (
        pick(table, *measure).groupby("beta").value.mean()
        for measure in (("silhouette",), ("NMI", "c"), ("active units",))
    )
    low, high = sorted([silhouette.idxmin(), silhouette.idxmax()])
    first = "rises" if silhouette[high] > silhouette[low] else "falls"
    second = "rises" if nmi[high] > nmi[low] else "falls"
    together = f"So between these values of β, the silhouette and the NMI {first[:-1]} together."
    if first != second:
        together = "So between these values of β, the silhouette and the NMI do not go together."
    sentences = [
        f"From β = {low:g} to β = {high:g}, the silhouette {first} from {silhouette[low]:.2f} to "
        f"{silhouette[high]:.2f}. The agreement with genre (NMI) {second} from {nmi[low]:.2f} to "
        f"{nmi[high]:.2f}. {together}",
        _silhouettes_of_methods(runs),
    ]
    dead = units.index[units == 0]
    if len(dead):
        sentences.append(
            f"At β = {dead[0]:g} no unit is active, but K-Means still reaches an NMI of "
            f"{nmi[dead[0]]:.2f}. It clusters the means of the code without their noise. These "
            "means are nearly zero, but they hold a faint trace of the input."
        )
    return "\n\n".join(filter(None, sentences))


def _silhouettes_of_methods(runs: Published) -> str:
    """That a higher silhouette does not mean better clusters, where the published runs show it."""
    methods = "VAE + K-Means", "PCA + K-Means"
    if not all(runs.has("controlled", 1, method) for method in methods):
        return ""
    scores = runs.run("controlled", 1)
    vae, pca = (mean_of(scores, method, "silhouette") for method in methods)
    vae_nmi, pca_nmi = (mean_of(scores, method, "nmi") for method in methods)
    if not (vae > pca and vae_nmi < pca_nmi):
        return ""
    return (
        "Between methods, a higher silhouette need not mean better clusters. On full GTZAN, with "
        f"sound alone, the silhouette of the VAE is {vae:.3f}, and that of PCA is {pca:.3f}. But "
        f"PCA agrees better with genre (NMI {pca_nmi:.3f} against {vae_nmi:.3f}). In fewer "
        "dimensions clusters often look better separated, whatever they hold. "
        "[Audio baseline](01_audio_baseline.ipynb) shows this for PCA."
    )


SCORES = ("MIG", "SAP", "disentanglement")


def read_factors(table: pd.DataFrame | None) -> str:
    """Whether a network finds planted factors that can be found, for a VAE and a CVAE alike."""
    if table is None:
        return NOT_RUN
    networks = table[table.beta > 0]
    model, beta, best = best_network(networks)
    by_mixing = pick(networks, "disentanglement").groupby(["model", "beta", "data"]).value.mean()
    alone = by_mixing.max()
    ica, oracle = (
        mean_measure(table[table.model == name], "disentanglement") for name in ("ICA", "oracle")
    )
    start = (
        "No network comes near at any β: the best is" if ica > 2 * best else "The best network is"
    )
    return (
        "The factors can be found. We score this by *disentanglement*, which is explained below. "
        f"ICA, which is no network, reaches {ica:.2f}. The true factors themselves reach "
        f"{oracle:.2f}. {start} the {model} at β = {beta:g}, with {best:.2f}. (These scores are "
        f"means over both mixings. In one mixing alone, a network reaches up to {alone:.2f}.) "
        f"{read_beta(table)}"
    )


def read_beta(table: pd.DataFrame) -> str:
    """What a larger beta does to the scores of disentanglement: a verdict that holds for both
    networks, both mixings and all three scores, or none."""
    effects = beta_effects(table)
    signs, n = set(effects.sign), len(effects)
    largest = f"From β = 1 to β = {table.beta.max():g},"
    if signs == {"less"}:
        return f"{largest} all {n} scores get worse: a larger β disentangles less."
    if signs == {"more"}:
        return f"{largest} all {n} scores get better: a larger β disentangles more."
    more, less = ((effects.sign == sign).sum() for sign in ("more", "less"))
    end = "So we found no support for the claim that a larger β separates the factors."
    if more:
        end = "So the comparisons do not agree."
    found = f"In {more} of them the score rises, and in {less} it falls."
    if not more and not less:
        found = "In none of them does the score change detectably."
    return (
        "Does a larger β help to find known factors in synthetic data? "
        f"We compare β = {table.beta.max():g} with β = 1, for two networks, two mixings and three "
        f"scores: {n} comparisons. {found} {end}"
    )


def best_network(networks: pd.DataFrame) -> tuple[str, float, float]:
    """The network and the beta whose disentanglement is highest, mean over seeds and mixings."""
    means = pick(networks, "disentanglement").groupby(["model", "beta"]).value.mean()
    model, beta = means.idxmax()
    return str(model), float(beta), float(means.max())


def beta_effects(table: pd.DataFrame) -> pd.DataFrame:
    """What the largest beta does to each score against beta = 1, by network and mixing: mean of
    the paired differences, its interval with Bonferroni's correction over all of them, and "more",
    "less" or "level"."""
    networks = table[table.beta > 0]
    groups = networks.groupby(["model", "data"], sort=False)
    level = 1 - (1 - LEVEL) / (len(SCORES) * groups.ngroups)
    rows = []
    for (model, data), part in groups:
        for score in SCORES:
            gaps = _paired_gaps(pick(part, score), "beta", 1.0, networks.beta.max())
            mean, half = gaps.mean(), half_width(gaps, level)
            sign = "level"
            if mean - half > 0:
                sign = "more"
            elif mean + half < 0:
                sign = "less"
            rows.append((model, data, score, mean, mean - half, mean + half, sign))
    columns = ["model", "data", "score", "mean", "low", "high", "sign"]
    return pd.DataFrame(rows, columns=columns)
