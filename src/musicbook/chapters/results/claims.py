"""Every claim of the paper with a verdict: the list, and the table. Pages "Results" (ten of them)
and "Every value" (all).

`data/paper_claims.csv` lists them: where the paper says it, a few of its words, the claim in ours,
a word in fairness to the paper, and the page that tests it. `claim_rules.RULES` has a rule for
each, which reads a verdict off the published runs, the stored grids and the settings."""

from __future__ import annotations

import pandas as pd

from helpers.tracks import data_dir
from musicbook.chapters.results.claim_rules import FAILS, HOLDS, RULES
from musicbook.stored_runs import Published


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
    holds, fails = counts.get(HOLDS, 0), counts.get(FAILS, 0)
    rest = [f"*{verdict}* ({n})" for verdict, n in counts.items() if verdict not in (HOLDS, FAILS)]
    first = f"We judged {len(table)} claims in all. Of these, {holds} hold and {fails} do not."
    return f"{first} The others: {', '.join(rest)}." if rest else first
