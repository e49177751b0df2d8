"""What the page "How to cluster music well" says of its numbers, and the numbers that other pages
quote from it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers import metrics
from helpers.tables import joined_names
from helpers.tracks import Tracks
from musicbook.chapters.cluster_well import study
from musicbook.chapters.cluster_well.ranking import CRITERIA
from musicbook.chapters.cluster_well.stable_groups import STEADY, Groups
from musicbook.named_values import Value, interval_words, signed, slug
from musicbook.stored_runs import Published

SETS = {
    "gtzan": "GTZAN",
    "gtzan-mini": "gtzan-mini",
    "paired": "the songs of the Million Song Dataset",
}


def row_of(table: pd.DataFrame, name: str, data: str) -> pd.Series | None:
    """The row of one arrow in `study.differences`; None where it is not stored."""
    rows = table[(table["name"] == name) & (table["data"] == data)]
    return None if rows.empty else rows.iloc[0]


def recommendation(table: pd.DataFrame, criteria: pd.DataFrame) -> str:
    """The answer at the top of the page: what to do, on how many of the data sets with musicnn it
    is clearly better, whether UMAP is on the others, and which criterion helps without labels."""
    rows = table[table["name"] == "recommended"]
    heard = rows["data"].map(study.described_by) == "musicnn"
    better = int((rows["verdict"][heard] == "higher").sum())
    features_only = ""
    for row in rows[~heard].itertuples():
        if row.verdict == "higher":
            features_only += f"; so does UMAP on {SETS[row.data]}'s features"
        else:
            features_only += f"; UMAP on {SETS[row.data]}'s features does not"
    return (
        "Describe tracks by musicnn, a network that others trained, reduce its numbers to eight by "
        "UMAP, and group by K-Means. This agrees with genre clearly better than the paper's VAE "
        f"and K-Means on {better} of {heard.sum()} data sets with musicnn{features_only}. Without "
        f"labels no criterion is sure; the best is {CRITERIA[best_criterion(criteria)][0]}."
    )


def number_rule() -> str:
    """How `stable_groups` chooses the number of groups; the pages "How to cluster music well" and
    "Your own music" say it in these words."""
    return (
        "For each number of groups, we count the groups that *return surely* (mean overlap of at "
        f"least {STEADY:g}), and take the share of all tracks that lie in them. We multiply count "
        "and share, and choose the number of groups with the largest product."
    )


def of_a_table(table: pd.DataFrame) -> str:
    """One sentence: on which data sets UMAP and K-Means gain over the VAE where both see the 68
    features, so that only the method differs."""
    alone = [("gtzan", "recommended"), ("gtzan-mini", "table"), ("paired", "table")]
    clear: list[str] = []
    unclear: list[str] = []
    for data, name in alone:
        row = row_of(table, name, data)
        if row is not None:
            (clear if row["verdict"] == "higher" else unclear).append(SETS[data])
    if not unclear:
        return "If both ways use the 68 features, the recommended one gains on every data set."
    if not clear:
        return "If both ways use the 68 features, no gain is clear: musicnn gives all of the gain."
    return (
        f"If both ways use the 68 features, the gain is clear only on {' and '.join(clear)}. On "
        "the other data sets the gain is due to musicnn, not to UMAP."
    )


def of_description(table: pd.DataFrame) -> str:
    """On which data sets a better description gains surely more than a better method: the interval
    of musicnn against the 68 features lies above that of UMAP against the VAE, both with K-Means.
    """
    more: list[str] = []
    tried: list[str] = []
    for data in SETS:
        description, method = row_of(table, "network", data), row_of(table, "table", data)
        if description is None or method is None:
            continue
        tried.append(SETS[data])
        if description["low"] > method["high"]:
            more.append(SETS[data])
    if not tried:
        return ""
    others = [name for name in SETS.values() if name not in tried]
    end = f" On {joined_names(others)} only one description was tried." if others else ""
    if not more:
        return f"A better description does not surely gain more than a better method.{end}"
    return (
        f"On {joined_names(more)}, a better description (musicnn instead of the 68 features) "
        f"gains more than a better method (UMAP instead of the VAE).{end}"
    )


def artists_sentence(data: Published) -> str:
    """How the artists of GTZAN are counted; nothing where its index was not at hand."""
    known = data.record.get("duplicates", {}).get("artists")
    if not known:
        return ""
    unknown = data.record["n"] - known["tracks"]
    return (
        f"A published index of GTZAN names {known['artists']} artists, for {known['tracks']} of "
        f"its tracks. The intervals draw {known['artists'] + unknown} artists, because each of "
        f"the other {unknown} tracks counts as an artist of its own."
    )


def of_umap(table: pd.DataFrame) -> str:
    """Sentences on what UMAP before K-Means gains, on the 68 features and on musicnn's numbers."""
    said = {
        "higher": "raises the NMI",
        "lower": "lowers the NMI",
        "level": "makes no clear difference",
    }
    parts = []
    row = row_of(table, "umap", "gtzan")
    if row is not None:
        parts.append(
            f"On the 68 features of {SETS['gtzan']}, UMAP before K-Means {said[row['verdict']]}."
        )
    outcomes: dict[str, list[str]] = {}
    for data in ("gtzan-mini", "paired"):
        row = row_of(table, "umap_of_network", data)
        if row is not None:
            outcomes.setdefault(said[row["verdict"]], []).append(SETS[data])
    for outcome, data_sets in outcomes.items():
        parts.append(f"On musicnn's numbers of {joined_names(data_sets)}, it {outcome}.")
    return " ".join(parts)


OF_UMAP = ("umap", "umap_or_spectral", "umap_of_network")  # the sides differ by UMAP alone
WITH_UMAP = ("recommended", "table", *OF_UMAP)


def why_umap(table: pd.DataFrame) -> str:
    """Why UMAP is recommended where it gains nothing clear, and when to leave it out; nothing
    where it harms in one of the differences, since the advice would be another one then."""
    rows = table[table["name"].isin(WITH_UMAP)]
    helps = table["name"].isin(OF_UMAP) & (table["verdict"] == "higher")
    if (rows["verdict"] == "lower").any() or not helps.any():
        return ""
    return (
        "We recommend UMAP all the same. It does clear harm in none of our comparisons, and it "
        "helps in some. Use musicnn wherever you have the sound. If you want to leave UMAP out, "
        "`--method kmeans` of the command `map` does so."
    )


def chosen_numbers(table: pd.DataFrame) -> str:
    """One sentence on `study.chosen_k`: how often a criterion chooses the number of clusters that
    agrees best with genre."""
    hits = {name: int((table[name] == table["genre"]).sum()) for name in study.CHOICES}
    most = max(hits, key=lambda name: hits[name])
    if not hits[most]:
        return "No criterion chooses the number that agrees best with genre, in any space."
    best = [CRITERIA[name][0] for name in hits if hits[name] == hits[most]]
    if len(best) == 1:
        first, even = f"the best criterion is {best[0]}", "Even it finds"
    else:
        first, even = f"the best criteria are {' and '.join(best)}", "Even they find"
    return (
        f"For choosing the number of groups, {first}. {even} the number that agrees best with "
        f"genre in only {hits[most]} of {len(table)} rows of the table."
    )


def best_criterion(criteria: pd.DataFrame) -> str:
    """The criterion that ranks pipelines most as genre does, of those that every data set has."""
    means = criteria.groupby("criterion")["correlation"].mean()
    counts = criteria.dropna(subset="correlation").groupby("criterion").size()
    return means[counts[counts == counts.max()].index].idxmax()


def criteria_verdict(criteria: pd.DataFrame, explained: bool = False) -> str:
    """Which criterion ranks pipelines best without labels, and how the silhouette does on the
    pipelines that this criterion ranks; `explained` says what prediction strength is, for a page
    that has not."""
    means = criteria.groupby("criterion")["correlation"].mean()
    best = best_criterion(criteria)
    same = study.correlations_on_the_same(best)
    sets = criteria.dropna(subset="correlation")["data"].nunique()
    end = "."
    if explained and best == "prediction_strength":
        end = ": are clusters found in one half of the tracks found again in the other half?"
    return (
        f"The best guide without labels is {CRITERIA[best][0]}{end} Its ranking of the pipelines "
        f"is closest to the ranking by genre. Over {sets} data sets, the rank correlation is "
        f"{means[best]:.2f} on average. For the silhouette in the space of each pipeline, it is "
        f"{same['silhouette']:.2f} on the same pipelines."
    )


def silhouette_of_all(criteria: pd.DataFrame) -> str:
    """The rank correlation of the silhouette over all pipelines that it ranks, which the figure
    shows; nothing where the best criterion ranks the same ones."""
    best = best_criterion(criteria)
    counts = criteria.pivot(index="data", columns="criterion", values="pipelines")
    if (counts[best] == counts["silhouette"]).all():
        return ""
    mean = criteria.loc[criteria["criterion"] == "silhouette", "correlation"].mean()
    return (
        f"{CRITERIA[best][0].capitalize()} leaves out the pipelines with a VAE. If these are "
        f"counted too, the rank correlation of the silhouette is {mean:.2f}."
    )


def single_pick(criteria: pd.DataFrame) -> str:
    """One sentence: whether the pipeline that the best criterion ranks first beats the average
    one."""
    best = best_criterion(criteria)
    rows = criteria[criteria["criterion"] == best]
    rows = rows.dropna(subset=["picked", "random"])
    worse = int((rows["picked"] <= rows["random"]).sum())
    choice = f"the top choice of {CRITERIA[best][0]}"
    if not worse:
        return f"On all {len(rows)} data sets {choice} was better than the average pipeline."
    return (
        f"But do not trust {choice} alone: on {worse} of {len(rows)} data sets it was no better "
        "than the average pipeline."
    )


def two_silhouettes(criteria: pd.DataFrame) -> str:
    """Which silhouette ranks pipelines better: that in the space which a pipeline clusters, or
    that in one space for all; and why neither can be trusted alone."""
    table = criteria.pivot(index="data", columns="criterion", values="correlation")
    own, common = table["silhouette"], table["silhouette_common"]
    better, n = int((own > common).sum()), len(table)
    ahead = (
        f"The silhouette in the own space ranks the pipelines better, on {better} of {n} data sets."
    )
    if 2 * better < n:
        ahead = (
            "The silhouette in the common space ranks the pipelines better, on "
            f"{n - better} of {n} data sets."
        )
    elif 2 * better == n:
        ahead = "Neither of the two ranks the pipelines better than the other."
    below = int((common < 0).sum())
    negative = ""
    if below:
        negative = (
            f" In the common space, the rank correlation is even below zero on {below} of them."
        )
    return (
        "The figure has two rows for the silhouette. *Own space* is the space that a pipeline "
        "clusters. *One common space* is that of the 68 features, for all pipelines. "
        f"{ahead}{negative} The common space favours pipelines that cluster the 68 features "
        "themselves. But the own space is no fair ruler, either: in a space of few dimensions the "
        "silhouette is often higher, whatever the music is. So do not let a silhouette alone "
        "decide between two spaces."
    )


def returning(groups: Groups, tracks: Tracks) -> str:
    """What came of asking for many groups: how many return, and where there are labels, how the
    tracks in them agree with these, beside all tracks."""
    inside = groups.labels >= 0
    classes = 0 if tracks.genres is None else len(np.unique(tracks.genres))
    why = ""
    if 0 < classes < groups.made:
        why = f", which is more than the number of genres ({classes})"
    sentence = (
        f"We asked for {groups.made} groups{why}. Of these groups, {groups.n} return. They hold "
        f"{100 * inside.mean():.0f} % of the tracks."
    )
    if tracks.genres is None or not groups.n:
        return sentence
    score = metrics.external(tracks.genres[inside], groups.labels[inside])["ami"]
    return f"{sentence} On these tracks, the agreement with genre (AMI) is {score:.2f}."


INPUTS = {"sound": "68 features", "MSD": "musicnn"}
SPACES = {"as fed": "the numbers themselves", "UMAP 8": "after UMAP"}


def numbers_table(table: pd.DataFrame) -> pd.DataFrame:
    """`study.chosen_k` for a reader: data sets, inputs, spaces and criteria by their names on the
    page."""
    names = {"data": study.NAMES, "input": INPUTS, "space": SPACES}
    rows = table.reset_index()
    for column, words in names.items():
        rows[column] = rows[column].map(lambda name, words=words: words.get(name, name))
    titles = {name: CRITERIA[name][0].removesuffix(", own space") for name in study.CHOICES}
    titles |= {"genre": "best for genre", "artist": "best for artist"}
    return rows.set_index(list(names)).rename(columns=titles)


USES = {
    "missing": "filling in hidden numbers",
    "noise": "taking noise off",
    "made up": "making up new tracks",
}
PLAINER = {"column means": "the mean of each column", "PCA, 8": "PCA with eight components"}


def vae_is_best_at(table: pd.DataFrame) -> str:
    """One sentence on `vae_uses.measured_uses`: at which uses the VAE leaves less wrong than the
    other methods. Lower is better in every column."""
    first = {use: str(table[use].idxmin()) for use in USES}
    best = [words for use, words in USES.items() if first[use] == "VAE"]
    if not best:
        others = " or ".join(dict.fromkeys(PLAINER[name] for name in first.values()))
        return f"The VAE is best at none of the three uses. Each time, {others} is better."
    return f"The VAE is best at {' and '.join(best)}. At the others a plainer method wins."


def difference_table(table: pd.DataFrame) -> pd.DataFrame:
    """Every measured difference with its interval and what it says, for a reader."""
    words = {"higher": "better", "lower": "worse", "level": "no clear difference"}
    rows = []
    for row in table.itertuples():
        rows.append(
            {
                "data": study.NAMES[row.data],
                "first way against the second": row.question,
                "difference in NMI": signed(row.difference, 2),
                "95 % interval": interval_words(row.low, row.high, 2, sign=True),
                "the first way is": words[row.verdict],
            }
        )
    return pd.DataFrame(rows).set_index(["data", "first way against the second"])


def well_values() -> dict[str, Value]:
    """Numbers that other pages quote: `well_<arrow>_<data>` and its interval, and for each
    criterion and data set `well_rank_<criterion>_<data>`, with `picked` and `average` for `rank`
    the AMI of the pipeline that it picks and the mean AMI of all."""
    ranks = study.criteria_tables()
    place = "data/results/gtzan/pipelines_criteria.csv"  # and those of the other data sets
    words = "which criterion ranks pipelines as genre does, without labels"
    pick = "whether the pipeline that the best criterion ranks first beats the average one"
    values = {
        "well_verdict_on_criteria": Value(criteria_verdict(ranks, explained=True), words, place),
        "well_single_pick": Value(single_pick(ranks), pick, place),
    }
    wholly, mostly = study.genres_of_one_artist()
    place = "data/results/gtzan-mini/pipelines_labels.npz"
    words = "genres of gtzan-mini whose tracks are all by one artist"
    values["genres_of_one_artist"] = Value(joined_names(wholly), words, place)
    words = "genres of gtzan-mini with more than half of the tracks by one artist"
    values["genres_mostly_of_one_artist"] = Value(joined_names(mostly), words, place)
    for row in study.differences().itertuples():
        name = slug("well", row.name, row.data)
        place = f"data/results/{row.data}/pipelines_labels.npz"
        words = f"gain in NMI on {study.NAMES[row.data]}: {row.question}"
        values[name] = Value(signed(row.difference, 2), words, place, row.question)
        ends = interval_words(row.low, row.high, 2, sign=True)
        values[f"{name}_interval"] = Value(ends, f"95 % interval, {words}", place, row.question)
    for row in ranks.dropna(subset="correlation").itertuples():
        name = slug("well_rank", row.criterion, row.data)
        words = (
            f"rank correlation of {CRITERIA[row.criterion][0]} with AMI, {study.NAMES[row.data]}"
        )
        place = f"data/results/{row.data}/pipelines_criteria.csv"
        values[name] = Value(f"{row.correlation:.2f}", words, place, row.criterion)
        name = slug("well_picked", row.criterion, row.data)
        words = (
            f"AMI of the pipeline that {CRITERIA[row.criterion][0]} picks, {study.NAMES[row.data]}"
        )
        values[name] = Value(f"{row.picked:.2f}", words, place, row.criterion)
        name = slug("well_average", row.criterion, row.data)
        words = (
            f"mean AMI of the pipelines that {CRITERIA[row.criterion][0]} could pick from, "
            f"{study.NAMES[row.data]}"
        )
        values[name] = Value(f"{row.random:.2f}", words, place, row.criterion)
    return values
