"""The command `leakaudit`: audit a table, print what is found, and say it by the exit code."""

from __future__ import annotations

import argparse
import io
import json
import shlex
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from leakaudit.kinds import EXIT_CODES, KINDS, UNUSABLE, kind_named
from leakaudit.outputs import printable_line, refuse_target
from leakaudit.prepared import list_of
from leakaudit.reader import READABLE, open_table
from leakaudit.spellings import spelled_as_in

if TYPE_CHECKING:
    from leakaudit.report import Report

DESCRIPTION = "Look for the label in a table of features, and for rows that belong together."
COUNTS_ROWS = ("Unnamed: 0", "index")


def _epilog() -> str:
    """What the exit codes mean, the kinds of finding, and examples."""
    codes = [f"  {code}  {name}" for name, code in sorted(EXIT_CODES.items(), key=lambda x: x[1])]
    codes.insert(1, f"  {UNUSABLE}  the table cannot be used")
    codes.insert(2, "  2  the options cannot be used")
    kinds = ", ".join(kind.replace(" ", "-") for kind in KINDS)
    return "\n".join(
        [
            "exit codes (with several findings, that of the most harmful, in this order: 4, 6, 7):",
            *codes,
            "",
            textwrap.fill(
                f"kinds of finding, for --ignore: {kinds}",
                78,
                subsequent_indent="  ",
                break_on_hyphens=False,
            ),
            "",
            "examples:",
            "  leakaudit songs.csv --labels genre --groups artist --html audit.html",
            "  leakaudit latents.npz --labels y --derived-from features.csv",
            "  leakaudit songs.csv --labels genre --measured mfcc --ignore row-order",
        ]
    )


def _seed(text: str) -> int:
    """A seed that every generator takes."""
    if not (text.isdecimal() and int(text) < 2**32):
        raise argparse.ArgumentTypeError("a seed is a whole number from 0 to 4294967295")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    made = argparse.ArgumentParser(
        "leakaudit",
        description=DESCRIPTION,
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("table", help=f"one row a song, segment or text: {READABLE}")
    made.add_argument(
        "--labels",
        metavar="COLUMN",
        help="column of the labels, or a file with one label a row",
    )
    made.add_argument(
        "--groups",
        metavar="COLUMN",
        help="column of what stays together: track, artist, session",
    )
    made.add_argument(
        "--measured",
        action="append",
        default=[],
        metavar="BLOCK",
        help="block or column that was measured without knowing the label (repeat it)",
    )
    made.add_argument(
        "--derived-from",
        metavar="TABLE",
        help="what the table was made from, row for row",
    )
    made.add_argument(
        "--predictions",
        metavar="COLUMN",
        help="column of clusters or predictions to score",
    )
    made.add_argument(
        "--leave-out",
        action="append",
        default=[],
        metavar="COLUMN",
        help="column that no model sees (repeat it)",
    )
    made.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="FINDING",
        help="kind, column or block whose findings are listed, but do not change the exit code "
        "(repeat it)",
    )
    made.add_argument(
        "--json", action="store_true", help="print the report as JSON (schema: report.schema.json)"
    )
    made.add_argument("--html", metavar="PAGE", help="write the report with pictures as a page")
    made.add_argument(
        "--seed", type=_seed, default=0, help="of folds and permutations (default: 0)"
    )
    made.add_argument("--quiet", "-q", action="store_true", help="no progress")
    return made


def audit_file(options: argparse.Namespace) -> Report:
    """Read what the options name and audit it. ValueError, naming the file, for what cannot be
    used; FileNotFoundError where there is no file."""
    table = open_table(options.table)
    asked = [options.labels, options.groups, options.predictions, *options.leave_out]
    asked = [spelled_as_in(table, name) for name in asked]
    labels, groups, predictions, *_ = [_values(options.table, table, name) for name in asked]
    used = [name for name in asked if name in table]
    features = table.drop(columns=used)
    counting = [c for c in COUNTS_ROWS if c in features and _counts_rows(features[c])]
    source = None
    if options.derived_from:
        source = open_table(options.derived_from)
        source = source.drop(columns=[name for name in used if name in source])

    def progress(name: str) -> None:
        if not options.quiet and sys.stderr.isatty():
            print(f"  … {name}", file=sys.stderr)

    unknown = [name for name in options.ignore if not _is_known(name, table)]
    if unknown:
        raise ValueError(
            f"--ignore {unknown[0]}: neither a kind of finding, nor a column or block; the kinds "
            f"are {', '.join(KINDS)}"
        )
    from leakaudit.examination import examine  # seconds: help and refusals need not wait for it

    try:
        report = examine(
            features.drop(columns=counting),
            labels,
            groups=groups,
            measured=options.measured,
            derived_from=source,
            predictions=predictions,
            ignore=options.ignore,
            seed=options.seed,
            progress=progress,
        )
    except ValueError as error:
        raise ValueError(f"{options.table}: {error}") from None
    if counting:
        report.notes.append(f"Left out, because it counts the rows: {list_of(counting)}.")
    return report


def _is_known(name: str, table: pd.DataFrame) -> bool:
    """Whether something to ignore is a kind of finding, a column or the start of columns."""
    return kind_named(name) is not None or any(str(c).startswith(name) for c in table)


def _counts_rows(values: pd.Series) -> bool:
    """Whether a column holds 0, 1, 2 ... or 1, 2, 3 ... in the order of the rows."""
    if not pd.api.types.is_numeric_dtype(values) or values.isna().any():
        return False
    return bool((np.diff(values.to_numpy(float)) == 1).all() and values.iloc[0] in (0, 1))


def _values(path: str, table: pd.DataFrame, name: str | None) -> np.ndarray | None:
    """The values of a column, or of the one column of a file, one a row."""
    if name is None:
        return None
    if name in table:
        return table[name].to_numpy(object)
    if Path(name).suffix and Path(name).is_file():
        other = open_table(name)
        if other.shape[1] != 1 or len(other) != len(table):
            raise ValueError(
                f"{name}: {other.shape[1]} columns and {len(other)} rows; it needs one column and "
                f"the {len(table)} rows of {path}"
            )
        return other.iloc[:, 0].to_numpy(object)
    raise ValueError(
        f"{path}: there is no column {name!r}; there are: {list_of([str(c) for c in table], 8)}"
    )


def _refuse_empty_names(options: argparse.Namespace) -> None:
    """ValueError for an empty name, which an unset variable of a script gives: it is never another
    word for "none"."""
    for option, given in vars(options).items():
        names = given if isinstance(given, list) else [given]
        if any(isinstance(name, str) and not name.strip() for name in names):
            raise ValueError(f"{option.replace('_', '-')}: the name is empty")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show is escaped
            stream.reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    try:
        _refuse_empty_names(options)
        if options.html:  # before the work
            inputs = [options.table, options.derived_from, options.labels]
            refuse_target(options.html, [name for name in inputs if name])
        report = audit_file(options)
        if options.html:
            report.to_html(options.html)
    except (ValueError, OSError) as error:
        print(printable_line(f"leakaudit: {error}"), file=sys.stderr)
        return UNUSABLE
    if options.json:
        print(json.dumps(report.to_dict(), indent=1))
    else:
        print(report)
        if report.next_options:
            print()
            command = ["leakaudit", *(arguments if arguments is not None else sys.argv[1:])]
            print(printable_line(f"Next: {shlex.join(command)} {report.next_options}"))
    return report.exit_code
