"""Where a report is written: a file whole or not at all, through a link into the file that it
names, and through pipes and devices."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

# what moves the cursor of a terminal, breaks lines, or turns the reading direction
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable_line(text: str) -> str:
    """A line for a terminal: names of columns may hold what would move its cursor."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def refuse_target(path: str | Path, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse a page that cannot be written, or that would replace one of the `inputs`.

    OSError or ValueError in one sentence, so that a command can ask before it works."""
    path = Path(path)
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path}: this is a folder; name a file for the page")
    for given in inputs:
        if os.path.exists(path) and os.path.exists(given) and os.path.samefile(path, given):
            raise ValueError(f"{path}: this is the table itself; name another file for the page")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {folder} to write the page into")
    if os.path.exists(path):
        writable_by_somebody = path.stat().st_mode & 0o222  # root may write even where nobody may
        if not (os.access(path, os.W_OK) and writable_by_somebody):
            raise PermissionError(f"{path}: the file is read-only; choose another name")
    elif not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{path}: the folder {folder} is read-only; choose another")


def write_whole(path: str | Path, text: str) -> None:
    """Write a text as UTF-8: beside the file and renamed, or through a pipe or a device.

    OSError in one sentence where that cannot be."""
    path = Path(path)
    refuse_target(path)
    data = text.encode("utf-8", "backslashreplace")
    try:
        if os.path.exists(path) and not stat.S_ISREG(path.stat().st_mode):
            with open(path, "wb") as stream:
                stream.write(data)
            return
        target = Path(os.path.realpath(path))
        beside = target.with_name(f".{secrets.token_hex(4)}.part")
        try:
            beside.write_bytes(data)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f"{path}: cannot be written ({reason}); choose another place") from None
