"""Where a table comes from: whether columns say more of a label than what they were made from."""

from __future__ import annotations

import numpy as np

from leakaudit import leaks
from leakaudit.case import Case
from leakaudit.prepared import list_of
from leakaudit.report import Report
from leakaudit.spoilers import LATENT

MORE = 0.15  # effect by which a latent may not exceed that of its input


def check_derived(case: Case, source: np.ndarray, audit: Report) -> None:
    """Compare the table with the numbers `source` (n, d) that it was made from, whose own `audit`
    is taken over: what leaks into an input is in all that is made of it."""
    report = case.report
    for one in audit.findings:
        one.where = f"input: {one.where}"
        report.findings.append(one)
    report.questions += [f"In the input: {one}" for one in audit.questions]
    table, before = (
        leaks.effect(X, case.codes, case.groups, 39, case.seed)
        for X in (case.numbers.to_numpy(), source)
    )
    if table is None or before is None:
        return
    report.notes.append(
        f"The table says {table.share:.2f} of the label, what it was made from {before.share:.2f}."
    )
    if table.p <= leaks.LIKELY and table.share >= before.share + MORE:
        says = (
            f"The columns say {table.share:.2f} of the label, and what they were made from "
            f"{before.share:.2f}: whatever made them was given the label."
        )
        case.accuse("made with the label", "all columns", case.suspects(), says, effect=table.share)


def note_on_latents(case: Case) -> None:
    """Say of columns with the names of latents that their input has to be audited."""
    latent = [name for name in case.blocks if LATENT.search(name)]
    if latent:
        case.report.unseen.append(
            f"what went into {list_of(latent)}: a latent may hide a label that its model was "
            "given. Audit the input as well, with --derived-from INPUT"
        )
