"""The one store of everything that is computed once: fits, features, embeddings, grid cells, notebook runs.

An entry's key is the hash of its data, its arguments and the code that makes it (`key`): what a function refers to is
followed through the package, so that an edit anywhere on the way makes a new key, and nothing else has to be told. The
entries, arrays by name, lie in one SQLite file, which survives a kill in the middle of a write and takes several
writers; nothing is ever unpickled. A folder that cannot be written is read, and a warning says that nothing new is kept
there; a full disk is an error, and what was stored before stays. Page "Run it yourself"."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import errno
import functools
import hashlib
import inspect
import io
import logging
import os
import sqlite3
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path, PurePath
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
    entries = sum(count for (count,) in _read("SELECT count(*) FROM entries"))
    counts = {name: _counts[name] for name in ("hits", "misses", "bytes_read", "bytes_written")}
    return counts | {"entries": entries, "bytes": os.path.getsize(_store()) if os.path.exists(_store()) else 0}


# ---- keys -----------------------------------------------------------------------------------------------------------


def key(function: Callable | str, *arguments: Any) -> str:
    """The name of what `function(*arguments)` gives: a hash of the arguments, of the code that the call can reach
    (`code_digest`) and of the releases of VERSIONS; a string in place of the function is source, say a notebook's.
    Arguments may be arrays, tables, dataclasses, functions, plain values, and lists, dicts and sets of these; TypeError
    names any other."""
    code = source_digest(function) if isinstance(function, str) else code_digest(function)
    total = hashlib.sha256(code.encode() + repr(_versions()).encode())
    _feed(total, arguments)
    return total.hexdigest()[:40]


@functools.cache
def _versions() -> tuple[str, ...]:
    return tuple(metadata.version(name) for name in VERSIONS)


def _feed(total, value: Any) -> None:
    """Add a value to a hash, with its type, so that no two different values look alike."""
    total.update(f"<{type(value).__name__}>".encode())
    if isinstance(value, np.ndarray):
        total.update(f"{value.shape}{value.dtype.str}".encode())
        total.update(repr(value.tolist()).encode() if value.dtype.hasobject else np.ascontiguousarray(value).tobytes())
    elif isinstance(value, (pd.DataFrame, pd.Series, pd.Index)):
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
    elif isinstance(value, (list, tuple, set, frozenset)):
        for part in value if isinstance(value, (list, tuple)) else sorted(value, key=repr):
            _feed(total, part)
            if isinstance(part, (list, tuple, set, frozenset, Mapping)):
                total.update(b"</>")  # [[1], 2] is not [[1, 2]]
    elif isinstance(value, (str, bytes, int, float, complex, np.generic, PurePath, range, type(None))):
        total.update(repr(value).encode())
    elif callable(value) and hasattr(value, "__qualname__"):
        total.update(code_digest(value).encode())
    else:
        raise TypeError(f"A {type(value).__name__} cannot be told from another one; give the store plain arguments.")


@functools.lru_cache(maxsize=256)
def code_digest(*functions: Callable) -> str:
    """Hash of functions or classes of this package and of all of its definitions that they refer to, directly or not.

    Comments, docstrings and the types of arguments do not count. Names are followed through imports, those inside a
    function too; the methods of an argument are not, where the code does not name its class. This module is left out,
    since it stores numbers and makes none. A function from elsewhere, say a script's, counts with its whole file.
    ValueError for one that no file defines by name."""
    places = [(_home(f), f.__qualname__) for f in functions]
    for module, name in places:
        if _file(module) and name.split(".")[0] not in _module(module)[0]:
            raise ValueError(f"{name} of {module} is no function that a module defines by name.")
    digest = _digest([(module, name.split(".")[0]) for module, name in places])
    for f, (module, name) in zip(functions, places, strict=True):
        if _file(module) is None:
            try:
                digest += source_digest(inspect.getsource(sys.modules[f.__module__])) + name
            except (KeyError, OSError, TypeError):
                raise ValueError(f"{name} is defined in no file; put it into a module.") from None
        elif "." in name:  # one method of a class, which counts whole
            digest += name
    return digest


def _home(function: Callable) -> str:
    """The module of a function, by its own name where it was started with `python -m`."""
    spec = getattr(sys.modules.get(function.__module__), "__spec__", None)
    return spec.name if function.__module__ == "__main__" and spec else function.__module__


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


@functools.cache
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
            for part in ast.walk(node):  # NAME = ..., and NAME[key] = ...
                if isinstance(getattr(part, "ctx", None), ast.Store):
                    name_node = getattr(part, "value", part)
                    if isinstance(name_node, ast.Name):
                        definitions.setdefault(name_node.id, []).append(node)
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
        elif isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.split(".")[0]
                found[alias.asname or whole] = (whole, None)
    return {local: place for local, place in found.items() if _file(place[0])}


def _references(node: ast.AST, module: str, imports: Mapping[str, tuple[str, str | None]]) -> list[tuple[str, str]]:
    """What a piece of code refers to, as (module, name)."""
    imports = {**imports, **_imports(node, module)}
    found = []
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute):
            base: ast.AST = part.value
            names = [part.attr]
            while isinstance(base, ast.Attribute):
                names.insert(0, base.attr)
                base = base.value
            place = imports.get(base.id) if isinstance(base, ast.Name) else None
            if place and place[1] is None:
                inside = place[0]
                while len(names) > 1 and _file(f"{inside}.{names[0]}"):
                    inside = f"{inside}.{names.pop(0)}"
                found.append((inside, names[0]))
        if isinstance(part, ast.Name):
            place = imports.get(part.id, (module, part.id))
            if place[1] is not None:
                found.append((place[0], place[1]))
    return found


# ---- entries --------------------------------------------------------------------------------------------------------


DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
READ_ONLY = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, -errno.EACCES, -errno.EROFS)
WAIT = 120.0  # seconds for another writer


def _store() -> Path:
    return cache_dir() / "store.sqlite"


def _code(error: Exception) -> int:
    """What an error is about: SQLite's code, or the operating system's below 0."""
    return -(error.errno or 0) if isinstance(error, OSError) else getattr(error, "sqlite_errorcode", 0) & 0xFF


def _read(statement: str, parameters: Sequence[str] = ()) -> list[tuple]:
    """What the store answers, nothing where there is no store, or, with a warning, none that can be read."""
    if not os.path.exists(_store()):  # False, too, where the folder must not be looked into
        return []
    try:
        with contextlib.closing(sqlite3.connect(_store(), timeout=WAIT)) as base:
            return base.execute(statement, parameters).fetchall()
    except sqlite3.Error as error:
        if _code(error) in DAMAGED:
            _put_aside(error)
        elif "no such table" not in str(error):  # that is a store which another process is making this moment
            log.warning("%s cannot be read (%s); what it holds is computed again.", _store(), error)
        return []


def _put_aside(error: Exception) -> None:
    log.warning("%s is damaged (%s); it is put aside, and what it held is computed again.", _store(), error)
    with contextlib.suppress(OSError):
        _store().with_name(_store().name + "-journal").unlink(missing_ok=True)  # it belongs to the damaged file
        os.replace(_store(), _store().with_suffix(".damaged"))


def get(keys: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """The entries that are there, {key: {name: array}}; a damaged one is passed over with a warning."""
    keys = list(dict.fromkeys(keys))
    raw: dict[str, bytes] = {}
    found: dict[str, dict[str, np.ndarray]] = {}
    for start in range(0, len(keys), 500):
        part = keys[start : start + 500]
        marks = ",".join("?" * len(part))
        raw.update(_read(f"SELECT key, value FROM entries WHERE key IN ({marks})", part))
    for name, value in raw.items():
        try:
            with np.load(io.BytesIO(value), allow_pickle=False) as stored:
                found[name] = dict(stored)
        except (ValueError, TypeError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
            log.warning("Stored entry %s cannot be used (%s); it is computed again.", name[:12], error)
    _counts.update(hits=len(found), bytes_read=sum(len(raw[name]) for name in found))
    return found


def put(entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Store entries, {key: {name: array}}, all or none of them. Where the folder must not be written nothing is kept,
    and a warning says so; OSError where there is no room."""
    packed = {}
    for name, arrays in entries.items():
        file = io.BytesIO()
        np.savez(file, **{part: np.asarray(value) for part, value in arrays.items()})  # type: ignore[arg-type]
        packed[name] = file.getvalue()
    _counts.update(misses=len(packed), bytes_written=sum(map(len, packed.values())))
    for attempt in (1, 2):  # a damaged store is put aside at the first
        try:
            _store().parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(_store(), timeout=WAIT)) as base, base:  # one transaction
                base.execute("PRAGMA synchronous=NORMAL")
                base.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB)")
                base.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", packed.items())
            return
        except (sqlite3.Error, OSError) as error:
            if _code(error) in DAMAGED and attempt == 1:
                _put_aside(error)
            elif _code(error) in READ_ONLY:
                return _say_read_only(cache_dir(), str(error))
            else:
                raise OSError(
                    f"cannot write to {cache_dir()} ({error}); what was finished before is kept: make room, or set "
                    "HELPERS_CACHE to another folder, then run the same command again"
                ) from error


@functools.lru_cache  # once a process
def _say_read_only(folder: Path, why: str) -> None:
    log.warning("%s cannot be written (%s): what is computed now is not kept; set HELPERS_CACHE to another folder.",
                folder, why)  # fmt: skip


def stored(results: Iterable[dict[str, Mapping[str, Any]]], seconds: float = 1.0) -> Iterator[dict]:
    """Pass on results, {key: {name: array}} each, as they come, and store them, those of a second together.

    So a job loses a second's work when it is killed, and quick results do not wait for the disk one by one."""
    waiting: dict[str, Mapping[str, Any]] = {}
    since = time.monotonic()
    try:
        for made in results:
            waiting |= made
            if time.monotonic() - since >= seconds:
                batch, waiting = waiting, {}
                put(batch)
                since = time.monotonic()
            yield made
    finally:
        if waiting:
            put(waiting)


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Let one process at a time do the work called `name`: others wait, then find it done.

    The system takes the lock back from a process that ends, however it ends. There is none on Windows, and none where
    the folder of the store cannot be written."""
    path = cache_dir() / f"{name}.lock"
    with contextlib.ExitStack() as stack:
        try:
            import fcntl

            path.parent.mkdir(parents=True, exist_ok=True)
            fcntl.flock(stack.enter_context(open(path, "wb")), fcntl.LOCK_EX)
        except (ImportError, OSError):
            pass
        yield


def remember(function: Callable[..., Mapping[str, Any]], *arguments: Any) -> dict[str, np.ndarray]:
    """`function(*arguments)`, a dict of arrays, computed once and then read from the store."""
    return remember_many([(function, *arguments)], n_jobs=1)[0]


def remember_many(calls: Sequence[tuple], n_jobs: int | None = None, title: str = "") -> list[dict[str, np.ndarray]]:
    """`remember(*call)` for every call (function, *arguments), spread over processes, in the given order.

    Each result is stored within half a second, so that an interrupted run goes on. `n_jobs` defaults to the cores that
    this process may use; with a `title` progress is shown on a terminal."""
    keys = [key(*call) for call in calls]
    found = get(keys)
    todo = {name: call for name, call in zip(keys, calls, strict=True) if name not in found}
    n_jobs = min(joblib.effective_n_jobs(n_jobs or joblib.cpu_count()), len(todo)) or 1
    work = joblib.Parallel(n_jobs, return_as="generator_unordered")(
        joblib.delayed(_named)(name, *call) for name, call in todo.items()
    )
    bar = tqdm(work, initial=len(found), total=len(set(keys)), desc=title, disable=None if title else True)
    for made in stored(bar):
        found |= {name: {part: np.asarray(value) for part, value in arrays.items()} for name, arrays in made.items()}
    return [found[name] for name in keys]


def _named(name: str, function: Callable, *arguments: Any) -> dict[str, Mapping[str, Any]]:
    return {name: function(*arguments)}


# ---- files ----------------------------------------------------------------------------------------------------------


def write_atomically(path: str | Path, write: Callable[[Path], Any]) -> Path:
    """Call `write(temporary)` and rename the result to `path`, so that no half-written file is ever seen. OSError names
    the file and says what to do."""
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")  # its ending may tell the writer the format
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        why = f"cannot write {path} ({os.strerror(error.errno or 5)}); what was finished before is kept: make room or "
        raise OSError(error.errno, why + "choose another place, then run the same command again") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path
