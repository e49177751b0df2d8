"""Sentences and tables that read the collapse chapter's numbers off a study or a grid, so that prose cannot go stale.

Page "CVAE: collapse or by design?".
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.cluster import KMeans

from .study import Study, mean_sd, show
from .factors import total_correlation
from ..metrics import internal
from ..tables import cell, paper_tables

ACTIVE, KL, STYLE = "active units (KL > 0.05)", "KL", "probe of style, active units"
GENRE, GENRE_STANDARDISED = "NMI of c, K-Means on mu", "NMI of c, K-Means on standardised mu"
GENRE_CHANCE = "NMI of c, by chance"
NOT_RUN = "Not computed here: `make results` makes this grid from the full feature table."


def _show(study: Study, model: str, measure: str) -> str:
    return show(measure, study.values(model, measure))


def verdicts(study: Study, model: str) -> str:
    """The verdicts of one model over the seeds in words, as "by design for 3 of 3 seeds", the verdict in bold."""
    found = [d.verdict for d in study.diagnoses[model]]
    return ", ".join(f"**{v}** for {found.count(v)} of {len(found)} seeds" for v in dict.fromkeys(found))


def answer(study: Study) -> str:
    """The page's answer for the data at hand: the first model's verdict and the evidence that carries it."""
    model = next(iter(study.diagnoses))
    low, high = study.interval(model, "MSE, z shuffled")
    text = [
        f"On *{study.tracks.name}* the verdict on *{model}* is {verdicts(study, model)}. It keeps "
        f"{_show(study, model, ACTIVE)} active units and {_show(study, model, KL)} nats. With z shuffled the squared "
        f"error goes from {study.values(model, 'MSE').mean():.3f} to "
        f"{study.values(model, 'MSE, z shuffled').mean():.3f} (the seeds' 95 % intervals span {low:.3f} to {high:.3f})."
    ]
    values = study.diagnoses[model][0].values
    for target in (t for t in ("c", *study.factors) if f"probe of {t}, sampled z" in values):
        measure = f"probe of {target}, sampled z"
        low, high = study.interval(model, measure)
        text.append(
            f"A probe of z gets the {'genre' if target == 'c' else target} right in {_show(study, model, measure)} of "
            f"cases (the seeds' 95 % intervals span {low:.2f} to {high:.2f}; chance "
            f"{values[f'chance, {target}']:.2f}; from the data themselves {values[f'probe of {target}, data']:.2f})."
        )
    if study.c is None:
        text.append("These tracks have no genres, hence no condition, and a CVAE needs one: the models shown are "
                    "unconditional, and only collapse itself can be diagnosed.")
    return " ".join(text)


def claim(study: Study) -> str:
    """What the study says about the paper's claim that a low score shows posterior collapse."""
    own, dead = next(iter(study.diagnoses)), list(study.diagnoses)[-1]
    text = [f"The network that was made to collapse, *{dead}*: {verdicts(study, dead)}, {_show(study, dead, KL)} nats."]
    if study.c is None:
        return text[0]
    one, two = (study.values(model, GENRE_STANDARDISED).mean() for model in (own, dead))
    text.append(f"K-Means on standardised means, the way the released code scores a CVAE, gives it a genre NMI of "
                f"{two:.3f}, and the CVAE itself {one:.3f}.")
    if two > one:
        text.append("The score is higher where nothing is left to score: standardising blows up the faint traces that "
                    "dead units still have of their input.")
    found = frozenset(d.verdict for d in study.diagnoses[own])
    if found == {"by design"}:
        text.append("A low genre score of a CVAE is therefore no evidence of collapse: its units carry the music, and "
                    "leave the genre out because the decoder is given it.")
    elif found == {"collapsed"}:
        text.append("On these data, at these settings, the CVAE did collapse, and the battery says so.")
    else:
        text.append("On these data the CVAE is not cleanly the one or the other for every seed; the table above says "
                    "which measure is responsible.")
    return " ".join(text)


def dependence(study: Study) -> pd.DataFrame:
    """Active units, KL and total correlation (nats) of every model, mean ± sd over seeds."""
    rows = {}
    for model, fits in study.fits.items():
        found = [  # a covariance needs more rows than dimensions
            total_correlation(f.mu[:, f.active], f.logvar[:, f.active]) if len(f.mu) > len(f.active) else float("nan")
            for f in fits if f.logvar is not None
        ]
        rows[model] = {"Active units": _show(study, model, ACTIVE), "KL (nats)": _show(study, model, KL),
                       "Total correlation (nats)": cell(*mean_sd(np.array(found)))}
    return pd.DataFrame(rows).T.rename_axis("Model")


def silhouettes(study: Study, model: str) -> np.ndarray:
    """Silhouette of K-Means on the posterior means of one model, as many clusters as classes, (n_seeds,); NaN where
    there are as many classes as rows."""
    k = len(np.unique(study.c))
    labels = [KMeans(k, n_init=10, random_state=fit.seed).fit_predict(fit.mu) for fit in study.fits[model]]
    return np.array([internal(f.mu, found)["silhouette"] for f, found in zip(study.fits[model], labels, strict=True)])


def paper_and_ours(study: Study, battery: pd.DataFrame | None) -> pd.DataFrame:
    """The paper's statements about its CVAE beside what was measured here and on its own data, in words; `battery` is
    the published grid of that name, or None."""
    own, dead = next(iter(study.diagnoses)), list(study.diagnoses)[-1]
    if study.c is None:
        return pd.DataFrame({"Here": ["no condition, no CVAE"]}, index=pd.Index(["all of them"], name="Paper says"))
    said = paper_tables().query("method == 'CVAE'").set_index("metric").value
    alive, lifeless = silhouettes(study, own).mean(), silhouettes(study, dead).mean()
    gtzan = NOT_RUN
    if battery is not None:
        part = battery[battery.data.str.endswith("released") & (battery.model == "CVAE, no annealing")]
        counts = part[part.measure.str.startswith("verdict: ")].groupby("measure", sort=False).value.sum().astype(int)
        units = part[part.measure == ACTIVE].value.to_numpy()
        gtzan = (f"{', '.join(f'{name[9:]} for {n} of {len(units)} seeds' for name, n in counts.items())}; "
                 f"{show(ACTIVE, units)} active units")
    rows = {
        "The CVAE suffers posterior collapse": (
            f"{verdicts(study, own).replace('*', '')}; {_show(study, own, ACTIVE)} active units", gtzan),
        f"A silhouette of {said['silhouette']:.3f} indicates it": (
            f"{alive:.3f}; the model that was made to collapse has {lifeless:.3f}", "see the beta sweep above"),
        f"Genre NMI {said['nmi']:.3f}": (
            f"{_show(study, own, GENRE)} on the active units, by chance {_show(study, own, GENRE_CHANCE)}",
            "see the table of the battery"),
        "KL annealing mitigates collapse": ("see the remedies", read_annealing(battery)),
    }
    table = pd.DataFrame(rows, index=[f"Here, on {study.tracks.name}", "On full GTZAN, published runs"]).T
    return table.rename_axis("Paper says")


# ---- grids ----------------------------------------------------------------------------------------------------------

def with_start(table: pd.DataFrame) -> pd.DataFrame:
    """The remedies grid with two columns more: `remedy`, and `start`, the data and state that it was applied to."""
    dead = table.model.str.startswith("collapsed, ")
    planted = np.where(dead, "planted, collapsed", "planted, working")
    return table.assign(remedy=table.model.str.removeprefix("collapsed, "),
                        start=np.where(table.data == "planted", planted, "GTZAN, working"))


def remedy_table(table: pd.DataFrame | None) -> pd.DataFrame:
    """Start and remedy by measure, mean ± sd over seeds (seconds: mean), of the remedies grid; None (not computed)
    gives a note."""
    if table is None:
        return pd.DataFrame({"note": [NOT_RUN]})
    columns = {ACTIVE: "Active units", KL: "KL (nats)", "MSE": "Squared error", "probe of c, sampled z": "Genre probe",
               "style": "Style probe", "within": "Style NMI within genre", "seconds": "CPU seconds"}
    same = {"probe of style, sampled z": "style", "probe of brightness, sampled z": "style",
            "clusters within c, style": "within", "clusters within c, brightness": "within"}
    table = with_start(table)
    table = table.assign(measure=table.measure.replace(same))
    grouped = table[table.measure.isin(list(columns))].groupby(["start", "remedy", "measure"], sort=False).value
    digits = {ACTIVE: 1, KL: 1, "seconds": 1}
    cells = grouped.agg(["mean", "std"]).apply(
        lambda v: cell(v["mean"], np.nan if v.name[2] == "seconds" else v["std"], digits=digits.get(v.name[2], 2)),
        axis=1)
    shown = cells.unstack().reindex(columns=list(columns)).astype(object).fillna("–").rename(columns=columns)
    verdict = table[table.measure.str.startswith("verdict: ")].groupby(["start", "remedy"], sort=False).measure
    shown["Verdict"] = verdict.agg(lambda names: ", ".join(dict.fromkeys(n.removeprefix("verdict: ") for n in names)))
    order = sorted(dict.fromkeys(zip(table.start, table.remedy, strict=True)), key=lambda key: key[0])
    return shown.loc[order].rename_axis(["Start", "Remedy"])


def battery_table(table: pd.DataFrame | None, protocol: str) -> pd.DataFrame:
    """Measures by model under `protocol`, mean ± sd over seeds, of the battery grid, the verdicts with how many seeds
    gave them last; None (not computed) gives a note."""
    if table is None:
        return pd.DataFrame({"note": [NOT_RUN]})
    table = table[table.data.str.endswith(protocol)]
    verdict = table.measure.str.startswith("verdict: ")
    keys = ["model", "measure"]
    cells = table[~verdict].groupby(keys, sort=False).value.agg(list).unstack(0)
    order = [m for m in table.measure.unique() if not m.startswith(("verdict: ", "chance, ", "seconds"))]
    shown = cells.reindex(order).apply(
        lambda column: [show(m, np.array(v)) if isinstance(v, list) else "–" for m, v in column.items()])
    counts = table[verdict].groupby(keys, sort=False).value.sum().astype(int)
    words = {column: ", ".join(f"{m.removeprefix('verdict: ')} ({n} seeds)" for m, n in counts[column].items())
             for column in shown}
    return pd.concat([shown, pd.DataFrame(words, index=["verdict"])]).rename_axis("measure")


def read_annealing(table: pd.DataFrame | None) -> str:
    """KL annealing minus none on full GTZAN, `controlled`: active units, KL and genre probe with 95 % t intervals over
    seeds."""
    if table is None:
        return NOT_RUN
    part = table[table.data.str.endswith("controlled")]
    gaps = []
    for name, measure in (("active units", ACTIVE), ("KL", KL), ("genre probe", "probe of c, sampled z")):
        values = part[part.measure == measure].pivot_table(index="seed", columns="model", values="value")
        mean, low, high = _t_interval(values["CVAE, KL annealing"] - values["CVAE, no annealing"])
        gaps.append(f"{name} {mean:+.2f} [{low:+.2f}, {high:+.2f}]")
    return f"with KL annealing minus without, GTZAN, {part.seed.nunique()} seeds: {', '.join(gaps)}"


def _t_interval(gap: pd.Series) -> tuple[float, float, float]:
    """Mean of the differences over seeds, and its 95 % t interval (NaN for fewer than two seeds)."""
    half = stats.t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else np.nan
    return float(gap.mean()), float(gap.mean() - half), float(gap.mean() + half)


def paired_interval(table: pd.DataFrame, measure: str, model: str, a: float, b: float) -> tuple[float, float, float]:
    """Mean over seeds of `measure` at n = b minus at n = a, and its 95 % t interval (NaN for fewer than two seeds)."""
    part = table[(table.measure == measure) & (table.model == model)]
    one, two = (part[part.n == n].set_index("seed").value for n in (a, b))
    return _t_interval((two - one).dropna())


def read_scale(table: pd.DataFrame | None) -> str:
    """What a hundred times more tracks change, with 95 % t intervals over seeds, and what follows."""
    if table is None:
        return NOT_RUN
    small, large = table.n.min(), table.n.max()
    parts = []
    for model in dict.fromkeys(table.model):
        gaps = []
        for name, measure in (("active units", ACTIVE), ("genre NMI", GENRE), ("style probe", STYLE)):
            mean, low, high = paired_interval(table, measure, model, small, large)
            gaps.append(f"{name} {mean:+.2f} [{low:+.2f}, {high:+.2f}]")
        parts.append(f"*{model}*: {', '.join(gaps)}")
    dead = next(model for model in dict.fromkeys(table.model) if "beta" in model)
    woke = paired_interval(table, ACTIVE, dead, small, large)[0] >= 0.5
    genre = paired_interval(table, GENRE, "CVAE", small, large)[0] >= 0.05
    follows = [f"More tracks woke {'units' if woke else 'no unit'} of the collapsed model and put "
               f"{'the' if genre else 'no'} genre into the z of the working one."]
    if not woke and not genre:
        follows.append(f"Up to {large:,} planted tracks, more of them cure neither: the noise that the decoder is told "
                       "to expect (beta) decides about the first, who is given the genre about the second. A collapse "
                       "that too little data cause would have to be met first; none was met here.")
    return (f"From {small:,} to {large:,} tracks, 95 % intervals over {table.seed.nunique()} seeds: "
            f"{'; '.join(parts)}. {' '.join(follows)}")


def read_beta(table: pd.DataFrame | None) -> str:
    """How units and scores move along the beta grid, and how far pPCA's prediction is off."""
    if table is None:
        return NOT_RUN
    mean = table.groupby(["measure", "beta"]).value.mean()
    low, best = mean["silhouette"].idxmin(), mean["silhouette"].idxmax()
    rank = mean["active units"].corr(mean["silhouette"], method="spearman")
    off = (mean["rate"] - mean["rate, pPCA"]).abs()
    return (f"From beta = {low:g} to {best:g} the active units go from {mean['active units', low]:.0f} to "
            f"{mean['active units', best]:.0f}, the silhouette from {mean['silhouette', low]:.3f} to "
            f"{mean['silhouette', best]:.3f}, the genre NMI from {mean['NMI', low]:.3f} to {mean['NMI', best]:.3f}; "
            f"rank correlation of units and silhouette over the grid {rank:+.2f}. The linear prediction misses the "
            f"rate by {off.mean():.1f} nats on average, at most {off.max():.1f} (beta = {off.idxmax():g}).")


def factor_table(table: pd.DataFrame | None) -> pd.DataFrame:
    """MIG, SAP and DCI on planted factors by model and beta, mean ± sd over seeds; None gives a note."""
    if table is None:
        return pd.DataFrame({"note": [NOT_RUN]})
    shown = ["active units", "MIG", "SAP", "disentanglement", "completeness", "informativeness", "total correlation"]
    part = table[table.measure.isin(shown)]
    cells = part.groupby(["model", "beta", "measure"]).value.agg(lambda v: cell(v.mean(), v.std(), digits=2))
    return cells.unstack()[shown].rename_axis(["Model", "beta"])
