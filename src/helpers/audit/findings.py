"""What an audit found: tables, sentences, a figure, a page, a verdict."""

from __future__ import annotations

import html
import io
import textwrap
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ..cache import write_atomically
from ..leaks import Effect

COPY = 0.9  # effect from which columns are asked whether they are copies of the label

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Leak audit</title>
<style>body{{font:16px sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}
td,th{{text-align:left;padding:.2em .6em;vertical-align:top}}svg{{max-width:100%}}</style></head>
<body>{}</body></html>
"""
MEND = {
    "copy of the label": "Drop the columns, or show that they were measured before anybody knew the label.",
    "says the label": "Drop the block, or make it without the label; then compare with its rows dealt out anew.",
    "spread by class": "Give all classes the same noise and the same scaling; scale on the whole table, not by class.",
    "missing by class": "Find out why values are missing; fill or drop them alike in all classes.",
    "repeated rows": "Keep one of each, or give the copies one group, and never split a group.",
    "repeated by class": "Give each row its own vector: texts written or chosen by class are the class.",
    "row order": "Name the groups (track, artist, album), and never split a group.",
    "groups": "Split by group, never by row, and draw groups for intervals.",
}


@dataclass
class Report:
    """What `examine` found. `findings`, one row a finding: kind, where, effect in [0, 1], p, says, mend; `blocks`: what
    each block says of the label (`leaks.Effect`); `without`: NMI of K-Means and balanced accuracy of the best probe,
    with and without what was found, and of controls; `open`: sentences on what cannot be told; `notes`: on what was
    left out, sampled or not looked at."""

    n: int
    findings: list[dict[str, Any]] = field(default_factory=list)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    without: list[dict[str, Any]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def tell(self, kind: str, where: str, effect: float, p: float | None, says: str) -> None:
        """Add a finding; `kind` is one of MEND."""
        found = {"kind": kind, "where": where, "effect": float(effect), "p": p, "says": says, "mend": MEND[kind]}
        self.findings.append(found)

    def see(self, block: str, n_columns: int, measured: bool, effect: Effect | None) -> None:
        """Add what a block says of the label."""
        told = {} if effect is None else {name: value for name, value in asdict(effect).items() if name != "named"}
        self.blocks.append({"block": block, "columns": n_columns, "measured": measured} | told)

    def table(self, name: str = "findings") -> pd.DataFrame:
        """"findings", "blocks" or "without" as a table."""
        return pd.DataFrame(getattr(self, name))

    @property
    def verdict(self) -> str:
        """ "findings", "cannot tell" or "clean"."""
        return "findings" if len(self.findings) else "cannot tell" if self.open else "clean"

    def __str__(self) -> str:
        said = [f"- {one['kind']}, {one['where']} (effect {one['effect']:.2f}): {one['says']} {one['mend']}"
                for one in self.findings]  # fmt: skip
        told = [*said, *(f"- cannot be told: {one}" for one in self.open), *(f"- note: {one}" for one in self.notes)]
        lines = [textwrap.fill(one, 72, subsequent_indent="  ", break_on_hyphens=False) for one in told]
        return "\n".join([f"{self.verdict} ({self.n} rows)", *lines])

    def to_dict(self) -> dict[str, Any]:
        """The report as plain lists and dicts, for JSON: numbers to four digits, None where there is none."""
        def plain(value: Any) -> Any:
            if isinstance(value, float):
                return round(value, 4) if value == value else None
            return value

        tables = {name: [{key: plain(value) for key, value in row.items()} for row in getattr(self, name)]
                  for name in ("findings", "blocks", "without")}  # fmt: skip
        return {"verdict": self.verdict, "rows": self.n, **tables, "open": self.open, "notes": self.notes}

    def figure(self) -> Figure:
        """What was found (orange) and what each block says of the label: effects from 0 to 1."""
        found = {one["where"]: one["effect"] for one in self.findings if one["where"] != "rows"}
        found |= {one["kind"]: one["effect"] for one in self.findings if one["where"] == "rows"}
        share = {one["block"]: one["share"] for one in self.blocks if "share" in one}
        bars = dict(list((found | {name: value for name, value in share.items() if name not in found}).items())[:25])
        figure = Figure(figsize=(5.4, 1.3 + 0.3 * max(len(bars), 2)), layout="constrained")
        axis = figure.subplots()
        names = [textwrap.shorten(name, 40, placeholder="…") for name in bars]
        axis.barh(range(len(bars)), list(bars.values()), color=["#d55e00" if b in found else "#0173b2" for b in bars])
        axis.set_yticks(range(len(bars)), names, fontsize=9)
        axis.axvline(COPY, color="#555555", ls=":", lw=1)
        axis.invert_yaxis()
        axis.set(xlim=(0, 1.02), xlabel="effect (0: chance, 1: without error)")
        axis.set_title(f"{self.verdict} (orange: found)", loc="left", fontsize=10)
        return figure

    def to_html(self, path: str | Path | None = None) -> str:
        """One page with the figure, the tables and all sentences; written to `path` where one is given."""
        picture = io.StringIO()
        self.figure().savefig(picture, format="svg", metadata={"Date": None})
        body = [f"<h1>Leak audit: {self.verdict}</h1><p>{self.n} rows</p>{picture.getvalue().partition('?>')[2]}"]
        for title, name in (("Findings", "findings"), ("With and without it", "without"), ("Blocks", "blocks")):
            if len(table := self.table(name)):
                body.append(f"<h2>{title}</h2>{table.round(3).to_html(index=False, border=0, na_rep='')}")
        for title, told in (("What cannot be told", self.open), ("Notes", self.notes)):
            if told:
                body.append(f"<h2>{title}</h2><ul>{''.join(f'<li>{html.escape(one)}</li>' for one in told)}</ul>")
        page = PAGE.format("".join(body))
        if path is not None:
            write_atomically(path, lambda to: to.write_text(page, encoding="utf-8"))
        return page
