"""A place for the settings of matplotlib where the user has none: no home, or one of another user.

Without one it warns on every start. Imported before matplotlib is, for this alone."""

import atexit
import os
import shutil
import tempfile


def _writable(folder: str) -> bool:
    """Whether a folder can be written, or made."""
    folder = os.path.abspath(os.path.expanduser(folder))
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK)


def give_place() -> None:
    """A folder of its own for matplotlib, which goes when we end, where it could make none."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    settings = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    known = "MPLCONFIGDIR" in os.environ
    if not known and not (_writable(f"{cache}/matplotlib") and _writable(f"{settings}/matplotlib")):
        os.environ["MPLCONFIGDIR"] = tempfile.mkdtemp(prefix="leakaudit-")
        atexit.register(shutil.rmtree, os.environ["MPLCONFIGDIR"], ignore_errors=True)


give_place()
