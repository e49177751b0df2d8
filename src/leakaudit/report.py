"""What an audit says: findings sorted by harm, open questions, limits; as text, JSON and a page."""

from __future__ import annotations

import html
import io
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from leakaudit import outputs, pictures
from leakaudit.columns import COPY
from leakaudit.kinds import (
    AREAS,
    CANNOT_TELL,
    EXIT_CODES,
    FINDINGS,
    KINDS,
    NOTHING,
    SEVERITIES,
)
from leakaudit.leaks import Effect

SCHEMA = "leakaudit-report/1"
WIDTH = 76  # letters of a printed line
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Leak audit</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}
td,th{{text-align:left;padding:.2em .6em;vertical-align:top}}svg{{max-width:100%;height:auto}}
section{{border-left:4px solid #d55e00;padding-left:1em;margin:1.5em 0}}
section.ignored{{border-color:#999}}div.wide{{overflow-x:auto}}
pre{{background:#f4f4f4;padding:.6em;overflow-x:auto}}</style></head>
<body>{}</body></html>
"""


@dataclass
class Finding:
    """One finding: its `kind` (a key of KINDS), `where` in words, the guilty `columns` of the given
    table (none where rows are guilty), its `effect` in [0, 1], `p` or None, what it `says`, a line
    of Python to `paste`, what to draw (`picture`), and whether the user asked to ignore it."""

    kind: str
    where: str
    columns: list[str]
    effect: float
    p: float | None
    says: str
    paste: str = ""
    picture: dict[str, Any] | None = None
    ignored: bool = False

    @property
    def area(self) -> str:
        """What it harms, one of AREAS."""
        return KINDS[self.kind].area

    @property
    def severity(self) -> str:
        """One of SEVERITIES."""
        return KINDS[self.kind].severity

    @property
    def mend(self) -> str:
        """What to do, in a sentence."""
        return KINDS[self.kind].mend


def _harm(one: Finding) -> tuple:
    return one.ignored, AREAS.index(one.area), SEVERITIES.index(one.severity), -one.effect


@dataclass
class Report:
    """What `examine` says of a table of `n` rows.

    `findings` are sorted by harm. `questions` are sentences on what the table cannot answer.
    `looked_for` and `unseen` say what was looked for and what no audit of this table can see;
    `smallest` says how small a leak would have been found. `blocks`: what each block says of the
    label (`leaks.Effect`). `without`: agreement of K-Means and accuracy of the best probe, with and
    without what was found, and of controls. `notes`: what was left out, sampled or taken as given.
    `next_options` are options of the command with which to go on.
    """

    n: int
    findings: list[Finding] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    looked_for: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    smallest: str = ""
    blocks: list[dict[str, Any]] = field(default_factory=list)
    without: list[dict[str, Any]] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    next_options: str = ""

    def add(
        self,
        kind: str,
        where: str,
        says: str,
        columns: Sequence[str] = (),
        effect: float = 0.0,
        p: float | None = None,
        paste: str = "",
        picture: dict[str, Any] | None = None,
    ) -> None:
        """Add a finding (the fields of `Finding`) and keep the findings sorted by harm."""
        p = None if p is None else float(p)
        one = Finding(kind, where, list(columns), float(effect), p, says, paste, picture)
        self.findings.append(one)
        self.findings.sort(key=_harm)

    def add_block(self, block: str, n_columns: int, measured: bool, effect: Effect | None) -> None:
        """Add what a block says of the label."""
        row: dict[str, Any] = {"block": block, "columns": n_columns, "measured": measured}
        if effect is not None:
            row |= {name: value for name, value in asdict(effect).items() if name != "named"}
        self.blocks.append(row)

    def ignore(self, wanted: list[str]) -> None:
        """Mark findings as ignored whose kind, column or place is `wanted`; they stay listed."""
        names = {text.strip().lower().replace("-", " ") for text in wanted}
        for one in self.findings:
            places = {
                one.kind,
                one.where.lower(),
                *(c.lower().replace("-", " ") for c in one.columns),
            }
            one.ignored = bool(places & names)
        self.findings.sort(key=_harm)

    @property
    def active(self) -> list[Finding]:
        """The findings that are not ignored."""
        return [one for one in self.findings if not one.ignored]

    @property
    def verdict(self) -> str:
        """ "findings", "cannot tell" or "nothing found"."""
        if self.active:
            return FINDINGS
        return CANNOT_TELL if self.questions else NOTHING

    @property
    def exit_code(self) -> int:
        """That of the most harmful finding, or of the verdict (EXIT_CODES)."""
        if self.active:
            return EXIT_CODES[self.active[0].area]
        return EXIT_CODES[self.verdict]

    def table(self, name: str = "findings") -> pd.DataFrame:
        """ "findings", "blocks" or "without" as a table."""
        if name != "findings":
            return pd.DataFrame(getattr(self, name))
        columns = ["kind", "where", "area", "severity", "effect", "p", "says", "mend"]
        rows = [[getattr(one, column) for column in columns] for one in self.findings]
        return pd.DataFrame(rows, columns=columns)

    def headline(self) -> str:
        """The verdict in a sentence."""
        if self.active:
            kinds = list(dict.fromkeys(one.kind for one in self.active))
            noun = "finding" if len(self.active) == 1 else "findings"
            return f"{len(self.active)} {noun}: {', '.join(kinds)}."
        if self.questions:
            return "Cannot tell: the table leaves a question open that only you can answer."
        return "The audit looked for leaks and found none. This does not prove that there is none."

    def __repr__(self) -> str:
        return f"<Report of {self.n} rows: {self.headline()}>"

    def __str__(self) -> str:
        parts = [f"{self.headline()} ({self.n} rows)"]
        for one in self.findings:
            mark = "ignored, " if one.ignored else ""
            parts.append(
                f"- [{mark}{one.severity}] {one.kind}, {one.where} (effect {one.effect:.2f}): "
                f"{one.says} {one.mend}"
            )
            if one.paste:
                parts.append(f"    {one.paste}")
        parts += [f"- cannot tell: {one}" for one in self.questions]
        if self.looked_for:
            parts.append(f"- looked for: {'; '.join(self.looked_for)}.")
        if self.smallest and not self.active:
            parts.append(f"- smallest dose: {self.smallest}")
        parts += [f"- cannot be seen here: {one}" for one in self.unseen]
        parts += [f"- note: {one}" for one in self.notes]
        lines = []
        for part in map(outputs.printable_line, parts):
            if part.startswith("    "):
                lines.append(part)
                continue
            lines.append(textwrap.fill(part, WIDTH, subsequent_indent="  ", break_on_hyphens=False))
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain lists and dicts for JSON (schema: `report.schema.json` beside this
        module); numbers to four digits, None where there is none."""
        findings = []
        for one in self.findings:
            row = {key: value for key, value in asdict(one).items() if key != "picture"}
            row |= {"area": one.area, "severity": one.severity, "mend": one.mend}
            findings.append(_plain(row))
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "rows": self.n,
            "headline": self.headline(),
            "findings": findings,
            "questions": self.questions,
            "looked_for": self.looked_for,
            "unseen": self.unseen,
            "smallest": self.smallest,
            "blocks": [_plain(row) for row in self.blocks],
            "without": [_plain(row) for row in self.without],
            "scores": _plain(self.scores),
            "notes": self.notes,
        }

    def figure(self) -> Figure:
        """Effects from 0 to 1: what was found (orange), and what each block says of the label."""
        bars = {}
        for one in self.findings:
            name = one.kind if one.where == "rows" else f"{one.where}: {one.kind}"
            bars[name] = (one.effect, "#d55e00")
        for row in self.blocks:
            if "share" in row:
                bars[row["block"]] = (row["share"], "#0173b2")
        return pictures.bars(bars, COPY, f"{self.verdict} (orange: found)")

    def to_html(self, path: str | Path | None = None) -> str:
        """One page with all sentences, tables and pictures; written to `path` where one is
        given."""
        body = [f"<h1>Leak audit: {self.verdict}</h1><p>{html.escape(self.headline())}</p>"]
        body.append(f"<p>{self.n} rows</p>{_svg(self.figure())}")
        for one in self.findings:
            body.append(_section(one))
        body.append(_list("What cannot be told", self.questions))
        body.append(_list("What was looked for", self.looked_for))
        body.append(_list("How small a leak would have been found", [self.smallest]))
        body.append(_list("What cannot be seen here", self.unseen))
        for title, name in (("With and without it", "without"), ("Blocks", "blocks")):
            rows = self.table(name)
            if len(rows):
                made = rows.round(3).to_html(index=False, border=0, na_rep="")
                body.append(f'<h2>{title}</h2><div class="wide">{made}</div>')
        body.append(_list("Notes", self.notes))
        page = PAGE.format("".join(body))
        if path is not None:
            outputs.write_whole(path, page)
        return page


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Numbers to four digits, and None for what is no number."""
    plain: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, float):
            value = round(value, 4) if value == value else None
        plain[key] = value
    return plain


def _svg(figure: Figure) -> str:
    """A figure as markup. Text stays text, since a browser has letters that matplotlib has not."""
    picture = io.StringIO()
    with warnings.catch_warnings(), rc_context({"svg.fonttype": "none"}):
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(picture, format="svg", metadata={"Date": None})
    return picture.getvalue().partition("?>")[2]


def _list(title: str, sentences: list[str]) -> str:
    """A heading and a list; nothing where there is no sentence."""
    items = "".join(f"<li>{html.escape(one)}</li>" for one in sentences if one)
    return f"<h2>{title}</h2><ul>{items}</ul>" if items else ""


def _section(one: Finding) -> str:
    """A finding with its picture and the line that mends it."""
    kind = ' class="ignored"' if one.ignored else ""
    title = html.escape(f"{one.kind}: {one.where}")
    text = html.escape(f"{one.says} {one.mend}")
    parts = [f"<section{kind}><h2>{title}</h2><p><b>{one.severity}</b> · {one.area}</p>"]
    parts.append(f"<p>{text}</p>")
    if one.picture is not None:
        parts.append(_svg(pictures.of_finding(one.picture)))
    if one.paste:
        parts.append(f"<pre>{html.escape(one.paste)}</pre>")
    return "".join([*parts, "</section>"])
