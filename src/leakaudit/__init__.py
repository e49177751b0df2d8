"""A leak audit of any table of features: is the label in it, and do its rows belong together?

`examine` takes a table, labels and groups, and returns a `Report`; the command `leakaudit` prints
it. It never says that a table is clean. Page "Audit".
"""

import leakaudit.places  # noqa: F401
from leakaudit.examination import examine
from leakaudit.reader import open_table
from leakaudit.report import Finding, Report

__all__ = ["Finding", "Report", "examine", "open_table"]
