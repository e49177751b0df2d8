"""A leak audit of any table of features: is the label in it, and do its rows belong together?

`examine` takes a table, labels and groups, and returns a `Report`; the command `leakaudit` prints
it. It never says that a table is clean. Page "Audit".
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import leakaudit.places  # noqa: F401

if TYPE_CHECKING:
    from leakaudit.examination import examine
    from leakaudit.reader import open_table
    from leakaudit.report import Finding, Report

__all__ = ["Finding", "Report", "examine", "open_table"]

DEFINED_IN = {
    "Finding": "leakaudit.report",
    "Report": "leakaudit.report",
    "examine": "leakaudit.examination",
    "open_table": "leakaudit.reader",
}


def __getattr__(name: str) -> Any:
    """A part of the package, loaded when it is first asked for: who only reads a table need not
    wait for scikit-learn and matplotlib."""
    if name not in DEFINED_IN:
        raise AttributeError(f"module 'leakaudit' has no attribute {name!r}")
    return getattr(import_module(DEFINED_IN[name]), name)
