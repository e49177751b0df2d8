"""What the words mean in which the audit names a finding. Page "Audit"."""

from __future__ import annotations

from collections.abc import Iterable

from leakaudit.kinds import KINDS

MEANINGS = {  # of the findings that occur in the tables of the page
    "copy of the label": "columns that hold the label",
    "templates by class": "texts that were written for a class",
    "says the label": "columns that predict the label and, within a class, vary with nothing else",
    "made with the label": (
        "columns that say more of the label than the input that they were computed from"
    ),
    "missing by class": "values that are missing more often in some classes",
    "stands out": "columns that say more of the label than the others, and vary with none of them",
    "few distinct rows": "many songs share a few texts or vectors, whatever their class",
    "dead dimensions": "columns that hardly vary beside the others",
    "predictions by chance": "clusters that score no better than random ones",
    "unknown class": "many songs are of a class whose name says that theirs is not known",
}


def legend(answers: Iterable[str]) -> str:
    """What the findings mean that occur in answers of `rebuilt.answer_in_short`, a line each."""
    kinds = dict.fromkeys(kind for answer in answers for kind in kinds_in(answer))
    return "\n".join(f"- *{kind}*: {MEANINGS[kind]}." for kind in kinds)


def kinds_in(answer: str) -> list[str]:
    """The kinds of finding that an answer of the audit names."""
    return [kind for kind in answer.split("; ") if kind in KINDS]
