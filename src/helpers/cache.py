"""The cache of fits: arrays on disk under the hash of everything that made them.

A file is named by the hash of data, recipe, seed, device and the code that trains; nothing is ever unpickled. Several
processes may share the folder. Used by `training`.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import logging
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .jobs import write_atomically

log = logging.getLogger("helpers")

_counts: Counter[str] = Counter()


def cache_dir() -> Path:
    """Folder of the cached fits: the environment variable HELPERS_CACHE, else `_build/cache` of the checkout, else
    a folder under the user's cache directory."""
    if "HELPERS_CACHE" in os.environ:
        return Path(os.environ["HELPERS_CACHE"])
    root = Path(__file__).resolve().parents[2]
    if (root / "pyproject.toml").exists():
        return root / "_build" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vae-music-clustering"


def cache_report() -> dict[str, int]:
    """Hits, misses and bytes read and written by this process, and the files and bytes in the whole folder now."""
    sizes = []
    for path in cache_dir().glob("*.npz"):
        with contextlib.suppress(FileNotFoundError):  # another process may tidy up
            sizes.append(path.stat().st_size)
    counts = {name: _counts[name] for name in ("hits", "misses", "bytes_read", "bytes_written")}
    return counts | {"files": len(sizes), "bytes": sum(sizes)}


def code_digest(*modules: str) -> str:
    """Hash of modules of this package without their comments and docstrings: of what decides the numbers."""
    parts = []
    for name in modules:
        tree = ast.parse(Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
                node.body[0] = ast.Pass()
        parts.append(ast.dump(tree))
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def count(**numbers: int) -> None:
    """Add to the numbers of `cache_report`."""
    _counts.update(numbers)


def path_of(description: object, *arrays: np.ndarray | None) -> Path:
    """The file for what `description` (anything whose repr says it all) and the arrays determine."""
    key = hashlib.sha256(repr(description).encode())
    for array in arrays:
        key.update(b"none" if array is None else repr((array.shape, array.dtype.str)).encode() + array.tobytes())
    return cache_dir() / f"{key.hexdigest()[:32]}.npz"


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays; a reader sees the whole file or none. OSError says where there is no room or permission."""
    try:
        write_atomically(path, lambda temporary: np.savez(temporary, **arrays))  # type: ignore[arg-type]
    except OSError as error:
        raise OSError(f"Cannot write to {path.parent} ({error}); set HELPERS_CACHE to another folder.") from error


def load(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a file, None if there is none; an error of any kind if it is damaged or foreign."""
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)
