"""The store: everything that is computed once is kept as one .npz file in one folder.

An entry is a dict of arrays. The name of its file is a hash of the data, the arguments and the
code that make it (`key`), so that a change of any of them makes a new entry. A file is written
under another name and then renamed, so that no reader sees half of it. A damaged file is computed
again, with a warning. A folder that cannot be written is only read, which is logged once. Nothing
is ever unpickled. The page "Run it yourself" says where the folder is."""

from __future__ import annotations

import dataclasses
import errno
import functools
import hashlib
import io
import logging
import os
import secrets
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any

import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.code_keys import SOURCES, code_digest, source_digest

log = logging.getLogger("helpers")

VERSIONS = ("numpy", "scipy", "scikit-learn", "torch")  # packages whose release may change a number
READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
_counts: Counter[str] = Counter()


def cache_dir() -> Path:
    """The folder of the store.

    The environment variable HELPERS_CACHE names it; without one it is `_build/cache` of the
    checkout, or a folder under the user's cache directory where there is no checkout."""
    if "HELPERS_CACHE" in os.environ:
        return Path(os.environ["HELPERS_CACHE"])
    if (SOURCES.parent / "pyproject.toml").exists():
        return SOURCES.parent / "_build" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vae-music-clustering"


def cache_report() -> dict[str, int]:
    """Hits and misses of this process, and the number and bytes of all entries now."""
    sizes = [path.stat().st_size for path in cache_dir().glob("[!.]*.npz")]
    return {
        "hits": _counts["hits"],
        "misses": _counts["misses"],
        "entries": len(sizes),
        "bytes": sum(sizes),
    }


# ---- keys ----------------------------------------------------------------------------------------


def key(function: Callable | str, *arguments: Any) -> str:
    """The name of what `function(*arguments)` gives: 40 hexadecimal digits.

    It is a hash of the arguments, of the code that the call can reach (`code_keys`) and of the
    releases of VERSIONS. A string in place of the function is source, say a notebook's. Arguments
    may be arrays, tables, dataclasses, functions, plain values, and lists, dicts and sets of
    these; TypeError names any other."""
    code = source_digest(function) if isinstance(function, str) else code_digest(function)
    total = hashlib.sha256(f"{code}{_versions()}".encode())
    for part in _bytes_of(arguments):
        total.update(part)
    return total.hexdigest()[:40]


@functools.cache
def _versions() -> tuple[str, ...]:
    return tuple(metadata.version(name) for name in VERSIONS)


def _bytes_of(value: Any) -> Iterator[bytes]:
    """Bytes that no other value has: its type, its content, and where it ends."""
    yield f"<{type(value).__name__}>".encode()
    plain = (str, bytes, int, float, complex, np.generic, PurePath, range, type(None))
    members = _members(value)
    if members is not None:
        for member in members:
            yield from _bytes_of(member)
    elif isinstance(value, np.ndarray):
        yield f"{value.shape}{value.dtype.str}".encode()
        yield repr(value.tolist()).encode() if value.dtype.hasobject else value.tobytes()
    elif isinstance(value, (pd.DataFrame, pd.Series, pd.Index)):
        yield repr(list(getattr(value, "columns", ()))).encode()
        yield pd.util.hash_pandas_object(value).to_numpy().tobytes()
    elif isinstance(value, plain):
        yield repr(value).encode()
    elif callable(value) and hasattr(value, "__qualname__"):
        yield code_digest(value).encode()
    else:
        kind = type(value).__name__
        raise TypeError(f"The store cannot compare values of type {kind}; give it plain arguments.")
    yield b"</>"


def _members(value: Any) -> Sequence | None:
    """What a container holds, in an order that does not depend on the run; None for no container.

    Fields of a dataclass that are None are left out, so that a new field, None where it is not
    used, leaves the keys of before as they are."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        pairs = [(name, getattr(value, name)) for name in names]
        return [(name, part) for name, part in pairs if part is not None]
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, (list, tuple)):
        return value
    return None


# ---- entries -------------------------------------------------------------------------------------


def _path(name: str) -> Path:
    return cache_dir() / f"{name}.npz"


def read_entry(name: str) -> dict[str, np.ndarray] | None:
    """The entry called `name`, {part: array}; None where there is none or it is damaged."""
    try:
        content = _path(name).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        _warn_once("%s cannot be read (%s); it counts as empty.", cache_dir(), error.strerror)
        return None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = dict(file)
    except Exception as error:  # a damaged file may raise anything
        log.warning("Stored entry %s is damaged (%s); it is computed again.", name[:12], error)
        return None
    _counts["hits"] += 1
    return arrays


def write_entry(name: str, arrays: Mapping[str, Any]) -> bool:
    """Store an entry; returns whether it is kept.

    It is not kept where the folder may not be written, and a warning says so once. Raises OSError
    in one sentence for everything else, say a full disk; what was stored before stays."""
    _counts["misses"] += 1
    parts: dict[str, Any] = {part: np.asarray(value) for part, value in arrays.items()}
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        _write_and_rename(_path(name), lambda temporary: np.savez(temporary, **parts))
    except OSError as error:
        if error.errno in READ_ONLY:
            _warn_once(
                "%s cannot be written (%s): what is computed now is not kept; "
                "set HELPERS_CACHE to another folder.",
                cache_dir(),
                error.strerror,
            )
            return False
        raise OSError(
            error.errno,
            f"cannot write to {cache_dir()} ({_reason(error)}); what was finished before is kept: "
            "make room, or set HELPERS_CACHE to another folder, then run the same command again",
        ) from error
    return True


@functools.lru_cache
def _warn_once(message: str, *arguments: Any) -> None:
    log.warning(message, *arguments)


def remember(function: Callable[..., Mapping[str, Any]], *arguments: Any) -> dict[str, np.ndarray]:
    """`function(*arguments)`, a dict of arrays, computed once and then read from the store."""
    return remember_many([(function, *arguments)], n_jobs=1)[0]


def remember_many(
    calls: Sequence[tuple], n_jobs: int | None = None, title: str = ""
) -> list[dict[str, np.ndarray]]:
    """`remember(*call)` for every call (function, *arguments), in the given order.

    The calls are spread over `n_jobs` processes (by default the cores that this process may use).
    Each result is stored as it comes, so that an interrupted run goes on where it was. With a
    `title`, a terminal shows the progress."""
    names = [key(*call) for call in calls]
    results: dict[str, dict[str, np.ndarray]] = {}
    missing: dict[str, tuple] = {}
    for name, call in zip(names, calls, strict=True):
        if name in results or name in missing:
            continue
        entry = read_entry(name)
        if entry is None:
            missing[name] = call
        else:
            results[name] = entry
    n_jobs = min(joblib.effective_n_jobs(n_jobs or joblib.cpu_count()), len(missing)) or 1
    work = joblib.Parallel(n_jobs, return_as="generator_unordered")(
        joblib.delayed(_named)(name, *call) for name, call in missing.items()
    )
    hidden = None if title else True  # None: shown on a terminal only
    total = len(results) + len(missing)
    for name, arrays in tqdm(work, title, total, initial=len(results), disable=hidden):
        write_entry(name, arrays)
        results[name] = {part: np.asarray(value) for part, value in arrays.items()}
    return [results[name] for name in names]


def _named(name: str, function: Callable, *arguments: Any) -> tuple[str, Mapping[str, Any]]:
    return name, function(*arguments)


# ---- files ---------------------------------------------------------------------------------------


def write_atomically(path: str | Path, write: Callable[[Path], Any]) -> Path:
    """Call `write(temporary)` and rename what it wrote to `path`: no half-written file is seen.

    A link is followed, and the file that it names is replaced. A pipe or a device is written
    through. Raises OSError in one sentence, before `write` is called where `check_writable` can
    say so."""
    path = Path(path)
    check_writable(path)
    try:
        if _is_stream(path):
            _write_through(path, write)
        else:
            target = Path(os.path.realpath(path))
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_and_rename(target, write)
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write {path} ({_reason(error)}); what was finished before is kept: make room "
            "or choose another place, then run the same command again",
        ) from None
    return path


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write {name: array} as one compressed .npz (`write_atomically`); equal arrays give equal
    bytes."""

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as handle:
            np.savez_compressed(handle, **arrays)  # type: ignore[arg-type]

    return write_atomically(path, write)


def check_writable(path: str | Path) -> None:
    """Refuse an output that cannot be written, before any work for it is done.

    Raises OSError in one sentence where `path` is a folder or a read-only file, or where no file
    can be made. Commands call it first (page "Run it yourself")."""
    path = Path(path)
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, f"cannot write {path}: it is a folder; name a file")
    if os.path.exists(path):
        writable_by_somebody = path.stat().st_mode & 0o222  # root may write even where nobody may
        if not (os.access(path, os.W_OK) and writable_by_somebody):
            raise PermissionError(
                errno.EACCES, f"cannot write {path}: it is read-only; choose another name"
            )
        if _is_stream(path):
            return
    folder = Path(os.path.realpath(path)).parent
    while not os.path.exists(folder) and folder != folder.parent:
        folder = folder.parent
    if not os.path.isdir(folder):
        raise NotADirectoryError(errno.ENOTDIR, f"cannot write {path}: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            errno.EACCES, f"cannot write {path}: the folder {folder} is read-only; choose another"
        )


def _is_stream(path: Path) -> bool:
    """Whether a path names a pipe, a device or an open file (/dev/stdout), not a file to
    replace."""
    open_files = ("/dev/fd/", "/dev/stdout", "/dev/stderr", "/proc/")
    if os.path.abspath(path).startswith(open_files):
        return True
    return os.path.exists(path) and not stat.S_ISREG(path.stat().st_mode)


def _write_through(path: Path, write: Callable[[Path], Any]) -> None:
    """Write to a temporary file and append its bytes to a pipe or a device."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / path.name
        write(whole)
        with open(whole, "rb") as source, open(path, "ab") as target:
            shutil.copyfileobj(source, target)


def _write_and_rename(path: Path, write: Callable[[Path], Any]) -> None:
    """Write beside `path`, under a hidden name with the same ending, and rename to `path`."""
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
