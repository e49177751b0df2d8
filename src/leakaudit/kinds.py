"""The kinds of finding: what each harms, how much, how it is mended, and the exit code for it."""

from __future__ import annotations

from typing import NamedTuple

LABEL, FAMILIES, SCORE = "label in the input", "rows that belong together", "score spoiled"
AREAS = (LABEL, FAMILIES, SCORE)  # the most harmful first
NOTHING, CANNOT_TELL, FINDINGS = "nothing found", "cannot tell", "findings"
UNUSABLE = 1
EXIT_CODES = {NOTHING: 0, LABEL: 4, CANNOT_TELL: 5, FAMILIES: 6, SCORE: 7}
SEVERITIES = ("high", "medium", "low")


class Kind(NamedTuple):
    """What a finding of one kind harms (one of AREAS), how much, and what to do."""

    area: str
    severity: str
    mend: str


KINDS = {
    "copy of the label": Kind(
        LABEL, "high", "Drop these columns, or show that they were measured without the label."
    ),
    "label in a text": Kind(
        LABEL, "high", "Take the names of the classes out of the texts, or drop the texts."
    ),
    "label in a direction": Kind(
        LABEL,
        "high",
        "Make these columns again from an input without the label: PCA and rotations keep it.",
    ),
    "class probabilities": Kind(
        LABEL, "high", "Drop these columns: only a classifier that was given labels makes them."
    ),
    "templates by class": Kind(
        LABEL, "high", "Give each row a text or vector of its own, or drop the block."
    ),
    "target encoding": Kind(
        LABEL, "high", "Drop this column, or encode it without the labels of these rows."
    ),
    "scaled by class": Kind(
        LABEL, "high", "Scale, centre and rotate the whole table at once, never class by class."
    ),
    "made with the label": Kind(
        LABEL, "high", "Make these columns again without the label, from the same input."
    ),
    "says the label": Kind(
        LABEL, "high", "Drop the block, or make it without the label; then compare the scores."
    ),
    "spread by class": Kind(LABEL, "high", "Give all classes the same noise and the same scaling."),
    "missing by class": Kind(
        LABEL, "high", "Find out why values are missing; fill or drop them alike in all classes."
    ),
    "stands out": Kind(
        LABEL, "medium", "Ask who made this column. Keep it only if they did not know the label."
    ),
    "repeated rows": Kind(
        FAMILIES, "high", "Keep one of each, or give the copies one group; never split a group."
    ),
    "families": Kind(
        FAMILIES, "high", "Split by group, never by row, and draw groups for intervals."
    ),
    "row order": Kind(
        FAMILIES, "medium", "Name the groups (track, artist, session), and never split a group."
    ),
    "few distinct rows": Kind(
        SCORE, "medium", "Give each row a text or vector of its own, or drop the block."
    ),
    "dead dimensions": Kind(
        SCORE, "medium", "Drop the dead columns, and do not compare silhouettes across spaces."
    ),
    "mostly empty": Kind(SCORE, "medium", "Drop what is mostly empty before you fill gaps."),
    "predictions by chance": Kind(
        SCORE, "high", "Do not report this score without its chance level."
    ),
    "unknown class": Kind(
        SCORE, "low", "Leave rows without a known class out of every score that uses labels."
    ),
}


def kind_named(text: str) -> str | None:
    """The kind that a user means by `text` ("row-order", "Row order"), or None."""
    wanted = text.strip().lower().replace("-", " ").replace("_", " ")
    return wanted if wanted in KINDS else None
