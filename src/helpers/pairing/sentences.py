"""What the page "Songs with their own words" says of its numbers, in sentences and tables that cannot go stale."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from .. import escape
from ..metrics import told
from ..tables import range_cell, with_interval
from .fusions import OVER, OWN, SOUND, WITHIN, WORDS
from .study import NEAREST

NAMES = {"genius_tag": "Genius tag", "msd_genre": "genre (MSD)"}
SHORT = {OWN: "own words", WITHIN: "shuffled within language", OVER: "shuffled over all", SOUND: "sound alone",
         WORDS: "words alone"}  # fmt: skip
NO_LABELS = "These songs have no label to score groups by; without one, only whether sound finds words can be asked."


def name_of(target: str) -> str:
    """What a reader calls a target: "genius_tag, de only" -> "Genius tag, de only"."""
    label, _, rest = target.partition(",")
    return NAMES.get(label, label) + (f",{rest}" if rest else "")


def shown(target: str) -> str:
    """`name_of`, for a page: a label may be called anything in a reader's own table."""
    return escape.markup(name_of(target))


def headline(targets: Iterable[str]) -> str | None:
    """The target that verdicts are about: the first that is no language, else the first; None for none."""
    names = list(dict.fromkeys(targets))
    return next((name for name in names if name != "language"), names[0] if names else None)


def signed(row: pd.Series) -> str:
    """A gain and its interval: "+0.013 [-0.025, +0.051]"."""
    return with_interval(row.gain, row.gain_low, row.gain_high, sign="+")


def _rows(table: pd.DataFrame, **columns: str) -> pd.DataFrame:
    """The rows of a table in which each named column has that value."""
    for name, value in columns.items():
        table = table[table[name] == value]
    return table


def plain(scores: pd.DataFrame, fusion: str = "concatenation, columns z-scored") -> str:
    """One sentence without a term of art: what own words add to groups formed by sound, with its interval; `fusion` is
    by default the paper's way to put the two side by side."""
    target = headline(scores.target) if len(scores) else None
    if target is None:
        return NO_LABELS
    row = _rows(scores, control=OWN, metric="nmi", fusion=fusion, target=target).iloc[0]
    says = {"higher": "agree better with genre than", "lower": "agree less with genre than",
            "level": "agree with genre no better and no worse, as far as can be told, than"}  # fmt: skip
    return (f"Of {row.songs} songs with their own words, groups formed by sound and words together, side by side as in "
            f"the paper, {says[told(row.gain_low, row.gain_high)]} groups formed by sound alone: the difference is "
            f"{signed(row)}.")  # fmt: skip


def verdict(scores: pd.DataFrame, probes: pd.DataFrame, fusion: str = "concatenation") -> str:
    """The page's answer: what own words do to clusters of a fusion, and to a probe that is told the answers."""
    target = headline(scores.target) if len(scores) else None
    if target is None:
        return NO_LABELS
    fused = _rows(scores, metric="nmi", fusion=fusion, target=target, control=OWN).iloc[0]
    text = (f"{_counted(scores, target)}; side by side the difference is {signed(fused)} in NMI, a scale from 0 to 1. ")
    both, alone = (_rows(probes, input=what, target=target) if len(probes) else probes for what in (OWN, SOUND))
    if not len(both):
        return text + "There are too few artists to ask a probe."
    row = both.iloc[0]
    knows = {"higher": "Yet the words know more", "lower": "And the words only get in the way",
             "level": "Nor can it be told that the words know more"}  # fmt: skip
    return text + (f"{knows[told(row.gain_low, row.gain_high)]}: a linear probe, which is told the answers for other "
                   f"artists, has a balanced accuracy of {row['mean']:.3f} with them and {alone['mean'].iloc[0]:.3f} "
                   f"without ({signed(row)}).")  # fmt: skip


def _counted(scores: pd.DataFrame, target: str) -> str:
    """How many ways to use both modalities agree with a target better or less than sound alone."""
    rows = _rows(scores, control=OWN, target=target, metric="nmi")
    kinds = [told(row.gain_low, row.gain_high) for row in rows.itertuples()]
    better, less = (kinds.count(kind) or "none" for kind in ("higher", "lower"))
    return (f"Of {len(rows)} ways to group songs by sound *and* their own words, {better} can be told to agree better "
            f"with the {shown(target)} than sound alone, {less} to agree less")  # fmt: skip


def clusters(scores: pd.DataFrame, within: bool = False) -> str:
    """How many ways to use both modalities beat sound alone, and the best, for each label, or for those `within` one
    language."""
    parts = []
    for target in dict.fromkeys(scores.target) if len(scores) else ():
        if target != "language" and (" only" in target) == within:
            rows = _rows(scores, control=OWN, target=target, metric="nmi")
            best = rows.loc[rows.gain.idxmax()]
            parts.append(f"{_counted(scores, target)}; the best, *{best.fusion}*: {signed(best)}.")
    none = "These songs are not known to be of several languages." if within else NO_LABELS
    return " ".join(parts) or none


def by_weight(table: pd.DataFrame) -> str:
    """From which weight of the words on the clusters follow the language rather than the label."""
    target = headline(table.target) if len(table) else None
    if target is None or "language" not in set(table.target) or target == "language":
        return "There is no language to compare with." if target else NO_LABELS
    own = _rows(table, control=OWN).set_index(["target", "weight"])["mean"]
    language, label = own["language"], own[target]
    turned = language.index[language > label]
    when = f"the groups follow it from a weight of {min(turned):g} on" if len(turned) else "the groups never follow it"
    return (f"Agreement with the language goes from {language.iloc[0]:.3f} by sound alone to {language.iloc[-1]:.3f} "
            f"by words alone, and {when}. With the {shown(target)} it is {label.iloc[0]:.3f} by sound alone, "
            f"{label.max():.3f} at best (a weight of {label.idxmax():g}) and {label.iloc[-1]:.3f} "
            "by words alone.")  # fmt: skip


def directions(table: pd.DataFrame) -> str:
    """What each block's variance is about: the share between the classes of a label, and what K-Means finds."""
    whole = table[table.component == 0] if len(table) else table
    parts = [f"of the variance of the {row.block}, {row.explained:.1%} lies between the classes of "
             f"*{shown(row.target)}*, and {row.by_kmeans:.1%} between as many K-Means clusters"
             for row in whole.itertuples()]  # fmt: skip
    return f"In numbers: {'; '.join(parts)}." if parts else NO_LABELS


def found(table: pd.DataFrame) -> str:
    """What retrieval says, a method at a time."""
    parts = []
    for method, rows in table.groupby("method", sort=False) if len(table) else ():
        own, other = (_rows(rows, pairs=pairs).iloc[0] for pairs in (OWN, OVER))
        parts.append(f"{method} has a song's words among its first {NEAREST} for {own.recall:.1%} of the songs "
                     f"[{own.low:.1%}, {own.high:.1%}], {own.recall / own.chance:.1f} times as often as chance "
                     f"({own.chance:.1%}); trained on wrong pairs, for {other.recall:.1%}; of songs that it was "
                     f"trained on, for {own.recall_seen:.1%}")  # fmt: skip
    return "; ".join(parts) + "." if parts else "All songs are of one artist, so none can be kept unseen."


def fusion_table(scores: pd.DataFrame, target: str, metric: str = "nmi") -> pd.DataFrame:
    """Fusions by controls, mean and 95 % interval, and the gain of own words over sound alone and over swapped ones."""
    rows = {}
    for fusion, part in _rows(scores, target=target, metric=metric).groupby("fusion", sort=False):
        by = part.set_index("control")
        row = {said: f"{by['mean'][c]:.3f} {range_cell(by.low[c], by.high[c])}" if c in by.index else "–"
               for c, said in SHORT.items()}  # fmt: skip
        row["own − sound alone"] = signed(by.loc[OWN])
        row |= {"own − shuffled within language": signed(by.loc[WITHIN])} if WITHIN in by.index else {}
        rows[fusion] = row
    return pd.DataFrame(rows).T.rename_axis(name_of(target))


def probe_table(probes: pd.DataFrame) -> pd.DataFrame:
    """Targets by inputs: balanced accuracy, or R² of numbers, with 95 % intervals over artists."""
    rows = {}
    for target, part in probes.groupby("target", sort=False) if len(probes) else ():
        row = {"both" if r.input == OWN else f"both, {SHORT[r.input]}" if r.input in (WITHIN, OVER) else SHORT[r.input]:
               f"{r.mean:.3f} {range_cell(r.low, r.high)}" for r in part.itertuples()}  # fmt: skip
        rows[name_of(str(target))] = {"measure": part.kind.iloc[0], "chance": f"{part.chance.iloc[0]:.3f}"} | row
    return pd.DataFrame(rows).T.rename_axis("Target")
