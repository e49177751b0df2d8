"""The one store of everything that is computed once: fits, features, embeddings, grid cells, notebook runs.

An entry's key is the hash of its data, its arguments and the code that makes it (`key`): what a function refers to is
followed through the package, so that an edit anywhere on the way makes a new key, and nothing else has to be told. The
entries, arrays by name, lie in one SQLite file, which survives a kill in the middle of a write and takes several
writers; nothing is ever unpickled. Page "Run it yourself".
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import hashlib
import io
import logging
import os
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

log = logging.getLogger("helpers")

PACKAGE = Path(__file__).resolve().parent
VERSIONS = ("numpy", "scipy", "scikit-learn", "torch")  # packages whose release may change a number
_counts: Counter[str] = Counter()


def cache_dir() -> Path:
    """Folder of the store: the environment variable HELPERS_CACHE, else `_build/cache` of the checkout, else a folder
    under the user's cache directory."""
    if "HELPERS_CACHE" in os.environ:
        return Path(os.environ["HELPERS_CACHE"])
    if (PACKAGE.parents[1] / "pyproject.toml").exists():
        return PACKAGE.parents[1] / "_build" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vae-music-clustering"


def cache_report() -> dict[str, int]:
    """Hits, misses and bytes read and written by this process, and the entries and bytes of the whole store now."""
    with _connect() as base:
        entries = base.execute("SELECT count(*) FROM entries").fetchone()[0] if base else 0
    path = cache_dir() / "store.sqlite"
    counts = {name: _counts[name] for name in ("hits", "misses", "bytes_read", "bytes_written")}
    return counts | {"entries": entries, "bytes": path.stat().st_size if path.exists() else 0}


# ---- keys -----------------------------------------------------------------------------------------------------------


def key(function: Callable, *arguments: Any) -> str:
    """The name of what `function(*arguments)` gives: a hash of the arguments, of the code that the call can reach
    (`code_digest`) and of the releases of VERSIONS. Arguments may be arrays, tables, dataclasses, and what `repr` says
    whole."""
    total = hashlib.sha256(code_digest(function).encode() + repr(_versions()).encode())
    _feed(total, arguments)
    return total.hexdigest()[:40]


@functools.lru_cache(maxsize=1)
def _versions() -> tuple[str, ...]:
    return tuple(metadata.version(name) for name in VERSIONS)


def _feed(total, value: Any) -> None:
    """Add a value to a hash, with its type, so that no two different values look alike."""
    total.update(f"<{type(value).__name__}>".encode())
    if isinstance(value, np.ndarray):
        total.update(f"{value.shape}{value.dtype.str}".encode())
        total.update(repr(value.tolist()).encode() if value.dtype.hasobject else np.ascontiguousarray(value).tobytes())
    elif isinstance(value, (pd.DataFrame, pd.Series)):
        total.update(repr(list(getattr(value, "columns", ()))).encode())
        total.update(pd.util.hash_pandas_object(value).to_numpy().tobytes())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if getattr(value, field.name) is not None:  # a switch that is off: new ones leave old keys as they are
                total.update(field.name.encode())
                _feed(total, getattr(value, field.name))
    elif isinstance(value, Mapping):
        for name in value:
            total.update(repr(name).encode())
            _feed(total, value[name])
    elif isinstance(value, (list, tuple)):
        for part in value:
            _feed(total, part)
    else:
        total.update(repr(value).encode())


@functools.lru_cache(maxsize=256)
def code_digest(*functions: Callable) -> str:
    """Hash of functions or classes of this package and of all of its definitions that they refer to, directly or not.

    Comments and docstrings do not count. Names are followed through imports, those inside a function too; this module
    is left out, since it stores numbers and makes none.
    """
    todo = [(f.__module__, f.__qualname__.split(".")[0]) for f in functions]
    return _digest(todo)


def source_digest(source: str) -> str:
    """`code_digest` of a piece of source, say a notebook's: the source itself, and what it refers to of the package."""
    tree = ast.parse(source)
    return hashlib.sha256(ast.dump(tree).encode() + _digest(_references(tree, "", {})).encode()).hexdigest()


def _digest(todo: list[tuple[str, str]]) -> str:
    found: dict[tuple[str, str], str] = {}
    while todo:
        module, name = todo.pop()
        if (module, name) in found or module == __name__:
            continue
        definitions, imports = _module(module)
        if name in definitions:
            found[module, name] = "".join(ast.dump(node) for node in definitions[name])
            for node in definitions[name]:
                todo += _references(node, module, imports)
        elif name in imports:  # a name that this module only passes on
            todo.append((imports[name][0], imports[name][1] or ""))
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()


@functools.lru_cache(maxsize=None)
def _module(name: str) -> tuple[dict[str, list[ast.AST]], dict[str, tuple[str, str | None]]]:
    """The definitions of a module of this package by name, without docstrings and the types of functions, and its
    imports (`_imports`)."""
    path = _file(name)
    if path is None:
        return {}, {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    definitions: dict[str, list[ast.AST]] = {}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            definitions.setdefault(node.name, []).append(node)
        else:
            for part in ast.walk(node):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    definitions.setdefault(part.id, []).append(node)
    return definitions, _imports(tree, name)


def _file(module: str) -> Path | None:
    root, *rest = module.split(".")
    if root != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*rest)
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)


def _imports(tree: ast.AST, module: str) -> dict[str, tuple[str, str | None]]:
    """Local name -> (module of this package, name in it), the name None where the module itself is meant."""
    found: dict[str, tuple[str, str | None]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            file = _file(module) if module else None
            package = module if file is not None and file.name == "__init__.py" else module.rpartition(".")[0]
            for _ in range(node.level - 1):
                package = package.rpartition(".")[0]
            source = f"{package}.{node.module}" if node.level and node.module else node.module or package
            for alias in node.names:
                local, whole = alias.asname or alias.name, f"{source}.{alias.name}"
                found[local] = (whole, None) if _file(whole) else (source, alias.name)
    return {local: place for local, place in found.items() if _file(place[0])}


def _references(node: ast.AST, module: str, imports: Mapping[str, tuple[str, str | None]]) -> list[tuple[str, str]]:
    """What a piece of code refers to, as (module, name)."""
    imports = {**imports, **_imports(node, module)}
    found = []
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            place = imports.get(part.value.id)
            if place and place[1] is None:
                found.append((place[0], part.attr))
        if isinstance(part, ast.Name):
            place = imports.get(part.id, (module, part.id))
            if place[1] is not None:
                found.append((place[0], place[1]))
    return found


# ---- entries --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _connect(write: bool = False) -> Iterator[sqlite3.Connection | None]:
    """The open store, None where there is none to read. A file that is no store is put aside with a warning; where
    writing is impossible OSError says what to do."""
    path = cache_dir() / "store.sqlite"
    try:
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.exists():
            yield None
            return
        with contextlib.closing(sqlite3.connect(path, timeout=120)) as base:
            if write:
                base.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
            with base:  # one transaction
                yield base
    except sqlite3.DatabaseError as error:
        said = str(error)
        if "not a database" in said or "malformed" in said or "no such table" in said:
            log.warning("%s is damaged (%s); it is put aside, and what it held is computed again.", path, said)
            with contextlib.suppress(OSError):
                os.replace(path, path.with_suffix(".damaged"))
            raise _Damaged from error
        raise OSError(f"Cannot write to {path.parent} ({said}); what was finished before is kept: make room, or set "
                      "HELPERS_CACHE to another folder, then run the same command again.") from error  # fmt: skip
    except OSError as error:
        raise OSError(f"Cannot write to {path.parent} ({error}); set HELPERS_CACHE to another folder.") from error


class _Damaged(Exception):
    pass


def get(keys: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """The entries that are there, {key: {name: array}}; a damaged one is passed over with a warning."""
    raw: dict[str, bytes] = {}
    keys = list(dict.fromkeys(keys))
    with contextlib.suppress(_Damaged), _connect() as base:
        for start in range(0, len(keys) if base else 0, 500):
            part = keys[start : start + 500]
            marks = ",".join("?" * len(part))
            raw |= dict(base.execute(f"SELECT key, value FROM entries WHERE key IN ({marks})", part))
    found = {}
    for name, value in raw.items():
        try:
            with np.load(io.BytesIO(value), allow_pickle=False) as stored:
                found[name] = dict(stored)
        except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
            log.warning("Stored entry %s cannot be used (%s); it is computed again.", name[:12], error)
    _counts.update(hits=len(found), bytes_read=sum(len(raw[name]) for name in found))
    return found


def put(entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Store entries, {key: {name: array}}, all or none of them. OSError says where there is no room or permission."""
    packed = {}
    for name, arrays in entries.items():
        file = io.BytesIO()
        np.savez(file, **{part: np.asarray(value) for part, value in arrays.items()})  # type: ignore[arg-type]
        packed[name] = file.getvalue()
    for attempt in (1, 2):  # a damaged store is put aside at the first try
        with contextlib.suppress(_Damaged if attempt == 1 else ()), _connect(write=True) as base:
            base.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", packed.items())
            break
    _counts.update(misses=len(packed), bytes_written=sum(map(len, packed.values())))


def remember(function: Callable[..., Mapping[str, Any]], *arguments: Any) -> dict[str, np.ndarray]:
    """`function(*arguments)`, a dict of arrays, computed once and then read from the store."""
    return remember_many([(function, *arguments)], n_jobs=1)[0]


def remember_many(calls: Sequence[tuple], n_jobs: int | None = None, title: str = "") -> list[dict[str, np.ndarray]]:
    """`remember(*call)` for every call (function, *arguments), spread over processes, in the given order.

    Each result is stored as soon as it is there, so that an interrupted run goes on where it was. `n_jobs` defaults to
    the cores this process may use; with a `title` progress is shown on a terminal.
    """
    keys = [key(*call) for call in calls]
    found = get(keys)
    todo = {name: call for name, call in zip(keys, calls, strict=True) if name not in found}
    n_jobs = min(joblib.effective_n_jobs(n_jobs or joblib.cpu_count()), len(todo)) or 1
    work = joblib.Parallel(n_jobs, return_as="generator_unordered")(
        joblib.delayed(_named)(name, *call) for name, call in todo.items()
    )
    for name, made in tqdm(work, initial=len(found), total=len(set(keys)), desc=title, disable=None if title else True):
        put({name: made})
        found[name] = {part: np.asarray(value) for part, value in made.items()}
    return [found[name] for name in keys]


def _named(name: str, function: Callable, *arguments: Any) -> tuple[str, Mapping[str, Any]]:
    return name, function(*arguments)


# ---- files ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def said_plainly(path: Path) -> Iterator[None]:
    """Turn a failed write into one sentence that names the file and what to do."""
    try:
        yield
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write {path} ({os.strerror(error.errno or 5)}); what was finished before is kept: "
            "make room or choose another place, then run the same command again",
        ) from None


def write_atomically(path: str | Path, write: Callable[[Path], Any]) -> Path:
    """Call `write(temporary)` and rename the result to `path`, so that no half-written file is ever seen."""
    path = Path(path)
    with said_plainly(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{os.getpid()}.{path.name}")  # its ending may tell the writer the format
        try:
            write(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return path
