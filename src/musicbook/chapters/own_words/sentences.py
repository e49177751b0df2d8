"""What the page "Songs with their own words" says of its numbers: sentences and tables that are
made of the tables of the chapter, so that they cannot go stale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers import escape
from helpers.tables import joined_names
from musicbook.chapters.own_words.clusters import widened
from musicbook.chapters.own_words.fusions import SIDE_BY_SIDE, WEIGHT
from musicbook.chapters.own_words.grids import primary_row
from musicbook.chapters.own_words.retrieval import NEAREST
from musicbook.chapters.own_words.songs import OVER, OWN, SOUND, WITHIN, WORDS, least_songs
from musicbook.chapters.own_words.verses import APART, LANGUAGES
from musicbook.corpus.encoders import ENCODERS
from musicbook.named_values import Value, interval_words, quote, signed

NAMES = {"genius_tag": "Genius tag", "msd_genre": "genre (MSD)"}
MEANING = {
    "genius_tag": "the kind of music that the lyrics website Genius gives, such as rap",
    "msd_genre": "a genre from a list for the Million Song Dataset",
    "language": "the language of the words",
}
SHORT = {
    OWN: "both",
    WITHIN: "both, words shuffled within language",
    OVER: "both, words shuffled",
    SOUND: "sound alone",
    WORDS: "words alone",
}
HEARD = {"features": "68 features", "MTT": "musicnn (MTT)", "MSD": "musicnn (MSD)"}
NO_LABELS = (
    "These songs have no label to score groups by; without one, only whether sound finds words can "
    "be asked."
)


def target_words(target: str) -> str:
    """What a reader calls a target: "genius_tag, de only" -> "Genius tag, German only"."""
    label, _, rest = target.partition(", ")
    name = NAMES.get(label, label)
    if not rest:
        return name
    code = rest.removesuffix(" only")
    return f"{name}, {LANGUAGES.get(code, code)} only"


def shown(target: str) -> str:
    """`name_of`, for a page: a label may be called anything in a reader's own table."""
    return escape.markup(target_words(target))


def headline(targets: Iterable[str]) -> str | None:
    """The target that sentences are about: the first that is no language, else the first; None for
    none."""
    names = list(dict.fromkeys(targets))
    others = [name for name in names if name != "language"]
    return next(iter(others or names), None)


def kept_of(kept: str) -> str:
    """How much of the words is kept, in words: "32 components", "95 % of the variance"."""
    number = float(kept)
    return f"{number:.0f} components" if number > 1 else f"{100 * number:.0f} % of the variance"


def difference_words(row, name: str) -> str:
    """A difference and its interval: "+0.013 (95 % interval −0.025 to +0.051)"."""
    ends = getattr(row, f"{name}_low"), getattr(row, f"{name}_high")
    return (
        f"{signed(getattr(row, name))} (95 % interval {interval_words(*ends, digits=3, sign=True)})"
    )


def _direction(row, name: str) -> int:
    """+1 for a difference above zero, -1 below, 0 for one whose interval holds zero."""
    low, high = getattr(row, f"{name}_low"), getattr(row, f"{name}_high")
    return int(low > 0) - int(high < 0)


# ---- the answer ----------------------------------------------------------------------------------


def book_answer(values: Mapping[str, Value]) -> str:
    """The page's answer, of the published grids; empty where they are not there."""
    if "own_words_primary_gain" not in values:
        return ""
    gain = values["own_words_primary_gain_interval"].text
    clear = "−" not in gain or "+" not in gain
    helps = "changes" if clear else "does not measurably change"
    return (
        "MiniLM, a network for English texts, puts verses of one **language** together: its groups "
        "agree with the languages at NMI "
        f"{quote(values, 'own_words_verses_minilm_language')} (1 is perfect). USE, a network "
        "for sixteen languages, puts verses on one **subject** together: its groups agree with the "
        f"subjects at {quote(values, 'own_words_verses_use_subject')}. Then we added each song's "
        "own words, as USE reads them, to its sound. "
        f"This {helps} how well groups match the Genius tag (such as rap): the NMI changes by "
        f"{quote(values, 'own_words_primary_gain')} (95 % interval {gain})."
    )


# ---- verses and languages ------------------------------------------------------------------------


def verses_sentence(table: pd.DataFrame) -> str:
    """What each encoder groups the verses by, from `verses.agreement_table`."""
    parts = []
    for name, row in table.iterrows():
        parts.append(
            f"**{name}** finds the language at NMI {row.language_nmi:.2f} and the subject at "
            f"{row.subject_nmi:.2f}"
        )
    language, subject = table.language_chance.mean(), table.subject_chance.mean()
    text = (
        f"{'. '.join(parts)}. Here 1 is perfect. Groups at random would get about {language:.2f} "
        f"with the language and {subject:.2f} with the subject, because the verses are few."
    )
    for name, row in table[table.language_nmi < table.language_chance].iterrows():
        text += (
            f" The {row.language_nmi:.2f} of {name} is lower than that: its groups mix the "
            "languages more evenly than groups at random do."
        )
    return text


def check_sentence(check: pd.DataFrame) -> str:
    """What the second translation of the verses found, from `verses.check_table`."""
    n, same = len(check), int((check.same_meaning == "yes").sum())
    apart = int((check.language == APART).sum())
    remarks = int((check.remark != "").sum())
    outcome = "always agree in meaning" if same == n else f"agree in meaning for {same} verses"
    return (
        f"There are also {apart} verses in Bangla, which the next section uses. With the "
        f"{n - apart} verses above that are not in English, that makes {n} verses in a foreign "
        "language. Each of them was translated back into English twice. The second translator did "
        f"not see the first translation. The two translations {outcome}. "
        f"They differ in a detail for {remarks} verses, which the table `data/verses_check.csv` "
        "names. Native speakers have not checked the verses."
    )


def apart_sentence(guesses: Mapping[str, np.ndarray], subjects: np.ndarray, language: str) -> str:
    """How many verses in a language apart get their subject from the nearest verses in other
    languages; guesses {encoder: (n,)}, subjects (n,)."""
    parts = []
    for name, guess in guesses.items():
        right, most = int((guess == subjects).sum()), pd.Series(guess).value_counts()
        be = "is" if right == 1 else "are"
        if most.iloc[0] == len(subjects):
            parts.append(
                f"{name} gives every verse in {LANGUAGES[language]} the same subject, "
                f"*{most.index[0]}*. Only {right} of the {len(subjects)} verses {be} on this "
                f"subject, so {name} does no better than a guess"
            )
            continue
        part = (
            f"With {name}, {right} of {len(subjects)} verses in {LANGUAGES[language]} get the "
            "right subject"
        )
        if most.iloc[0] > len(subjects) / 2:
            part += f"; {most.iloc[0]} of them get the subject *{most.index[0]}*"
        parts.append(part)
    return f"{'. '.join(parts)}."


def language_shown(table: pd.DataFrame) -> pd.DataFrame:
    """`grids.language_table` for a reader: one row an encoder and a way to take the language
    off."""
    rows = []
    for row in table.itertuples():
        other = row.subject if row.texts == "verses" else row.genius_tag
        rows.append(
            {
                "texts": f"{row.n} {row.texts}, {row.languages} languages",
                "encoder": ENCODERS[row.encoder].title,
                "removed": row.removed,
                "variance that lies between languages": f"{100 * row.left:.1f} %",
                "NMI with language": f"{row.language:.2f}",
                "NMI with subject or tag": f"{other:.2f}",
            }
        )
    return pd.DataFrame(rows).set_index(["texts", "encoder", "removed"])


def language_sentence(table: pd.DataFrame) -> str:
    """Whether one direction is enough to take the language off, for texts in two and in several
    languages; the English encoder."""
    parts = []
    for texts, rows in table[table.encoder == "minilm"].groupby("texts", sort=False):
        by = rows.set_index("removed").language
        centred = by["each language's mean"]
        parts.append(
            f"The {texts} are in {rows.languages.iloc[0]} languages. Removing the first direction "
            f"lowers the agreement of MiniLM's groups with language from {by['nothing']:.2f} to "
            f"{by['the first direction']:.2f}. Removing each language's mean lowers it to "
            f"{centred:.2f}."
        )
    return " ".join([*parts, *_first_directions(table), *_songs_read(table)])


NEARLY_ALL = 0.9  # of the variance between languages: from this share on a removal is enough


def _first_directions(table: pd.DataFrame) -> list[str]:
    """For which encoders removing the first direction takes nearly all of the language off texts
    in two languages, and for which it does not."""
    left = table[table.languages == 2].pivot_table(
        index="encoder", columns="removed", values="left", sort=False
    )
    if left.empty:
        return []
    enough = left["the first direction"] <= (1 - NEARLY_ALL) * left["nothing"]
    titles = {name: ENCODERS[name].title for name in left.index}
    sentences = []
    if enough.any():
        listed = joined_names([titles[name] for name in left.index[enough]])
        sentences.append(
            f"With two languages, the first direction holds nearly all of the difference between "
            f"the languages in the vectors of {listed}."
        )
    for name, row in left[~enough].iterrows():
        sentences.append(
            f"Not so for {titles[name]}: the share of the variance between the languages only goes "
            f"from {100 * row['nothing']:.1f} % to {100 * row['the first direction']:.1f} %."
        )
    return sentences


def _songs_read(table: pd.DataFrame) -> list[str]:
    """How many songs each encoder has read, where that differs from the songs of the page."""
    counts = table[table.texts == "songs"].groupby("encoder").n.first()
    if counts.empty:
        return []
    sentences = [
        f"This table uses only the words, so it contains all {counts.max()} songs. One of them has "
        "silent sound. The parts of this page that compute with sound leave this song out. The "
        "stored tables further below still contain it."
    ]
    for encoder, n in counts[counts < counts.max()].items():
        sentences.append(
            f"For {ENCODERS[encoder].title} there are {n} songs: the texts of {counts.max() - n} "
            "were not at hand."
        )
    return sentences


# ---- groups --------------------------------------------------------------------------------------


def primary_sentence(row: pd.Series) -> str:
    """The comparison that was named beforehand, and its control."""
    verdicts = {
        1: "The words help",
        -1: "The words do harm",
        0: "This is no detectable effect",
    }
    return (
        "With so many comparisons, some would look like an effect by chance. So **we chose one "
        "comparison before we computed the grid**, and only this one is a test. It scores groups "
        f"against the {target_words(row.target)}. "
        f"{ENCODERS[row.encoder].title} reads the words. PCA reduces its vectors to "
        f"{_kept_in_full(row.kept)}. The words weigh {row.weight:g}. The sound is described by "
        f"{HEARD[row.sound]}.\n\n"
        f"On {row.songs} songs, groups by sound and own words agree with the label at NMI "
        f"{row['mean']:.3f}. Groups by sound alone agree at {row.alone:.3f}. (These are means over "
        f"{row.seeds} seeds. The figure above has as many seeds as the page is set to, so its last "
        "digit can differ.) "
        f"The difference is {difference_words(row, 'gain')}. "
        f"{verdicts[_direction(row, 'gain')]}. The control gives each song the words of another "
        "song in the same language. With own words, the NMI differs from this control by "
        f"{difference_words(row, 'over')}."
    )


def count_sentence(table: pd.DataFrame) -> str:
    """How many comparisons with sound alone there are, how many differ, and how many of these
    survive a correction."""
    table = widened(table[(table.guard == "passes") & (table.target != "language")])
    n, up, down = len(table), int((table.clear > 0).sum()), int((table.clear < 0).sum())
    sure_up, sure_down = int((table.sure > 0).sum()), int((table.sure < 0).sum())
    one_language = int((table.target.str.contains(" only") & (table.sure > 0)).sum())
    spoken = ""
    if one_language:
        spoken = (
            f"Of these gains, {one_language} are on songs of a single language. There, differences "
            "between languages cannot have caused the gain. "
        )
    return (
        "Of all rows of the grid, we leave out those that fail the scale guard and those of the "
        f"label *language*. {n} rows remain. Each gives one interval: of the NMI with words minus "
        "the NMI of sound alone. By chance alone, about "
        f"{round(0.05 * n)} of these intervals would exclude zero. In fact {up + down} do. Of "
        f"these, {up} lie above zero (words help), and {down} below (words harm). "
        "Bonferroni's correction asks for much stronger evidence where there are many comparisons. "
        f"With this correction, {sure_up} gains and {sure_down} losses are left. {spoken}"
        f"{_in_short(sure_up, sure_down)}"
    )


def _in_short(gains: int, losses: int) -> str:
    """What is left after the correction, in a sentence: gains, losses, both or neither."""
    if not gains and not losses:
        return "So no effect of the words is sure."
    if not gains or not losses:
        return f"So where an effect is sure, the words {'help' if gains else 'harm'}."
    more = ""
    if gains != losses:
        first, second = ("help", "harm") if gains > losses else ("harm", "help")
        more = f", and words {first} more often than they {second}"
    return f"So the effect depends on the choices{more}."


def labels_sentence(codes: Mapping[str, np.ndarray]) -> str:
    """Which labels are scored, with their classes and songs, as a list; codes (n,) by label."""
    if not codes:
        return NO_LABELS
    parts = []
    for name, values in codes.items():
        meaning = f", {MEANING[name]}" if name in MEANING else ""
        counts = f"{values.max() + 1} classes, {(values >= 0).sum()} songs"
        parts.append(f"- *{shown(name)}*{meaning}: {counts}")
    least = least_songs(len(next(iter(codes.values()))))
    first = (
        f"A class of a label, such as rap, is scored only if it has at least {least} songs. The "
        "labels are:"
    )
    return "\n".join([first, "", *parts])


def grid_sentence(table: pd.DataFrame, silent: str = "") -> str:
    """What a grid says: the comparison named beforehand where it is the published one, followed by
    `silent_sentence`, and how many others there are."""
    if not len(table):
        return NO_LABELS
    if "encoder" not in table:
        return count_sentence(table)
    first = " ".join(filter(None, [primary_sentence(primary_row(table)), silent]))
    return f"{first}\n\n{count_sentence(table)}"


def silent_sentence(values: Mapping[str, Value]) -> str:
    """That one preview is silent, and what the comparison named beforehand is without it; nothing
    where the published grids are not there."""
    if "own_words_audible_gain" not in values:
        return ""
    same = values["own_words_audible_gain"].text == values["own_words_primary_gain"].text
    gain = f"With or without this song, the gain is {quote(values, 'own_words_primary_gain')}."
    if not same:
        gain = (
            f"With this song the gain is {quote(values, 'own_words_primary_gain')}, and without it "
            f"{quote(values, 'own_words_audible_gain')}."
        )
    return (
        "The stored grid contains the silent song that we left out above. So "
        f"{quote(values, 'own_words_primary_songs')} songs have a Genius tag here, and "
        f"{quote(values, 'own_words_audible_songs')} in the list above. " + gain
    )


def ways_sentence(table: pd.DataFrame) -> str:
    """Which ways differ from sound alone on the first label, and the largest gain."""
    target = headline(table.target) if len(table) else None
    if target is None:
        return NO_LABELS
    some = table[(table.target == target) & (table.guard == "passes")]
    kinds = [_direction(row, "gain") for row in some.itertuples()]
    named = "None of them"
    if "encoder" in table:
        named = "Only the comparison in the section on the grid"
    return (
        f"There are {len(some)} ways to add the words. Compared with sound alone, "
        f"{kinds.count(1)} of them agree measurably better with the {shown(target)}, and "
        f"{kinds.count(-1)} measurably worse. "
        f"{named} was chosen beforehand, so such a difference must be tested again on other songs. "
        f"{best_sentence(table, target)} It was chosen as the best of several, so it looks better "
        "than it is."
    )


def best_sentence(table: pd.DataFrame, target: str) -> str:
    """The way whose own words gain most on a target, among rows that pass the guard."""
    some = table[(table.guard == "passes") & (table.target == target)]
    row = some.loc[some.gain.idxmax()]
    weight = "" if math.isnan(row.weight) else f", words weigh {row.weight:g}"
    inputs = f" ({_input_of(row)}{weight})" if "encoder" in row else weight
    return (
        f"*{row.way}*{inputs} has the largest gain over sound alone: "
        f"{difference_words(row, 'gain')}."
    )


def _kept_in_full(kept: str) -> str:
    """`kept_of` for a sentence: a share of the variance is said to be what the components keep."""
    return kept_of(kept) if float(kept) > 1 else f"the components that keep {kept_of(kept)}"


def _input_of(row) -> str:
    return f"{ENCODERS[row.encoder].title}, {kept_of(row.kept)}, {HEARD[row.sound]}"


def part_sentence(table: pd.DataFrame) -> str:
    """Which part of a grid `main_table` shows; of the published grid also how many of its rows
    differ from sound alone, and where in the grid the words harm."""
    target = headline(table.target) if len(table) else None
    if target is None:
        return ""
    first = f"In the next table the label is the {shown(target)}, and the words weigh {WEIGHT:g}"
    if "encoder" not in table:
        return f"{first} where a way has such a weight."
    some = table[(table.way == SIDE_BY_SIDE) & (table.weight == WEIGHT) & (table.target == target)]
    kinds = [_direction(row, "gain") for row in some.itertuples()]
    others = widened(table[(table.guard == "passes") & (table.target != "language")])
    harm, heavy = others.clear < 0, others.weight > WEIGHT
    so = ""
    if harm[heavy].mean() > harm[~heavy].mean():
        so = " So words harm more often where they weigh more."
    return (
        f"{first}. It has {len(some)} intervals for own words minus sound alone. Of these, "
        f"{kinds.count(1)} lie above zero (words help), and {kinds.count(-1)} below (words harm). "
        f"Of the {len(others)} rows counted above, words harm in {harm.sum()}. In "
        f"{(harm & heavy).sum()} of these, the words weigh more than {WEIGHT:g}. Of all "
        f"{len(others)} rows, {heavy.sum()} have a weight above {WEIGHT:g}.{so}"
    )


def main_table(table: pd.DataFrame, target: str | None) -> pd.DataFrame:
    """Sound and words side by side at the paper's weight, one row an encoder, components and sound:
    the two differences with their intervals, and the guard's verdict. Of a collection of the
    reader's, which has one input, every way that passes the guard (`way_table`)."""
    if target is None:
        return pd.DataFrame()
    if "encoder" not in table:
        return way_table(table, target)
    some = table[(table.way == SIDE_BY_SIDE) & (table.weight == WEIGHT) & (table.target == target)]
    rows = []
    for row in some.itertuples():
        rows.append(
            {
                "words": f"{ENCODERS[row.encoder].title}, {kept_of(row.kept)}",
                "sound": HEARD[row.sound],
                "sound alone": f"{row.alone:.3f}",
                "own words": f"{row.mean:.3f}",
                "own words − sound alone": difference_words(row, "gain"),
                "own words − another song's words": difference_words(row, "over"),
                "guard": row.guard.partition(":")[0],
            }
        )
    return pd.DataFrame(rows).set_index(["words", "sound"])


def way_table(table: pd.DataFrame, target: str) -> pd.DataFrame:
    """Every way at the paper's weight on one target: own words, and the two differences; a way
    whose words fail the guard shows its verdict instead of numbers."""
    some = table[table.target == target]
    some = some[some.weight.isna() | (some.weight == WEIGHT)]
    rows = {}
    for row in some.itertuples():
        if row.guard != "passes":
            rows[row.way] = {"own words": "not shown: a planted signal is lost"}
            continue
        rows[row.way] = {
            "own words": f"{row.mean:.3f} ({interval_words(row.low, row.high)})",
            "own words − sound alone": difference_words(row, "gain"),
            "own words − another song's words": difference_words(row, "over"),
        }
    return pd.DataFrame(rows).T.fillna("–").rename_axis(target_words(target))


def weight_sentence(title: str, table: pd.DataFrame) -> str:
    """From which weight of the words on groups follow the language rather than the label, from
    `clusters.by_weight`."""
    target = headline(table.target) if len(table) else None
    if target is None:
        return NO_LABELS
    by = table.set_index(["target", "weight"])["mean"]
    label = by[target]
    text = (
        f"**{title}**: groups by sound alone agree with the {shown(target)} at NMI "
        f"{label.iloc[0]:.2f}, and groups by words alone at {label.iloc[-1]:.2f}. "
        f"{_best_mixture(label)}"
    )
    if target == "language" or "language" not in set(table.target):
        return text
    language = by["language"]
    turned = language.index[language > label]
    if not len(turned):
        return (
            f"{text} At every weight, groups agree better with the {shown(target)} than with the "
            "language."
        )
    return (
        f"{text} If the weight is {min(turned):g} or more, groups agree better with the language "
        f"than with the {shown(target)}."
    )


def _best_mixture(label: pd.Series) -> str:
    """What the best mixture gains over sound alone; label is NMI by the weight of the words."""
    gain = label.max() - label.iloc[0]
    if gain <= 0:
        return "No mixture is better than sound alone."
    return (
        f"The best mixture differs from sound alone by {signed(gain)}; there the words weigh "
        f"{label.idxmax():g}."
    )


# ---- probes and retrieval ------------------------------------------------------------------------


def probe_sentence(title: str, probes: pd.DataFrame) -> str:
    """Whether a probe reads more of the first label from sound and words than from sound alone."""
    target = headline(probes.target) if len(probes) else None
    if target is None:
        return "There are too few labels or artists to ask a probe."
    rows = probes[probes.target == target].set_index("input")
    both = rows.loc[OWN]
    verdicts = {
        1: "The words know something that the sound does not say",
        -1: "The words get in the way",
        0: "This is no detectable effect",
    }
    return (
        f"**{title}**: with sound and words, a probe finds the {shown(target)} with a balanced "
        f"accuracy of {both['mean']:.2f}; with sound alone, {rows.loc[SOUND, 'mean']:.2f}. The "
        f"difference is {difference_words(both, 'gain')}. {verdicts[_direction(both, 'gain')]}."
    )


def own_words_verdict(table: pd.DataFrame, probes: pd.DataFrame, title: str) -> str:
    """The answer for the songs of this page: what own words do to groups, side by side with the
    sound, and to a probe."""
    target = headline(table.target) if len(table) else None
    if target is None:
        return NO_LABELS
    some = table[(table.way == SIDE_BY_SIDE) & (table.target == target)]
    row = some.iloc[0]
    verdicts = {
        1: "Groups agree better with the {} when own words are added",
        -1: "Groups agree less with the {} when own words are added",
        0: "Own words do not change measurably how well groups agree with the {}",
    }
    text = verdicts[_direction(row, "gain")].format(shown(target))
    gain = difference_words(row, "gain")
    return f"{text}: the difference is {gain}. {probe_sentence(title, probes)}"


TRAINED_ON = {OVER: "words of any other song"}


def retrieval_shown(table: pd.DataFrame) -> pd.DataFrame:
    """How often a song's own words are among the NEAREST that its sound brings up, for a reader."""
    rows = []
    for row in table.itertuples():
        named = {}
        if "encoder" in table:
            named = {"words": ENCODERS[row.encoder].title, "sound": HEARD[row.sound]}
        rows.append(
            named
            | {
                "method": row.method,
                "trained on": TRAINED_ON.get(row.pairs, row.pairs),
                f"own words among the first {NEAREST}": (
                    f"{100 * row.recall:.1f} % ({interval_words(100 * row.low, 100 * row.high, 1)})"
                ),
                f"own words in first {NEAREST}, training songs": f"{100 * row.recall_seen:.1f} %",
                "chance": f"{100 * row.chance:.1f} %",
            }
        )
    return pd.DataFrame(rows)


def retrieval_sentence(table: pd.DataFrame) -> str:
    """The best that sound does to find its words, for artists that were not trained on."""
    if not len(table):
        return "All songs are of one artist, so none can be kept unseen."
    own = table[table.pairs == OWN]
    row = own.loc[own.recall.idxmax()]
    where = (
        f" with {ENCODERS[row.encoder].title} and {HEARD[row.sound]}" if "encoder" in row else ""
    )
    return (
        f"The best method is {row.method}{where}. For {100 * row.recall:.1f} % of the songs, their "
        f"own words are among its first {NEAREST} guesses. Chance would give "
        f"{100 * row.chance:.1f} %. Of the songs that it was trained on, it finds the words of "
        f"{100 * row.recall_seen:.1f} %."
    )
