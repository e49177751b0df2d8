"""What the page "Leakage" says of its numbers, each quoted by name or printed from its table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import escape, inputs, metrics, protocols, tables
from helpers.lyrics import CONSTANTS
from helpers.tracks import Tracks
from leakaudit import leaks
from musicbook.chapters.leakage import alike, attribution
from musicbook.named_values import Value, quote, slug
from musicbook.stored_runs import Published

# the steps of the ladder at which both kinds of Beta-VAE get the sound alone
AUTHORS, OURS = "released, sound alone", "controlled, sound alone"
NO_LABELS = "These tracks have no genres, so there is no label that could leak."


def leakage_answer(runs: Published, values: dict[str, Value]) -> str:
    """The sentences at the top of the page: few, so that the figure fits below them."""
    folder = runs.folder.name
    both = quote(values, slug(folder, "released 3", attribution.INPUT, "nmi"))
    neither = slug(folder, "released 3 real lyrics no one-hot", attribution.INPUT, "nmi")
    return (
        f"From the label. K-Means, with no network, scores {both} on an input built "
        "like the author's (NMI, agreement with genre from 0 to 1). With real lyrics and no label "
        f"columns, it scores {quote(values, neither)}."
    )


def shares_sentence(runs: Published, values: dict[str, Value]) -> str:
    """How much of the score of K-Means comes from each of the two channels of the label."""
    folder = runs.folder.name
    sentences = quote(values, slug(folder, "share of the sentences"))
    columns = quote(values, slug(folder, "share of the one-hot"))
    return (
        f"So the sentences that were written for five genres add {sentences} to the NMI, and the "
        f"label columns add {columns}."
    )


def borrowed_sentence(runs: Published) -> str:
    """What the real lyrics are that take the place of the sentences."""
    if attribution.coverage(runs).empty:
        return attribution.read_coverage(runs)
    return (
        "The real lyrics that we put in place of the sentences say less about the genre. "
        f"{attribution.read_coverage(runs)}"
    )


def ladder_sentence(steps: pd.DataFrame, runs: Published) -> str:
    """What to see in the figure of the Beta-VAE's ladder: the bars with the sentences in the input,
    the highest of the others, and that the last bars are another Beta-VAE."""
    with_sentences = steps["mean"][:2]
    others = steps["mean"][2:]
    return (
        "The bars of the figure at the top of this page show the Beta-VAE, not K-Means. The first "
        "two have the sentences that were made for five genres in their input, and end at "
        f"{with_sentences[0]:.2f} and {with_sentences[1]:.2f}. No other bar passes "
        f"{_above(others.max()):.2f}, with or without the *label columns*, which hold the genre "
        f"itself.{_other_beta_vae(steps, runs)}"
    )


def _other_beta_vae(steps: pd.DataFrame, runs: Published) -> str:
    """That `controlled` has a Beta-VAE of its own, and whether the two differ on sound alone."""
    named = steps.set_index("step")["mean"]
    if not {AUTHORS, OURS} <= set(named.index):
        return ""
    difference = tables.difference(runs.genres, runs.groups, _on_sound_alone(runs), OURS, AUTHORS)
    scores = f"({named[OURS]:.2f} and {named[AUTHORS]:.2f})"
    verdict = f"we see no clear difference between it and the first one {scores}"
    if difference is not None and difference.better is not None:
        higher = "higher" if difference.better == OURS else "lower"
        verdict = f"it scores {higher} than the first one {scores}"
    return (
        " The last two bars show another Beta-VAE, which *controlled* builds and trains in its own "
        f"way. On sound alone, {verdict}."
    )


def _on_sound_alone(runs: Published) -> dict[str, np.ndarray]:
    """The clusters (n_seeds, n) of both kinds of Beta-VAE on sound alone."""
    return {
        OURS: runs.labels("controlled", 3, attribution.NETWORK, "audio alone"),
        AUTHORS: runs.labels("released", 3, attribution.NETWORK, "audio alone"),
    }


def _above(value: float) -> float:
    """The next hundredth, so that "no bar passes" is true of the value."""
    return np.ceil(value * 100) / 100


def neighbour_sentence(genres: np.ndarray, leaky: np.ndarray, clean: np.ndarray) -> str:
    """Of each track's nearest tracks (n, k) in either latent space, how many share its genre."""
    shares = {}
    for name, neighbours in (("leaky", leaky), ("clean", clean)):
        shares[name] = (genres[neighbours] == genres[:, None]).mean()
    chance = np.mean([(genres == genre).mean() for genre in genres])
    return (
        f"For every track we took the {leaky.shape[1]} nearest tracks in the latent space, not on "
        f"the map. In the leaky latent space, {shares['leaky']:.0%} of them share the track's "
        f"genre, and in the clean one {shares['clean']:.0%}. By chance it would be {chance:.0%}."
    )


def islands_sentence(maps: Mapping[str, np.ndarray], genres: np.ndarray) -> str:
    """Which genres are islands on each of the maps {title: points (n, 2)}, by `alike.islands`."""
    said = [
        f"We call a genre an *island* on a map if, for at least {alike.ISLAND:.0%} of its tracks, "
        "the nearest track on the map has the same genre."
    ]
    for title, points in maps.items():
        found = alike.islands(points, genres)
        if not found:
            said.append(f"On the {title} map, no genre is an island.")
            continue
        names = tables.joined_names([escape.markup(genre) for genre in found])
        start = "one genre is an island" if len(found) == 1 else "these genres are islands"
        said.append(f"On the {title} map, {start}: {names}.")
        if set(found) == set(CONSTANTS):
            said.append("These are exactly the genres with one sentence.")
    return " ".join(said)


def alike_sentence(found: pd.DataFrame) -> str:
    """Whether what lies close together sounds alike, from `alike.heard_alike`; nothing where no
    network has heard these tracks."""
    if found.empty:
        return ""
    clean, leaky, chance = found.loc["clean"], found.loc["leaky"], found.loc["by chance"]
    answer = ""
    shares = ["among_most_alike", "other_genres"]
    if (clean[shares] > chance[shares]).all() and (leaky[shares] > chance[shares]).all():
        answer = (
            " So on both maps, tracks that lie close together sound more alike than two random "
            "tracks do, on average. But they need not sound alike."
        )
    return (
        "Do tracks that lie close together on a map sound alike? Near means near on the map here, "
        "not in the latent space. We asked musicnn, a network that was trained on much more music. "
        f"It has heard {found.tracks.iloc[0]:.0f} of these tracks. For each of them it names the "
        f"{alike.ALIKE} others that sound most like it. On the clean map, the nearest track that "
        f"was heard is one of its {alike.ALIKE} in {clean.among_most_alike:.0%} of cases. On the "
        f"leaky map the share is {leaky.among_most_alike:.0%}, and by chance it would be "
        f"{chance.among_most_alike:.0%}. "
        "But tracks of one genre often sound alike, and the leaky network was given the genre. So "
        "we ask a second question, which leaves the track's own genre out. For each track, we took "
        "the nearest track of another genre on the map. Then we ranked all tracks of other genres "
        "by how much they sound like the track. On the clean map, the nearest one is ranked above "
        f"{clean.other_genres:.0%} of them. On the leaky map the share is "
        f"{leaky.other_genres:.0%}, and by chance it would be {chance.other_genres:.0%}.{answer}"
    )


def heat_map_sentence() -> str:
    """What the author's own heat map says, counted without any run of ours."""
    facts = attribution.author_facts()
    source = facts.source["heatmap_nmi_constant"].split(":")[0]
    return (
        "The author published a heat map of the Beta-VAE, and its counts say the same. On the five "
        "genres with one sentence each, the NMI is "
        f"{facts.value['heatmap_nmi_constant']:.2f}. On the five with real lyrics, it is "
        f"{facts.value['heatmap_nmi_real']:.2f}. (The heat map is in {source}.)"
    )


def thirty_sentences(pure: pd.DataFrame, paper: float) -> str:
    """The arithmetic of thirty pure clusters, beside the paper's score and ours."""
    expected = metrics.equal_pure_clusters(10, 3)
    return (
        f"The formula gives **{expected:.3f}**, and the paper reports "
        f"**{paper:.3f}**. The table shows a few of our {len(pure)} seeds. Over all of them, "
        f"DBSCAN scores {pure.NMI.mean():.3f}. It finds {attribution.pure_words(pure)}."
    )


def drowned_sentence(runs: Published, values: dict[str, Value]) -> str:
    """Why real lyrics lower the score under `released`, and what they score under `controlled`;
    nothing where these were not run or the order is another one."""
    folder = runs.folder.name
    both, sound, weighed = (
        slug(folder, name, attribution.INPUT, "nmi")
        for name in ("released 3 real lyrics no one-hot", "released 3 audio alone", "controlled 3")
    )
    if not {both, sound, weighed} <= values.keys():
        return ""
    if float(values[both].text) >= float(values[sound].text):
        return ""
    columns = runs.record["runs"]["released-3-real_lyrics_no_one-hot"]["columns"]
    return (
        "The last row scores less than the sound alone "
        f"({quote(values, both)} and {quote(values, sound)}). "
        "In the author's program every column counts the same, so "
        f"{columns['text']} columns of text outweigh {columns['audio']} columns of sound. "
        "The protocol *controlled* gives each part its own weight. There, sound with borrowed "
        f"lyrics scores {quote(values, weighed)}."
    )


def starts_sentence(runs: Published, values: dict[str, Value]) -> str:
    """Why K-Means on the same sound scores a little differently in phase 1; nothing where these
    were not run or the scores are equal."""
    folder = runs.folder.name
    first, third = (
        slug(folder, name, attribution.INPUT, "nmi")
        for name in ("released 1", "released 3 audio alone")
    )
    if not {first, third} <= values.keys() or values[first].text == values[third].text:
        return ""
    starts = protocols.get("released").kmeans_n_init
    return (
        "This book has two scores of K-Means on the columns of sound: "
        f"{quote(values, first)} in phase 1, and {quote(values, third)} in phase 3. The input is "
        f"the same. The scores differ because K-Means has {starts[1]} random starts in phase 1 and "
        f"{starts[3]} in phase 3, and keeps the tightest result."
    )


def guard_lines(tracks: Tracks, protocol: str) -> str:
    """What the guard says of the input of each phase, as a Markdown list."""
    lines = []
    for phase in (1, 2, 3):
        try:
            verdict = tables.read_guard(inputs.prepare(tracks, protocol, phase))
            verdict = verdict.removeprefix("Leak guard: ")
        except ValueError as error:  # genres without sentences; a refused input
            verdict = f"not checked: {escape.markup(error)}"
        lines.append(f"- Phase {phase}: {verdict}")
    return "\n".join(lines)


def dose_sentence(curve: pd.DataFrame) -> str:
    """From which share of tracks on the guard calls each planted leak LEAKY."""
    if curve.empty:
        return NO_LABELS
    first = curve[curve.leaky].groupby("kind", sort=False).dose.min()
    quiet = curve[curve.dose == 0].share.max()
    quiet = (
        f"Where a leak reaches no track, the effect is at most {quiet:.2f}. The dotted line is at "
        f"{leaks.LEAKY:g}."
    )
    if first.empty:
        return f"The guard calls none of these leaks LEAKY. {quiet}"
    called: list[str] = []
    for dose in sorted(set(first)):
        kinds = first.index[first == dose]
        leak = f"this leak: {kinds[0]}" if len(kinds) == 1 else f"these leaks: {', '.join(kinds)}"
        if not called:
            called.append(
                f"Of the shares that we tried, {dose:.0%} is the first at which the guard notices "
                f"{leak}."
            )
        else:
            called.append(f"At {dose:.0%}, it first notices {leak}.")
    never = [kind for kind in curve.kind.unique() if kind not in first.index]
    if never:
        called.append(f"It never notices {', '.join(never)}.")
    return f"{' '.join(called)} {quiet}"
