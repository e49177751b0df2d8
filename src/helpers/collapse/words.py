"""Tables and sentences that read the collapse chapter's numbers off a study or a grid, so that prose cannot go stale.

Page "CVAE: collapse or by design?". A table is `study.tidy`'s or a grid's; None, not computed, gives a note."""

from __future__ import annotations

import pandas as pd
from scipy import stats

from ..escape import markup
from ..tables import cell, range_cell
from .battery import Thresholds, decide
from .grids import RAN_AWAY
from .study import ChapterRun

NOT_RUN = "Not computed here: `make results` makes this grid from the full feature table."


def pick(table: pd.DataFrame, measure: str, target: str = "", space: str = "") -> pd.DataFrame:
    """The rows of one measure."""
    return table[(table.measure == measure) & (table.target == target) & (table.space == space)]


def counted(verdicts: pd.Series) -> str:
    """Verdicts over seeds in words: "by design (3 of 3 seeds)"; the bare word for one seed."""
    n, counts = len(verdicts), verdicts.value_counts(sort=False)
    return ", ".join(f"{name} ({k} of {n} seeds)" if n > 1 else name for name, k in counts.items())


def verdict_table(table: pd.DataFrame | None, columns: str) -> pd.DataFrame:
    """Models by the values of `columns`: the verdicts, counted over seeds."""
    if table is None:
        return pd.DataFrame({"note": [NOT_RUN]})
    once = table.drop_duplicates(["model", "seed", columns])
    return once.groupby(["model", columns], sort=False).verdict.agg(counted).unstack().fillna("–").rename_axis("Model")


def summary(table: pd.DataFrame | None, label: str = "genre") -> pd.DataFrame:
    """Models by the measures that carry the verdict, mean ± sd over seeds; `label` is what the condition is called."""
    if table is None:
        return pd.DataFrame({"note": [NOT_RUN]})
    probed = table[(table.measure == "probe") & (table.space == "sampled z")].target.unique()
    shown = {"Active units": ("active units",), "KL (nats)": ("KL",), "Squared error": ("squared error",),
             "the same, z shuffled": ("squared error", "", "z shuffled")}
    shown |= {f"{label if t == 'c' else t} from z": ("probe", t, "sampled z") for t in probed}
    models = pd.Index(dict.fromkeys(table.model), name="Model")
    found = pd.DataFrame(index=models)
    for name, key in shown.items():
        values = pick(table, *key).groupby("model").value.agg(["mean", "std"]).reindex(models)
        found[name] = [cell(mean, sd, "dims" * (name == "Active units"), 2) for mean, sd in values.to_numpy()]
    once = table.drop_duplicates(["model", "seed"])
    return found.assign(Verdict=once.groupby("model").verdict.agg(counted))


def ran_away(table: pd.DataFrame | None) -> str:
    """A sentence on the trainings of a grid that diverged, with their seeds; "" where there are none."""
    lost = [] if table is None else table[table.verdict == RAN_AWAY].itertuples()
    names = [f"*{row.model}* on {row.n} tracks, beta = {row.beta:g}, seed {row.seed}" for row in lost]
    return f"Left out, because the training ran away: {'; '.join(names)}." if names else ""


def answer(chapter: ChapterRun) -> str:
    """The page's answer for the data at hand: the first model's verdict and the evidence that carries it; then what was
    left out."""
    model, found = next(iter(chapter.diagnoses.items()))

    def mean(*key: str) -> str:
        said = range_cell(*chapter.interval(model, *key), 2).replace("–", "")  # none with one group
        return f"{chapter.values(model, *key).mean():.2f} {said}".rstrip()

    verdict = counted(pd.Series([one.verdict for one in found]))
    text = [f"On *{markup(chapter.tracks.name)}* the verdict on *{model}* is **{verdict}**: it keeps "
            f"{chapter.values(model, 'active units').mean():.1f} active units and {mean('KL')} nats, and its squared "
            f"error goes from {mean('squared error')} to {mean('squared error', '', 'z shuffled')} when z is exchanged "
            "between tracks."]  # fmt: skip
    probes = [f"{markup(chapter.label if target == 'c' else target)} right in {mean('probe', target, 'sampled z')} of "
              f"cases (chance {row.chance:.2f}, from the data {row.value:.2f})"
              for (measure, target, space), row in found[0].table.iterrows() if (measure, space) == ("probe", "data")]
    if probes:
        text.append(f"A probe of z gets {' and '.join(probes)}; in brackets 95 % intervals over tracks and seeds.")
    if chapter.c is None:
        text.append("These tracks have no labels, hence no condition, and a CVAE needs one: the models shown are "
                    "unconditional, and only collapse itself can be diagnosed.")
    return " ".join([*text, *(f"There is {markup(note)}." for note in found[0].notes), *chapter.left_out])


def claim(chapter: ChapterRun) -> str:
    """What K-Means makes of the model that was made to collapse, beside the first one."""
    own, dead = next(iter(chapter.diagnoses)), list(chapter.diagnoses)[-1]
    if chapter.c is None or own == dead:
        return "Without a condition there is no score of it to compare."
    one, two = (chapter.values(model, "NMI", "c", "standardised mu").mean() for model in (own, dead))
    why = (" The score is higher where nothing is left to score: standardising blows up the faint traces of the input "
           "in dead units.") * bool(two > one)
    return (f"K-Means on standardised means, the way the released code scores a CVAE, gives *{dead}* an NMI of "
            f"{two:.3f} with the {markup(chapter.label)}, and *{own}* {one:.3f}.{why}")


def sensitivity(chapter: ChapterRun) -> pd.DataFrame:
    """The verdicts of every model when one threshold of the battery is moved and the others stay."""
    at = {"as used": Thresholds()}
    at |= {f"a unit is active above {nats:g} nats": Thresholds(active=nats) for nats in (0.01, 0.02, 0.1, 0.2)}
    at |= {f"a shuffle is noticed above {share:.0%}": Thresholds(notices=share) for share in (0.01, 0.02, 0.1)}
    at |= {f"z has lost the condition below {share:.0%} of the data's skill": Thresholds(forgets=share)
           for share in (0.25, 0.75)}  # fmt: skip
    rows = {name: {model: counted(pd.Series([decide(d, where)[0] for d in found]))
                   for model, found in chapter.diagnoses.items()} for name, where in at.items()}
    return pd.DataFrame(rows).T.rename_axis("Threshold")


def changes(table: pd.DataFrame | None, column: str, before, after, by: str = "model") -> pd.DataFrame:
    """What changes from the rows where `column` is `before` to those where it is `after`, for each value of `by`: means
    over seeds of the paired differences, with 95 % t intervals."""
    if table is None:
        return pd.DataFrame({"note": [NOT_RUN]})
    shown = {"Active units": ("active units",), "KL (nats)": ("KL",), "Genre, NMI": ("NMI", "c", "active units"),
             "Genre from z": ("probe", "c", "sampled z"), "Style from units": ("probe", "style", "active units")}
    rows: dict = {}
    for name, key in shown.items():
        for group, part in pick(table, *key).groupby(by, sort=False):
            seeds = part.pivot_table(index="seed", columns=column, values="value").reindex(columns=[before, after])
            gap = (seeds[after] - seeds[before]).dropna()
            if len(gap):
                half = stats.t.ppf(0.975, max(len(gap) - 1, 1)) * gap.std() / len(gap) ** 0.5
                said = f"{round(gap.mean(), 2) + 0.0:+.2f} {range_cell(gap.mean() - half, gap.mean() + half, 2)}"
                rows.setdefault(group, {})[name] = said
    return pd.DataFrame(rows).T.fillna("–").rename_axis(by.capitalize())


def read_scale(table: pd.DataFrame | None) -> str:
    """Whether more tracks change what a CVAE keeps: means over seeds for the fewest and the most tracks, by data."""
    if table is None or table.empty:
        return NOT_RUN
    asked = {"units": ("active units",), "nmi": ("NMI", "c", "active units"),
             "style": ("probe", "style", "active units")}  # fmt: skip
    mean = {name: pick(table, *key).groupby(["data", "model", "n"]).value.mean().unstack()
            for name, key in asked.items()}  # fmt: skip
    few, most = table.n.min(), table.n.max()

    def to(name: str, data: str, model: str, digits: int = 2) -> str:
        return " → ".join(f"{mean[name].loc[(data, model), n]:.{digits}f}" for n in (few, most))

    dead = [key for key in mean["units"].index if "beta" in key[1]]
    same = all((mean["nmi"].loc[(data, "CVAE")] < 0.05).all() for data in mean["nmi"].index.unique("data"))
    same &= bool((mean["units"].loc[dead] < 0.5).all(axis=None))
    said = [f"From {few:,} to {most:,} tracks, {'a larger table cures nothing' if same else 'something changes'}:"]
    for data in table.data.unique():
        verdicts = table[(table.data == data) & (table.model == "CVAE")].verdict.unique()
        said.append(f"on *{data}* tracks a CVAE has {to('units', data, 'CVAE', 1)} active units, K-Means on them the "
                    f"genre at NMI {to('nmi', data, 'CVAE')} (a VAE: {to('nmi', data, 'VAE')}), a probe the style at "
                    f"{to('style', data, 'CVAE')}, and the battery says of all sizes: {', '.join(verdicts)};")
    said += [f"*{model}* has {to('units', data, model, 1)} active units." for data, model in dead]
    return " ".join(said)


def read_factors(table: pd.DataFrame | None) -> str:
    """Whether a larger beta disentangles: a VAE of planted factors, means over seeds along beta."""
    if table is None:
        return NOT_RUN
    mean = {name: pick(table[table.model == "VAE"], name).groupby("beta").value.mean()
            for name in ("disentanglement", "MIG", "active units")}
    less = mean["disentanglement"].iloc[-1] < mean["disentanglement"].iloc[0]
    said = "; ".join(f"{name} {', '.join(f'{value:.2f}' for value in values)}" for name, values in mean.items())
    return (f"At beta = {', '.join(f'{beta:g}' for beta in mean['MIG'].index)} a VAE of planted factors has {said}: a "
            f"larger beta disentangles {'less' if less else 'more'}.")
