"""The reader's own folder of music as a data set, and playlists of the clusters found in it."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Where computed things are kept: `$HELPERS_CACHE`, else `_build/cache` of the checkout, else the user's cache."""
    if os.environ.get("HELPERS_CACHE"):
        return Path(os.environ["HELPERS_CACHE"])
    root = Path(__file__).resolve().parents[2]
    if (root / "pyproject.toml").exists() or (root / ".git").exists():
        return root / "_build" / "cache"
    return Path.home() / ".cache" / "helpers-music"
