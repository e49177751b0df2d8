"""How our records print: in a line or two, whatever tables and arrays they hold.

Used by every dataclass that holds data, so that `print(load("gtzan-mini"))` is no wall of
numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sized
from typing import Any

LONGEST = 60  # characters of a value that is printed as it is


def short_repr(record: Any) -> str:
    """The name of a dataclass and its fields: plain values as they are, of the others kind and
    size."""
    parts = []
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if value is not None:
            parts.append(f"{field.name}={_short(value)}")
    return f"{type(record).__name__}({', '.join(parts)})"


def short_repr_of(record: type) -> None:
    """Give a dataclass `short_repr` from outside of it: the body of a class is a part of the keys
    under which results are stored, and how it prints changes no result."""
    record.__repr__ = short_repr  # type: ignore[method-assign, assignment]


def _short(value: Any) -> str:
    kind = type(value).__name__
    shape = getattr(value, "shape", None)
    if shape:
        return f"{kind} {' x '.join(map(str, shape))}"
    if isinstance(value, Mapping) and value:
        names = ", ".join(map(str, list(value)[:4]))
        more = ", …" if len(value) > 4 else ""
        return f"{{{names}{more}}}"[:LONGEST]
    if dataclasses.is_dataclass(value):
        return f"<{kind}>"
    text = repr(value)
    if len(text) <= LONGEST and "\n" not in text:
        return text
    return f"{kind} of {len(value)}" if isinstance(value, Sized) else f"<{kind}>"
