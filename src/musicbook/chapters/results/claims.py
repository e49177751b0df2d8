"""Every claim of the paper with a verdict: the list, and the table. Pages "Results" (ten of them)
and "Every value" (all).

`data/paper_claims.csv` lists them: where the paper says it, a few of its words, the claim in ours,
a word in fairness to the paper, and the page that tests it. `claim_rules.RULES` has a rule for
each, which reads a verdict off the published runs, the stored grids and the settings."""

from __future__ import annotations

import pandas as pd

from helpers.tables import joined_names
from helpers.tracks import data_dir
from musicbook.chapters.results.claim_rules import (
    FAILS,
    HOLDS,
    NOT_IN_CODE,
    NOT_TESTED,
    PART,
    RULES,
)
from musicbook.stored_runs import Published

PLURAL = {  # verdict -> how a sentence goes on after the number of such claims
    PART: "hold in part",
    NOT_IN_CODE: "are not in the code",
    NOT_TESTED: "are not tested",
}


def listed_claims() -> pd.DataFrame:
    """The list of claims: id, place, quote, claim, fair, page, headline (1 for the ten)."""
    path = data_dir() / "paper_claims.csv"
    return pd.read_csv(path, keep_default_na=False).set_index("id")


def ten_claims() -> list[str]:
    """The claims that the page "Results" shows, in the order of the list."""
    listed = listed_claims()
    return listed.claim[listed.headline == 1].tolist()


def claims_table(data: Published) -> pd.DataFrame:
    """All claims: the claim, where the paper makes it, the verdict, why, and a word in fairness.
    KeyError for a claim without a rule."""
    rows = []
    for row in listed_claims().itertuples():
        verdict, because = RULES[row.Index](data)
        place = f"{row.place}: “{row.quote}”"
        rows.append((row.claim, place, verdict, because, row.fair, row.page))
    columns = ["Claim", "Paper", "Verdict", "Because", "In fairness", "Page"]
    return pd.DataFrame(rows, columns=columns).set_index("Claim")


def read_verdicts(table: pd.DataFrame) -> str:
    """How many claims get each verdict, in a sentence."""
    counts = table["Verdict"].value_counts()
    rest = [f"{n} {PLURAL[verdict]}" for verdict, n in counts.items() if verdict in PLURAL]
    first = claims_answer(table)
    if not rest:
        return first
    others = f" {joined_names(rest[1:])}." if rest[1:] else ""
    return f"{first} Of the others, {rest[0]}.{others}"


def claims_answer(table: pd.DataFrame) -> str:
    """How many claims hold, and how many do not."""
    holds, fails = ((table["Verdict"] == verdict).sum() for verdict in (HOLDS, FAILS))
    return f"We judged {len(table)} claims of the paper. {holds} of them hold, and {fails} do not."
