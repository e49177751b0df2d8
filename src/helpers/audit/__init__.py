"""A leak audit of any table: which columns say the label, how loudly, and whether measured data could look like that.

`examine` takes a table, labels and groups, and returns a `Report`; `python -m helpers audit` prints it. Strength alone
accuses nothing, since measured columns may tell classes apart without error: what a copy of the label lacks is that,
within a class, it varies together with other measurements. Page "Audit"."""

from .examination import examine
from .findings import Report

__all__ = ["Report", "examine"]
