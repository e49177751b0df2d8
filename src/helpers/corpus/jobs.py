"""Long jobs: run one function over many items, keep every finished one, resume, and report what failed.

The same call serves one process, several (joblib) or a cluster (dask.distributed).  Used by `features.extract_table`
and by the command line.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from ..cache import said_plainly

log = logging.getLogger("helpers")


class Records:
    """Append-only file of finished results, one JSON line each; a line cut off by a kill is dropped when read again.

    `settings` is kept in the first line: records made under other settings are discarded, never mixed in.
    `path=None` keeps results in memory only.  Raises OSError with a clear sentence when the disk is full.
    """

    def __init__(self, path: Path | None, settings: Mapping[str, Any]):
        self.path, self.done, self._file = path, {}, None
        if path is None:
            return
        header = json.dumps({"settings": dict(settings)}, sort_keys=True).encode()
        with said_plainly(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a+b")
            lock(self._file)  # a second run of the same job waits here, then finds everything done
            self._file.seek(0)
            good = self._read() if self._file.readline() == header + b"\n" else 0
            self._file.truncate(good)
            if not good:
                self._write(header)

    def _read(self) -> int:
        """Read the results; returns the length of the file up to the last whole line."""
        good = self._file.tell()
        for line in self._file:
            try:
                key, result = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n"):
                break
            self.done[key] = result
            good += len(line)
        return good

    def _write(self, line: bytes) -> None:
        self._file.write(line + b"\n")
        self._file.flush()

    def add(self, key: str, result: Any) -> None:
        if self._file is not None:
            with said_plainly(self.path):
                self._write(json.dumps([key, result]).encode())
        self.done[key] = result

    def close(self) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError:  # the unwritten tail of a full disk: already reported by `add`
                pass


def lock(file) -> None:
    """Wait until no other process holds this open file; released when it is closed (no locks on Windows)."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)


def run(
    function: Callable[[Any], Any],
    items: Mapping[str, Any],
    records: Records,
    *,
    n_jobs: int = 1,
    client=None,
    title: str = "",
    unit: str = "it",
    quiet: bool = False,
) -> dict[str, str]:
    """Put `function(item)` of every item into `records`, skipping those already there.

    Results must be JSON-serialisable, and not dicts.  With `client` (dask.distributed.Client) the items go to its
    workers; a task whose worker dies is given to another one.
    Returns the faults, `{key: reason}`: items whose function raised ValueError (kept as well: what cannot be used is
    not tried again), OSError or RuntimeError (tried again next time).
    """
    from tqdm import tqdm

    todo = [(key, item) for key, item in items.items() if key not in records.done]
    faults = {key: kept["fault"] for key in items if isinstance(kept := records.done.get(key), dict)}
    stream = on_cluster(function, todo, client) if client is not None else _local(function, todo, n_jobs)
    done = len(items) - len(todo)
    bar = tqdm(stream, total=len(items), initial=done, desc=title, unit=unit, disable=hidden(quiet or not todo))
    for key, result, fault, lasting in bar:
        if fault is None or lasting:
            records.add(key, result if fault is None else {"fault": fault})
        if fault is not None:
            log.warning("left out %s", fault)
            faults[key] = fault
            bar.set_postfix(failed=len(faults))
    return {key: faults[key] for key in items if key in faults}  # in the items' order, whoever finished first


def hidden(quiet: bool) -> bool:
    """Whether a progress bar stays away: asked for, or by the environment variable TQDM_DISABLE, which tqdm itself only
    reads where nothing is asked for."""
    return quiet or bool(os.environ.get("TQDM_DISABLE"))


def cpu_seconds() -> float:
    """CPU seconds of this process and of its workers, finished or alive."""
    import psutil

    own = psutil.Process()
    return sum(sum(process.cpu_times()[:4]) for process in (own, *own.children(recursive=True)))


def printable(name: str | Path) -> str:
    """A file name as text: bytes that are no UTF-8 (old discs, Latin-1) become escapes, which every table can hold."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _guarded(function: Callable, key: Any, item: Any) -> tuple[Any, Any, str | None, bool]:
    """(key, result, fault or None, whether the fault lies in the item itself)."""
    try:
        return key, function(item), None, False
    except (ValueError, OSError, RuntimeError) as error:
        return key, None, printable(str(error)) or type(error).__name__, isinstance(error, ValueError)


def _local(function: Callable, todo: list, n_jobs: int) -> Iterator:
    if n_jobs == 1 or len(todo) < 2:
        return (_guarded(function, *job) for job in todo)
    from joblib import Parallel, delayed

    return Parallel(n_jobs=n_jobs, return_as="generator_unordered")(delayed(_guarded)(function, *job) for job in todo)


def on_cluster(function: Callable, todo: list, client) -> Iterator:
    """Yield `(key, result, fault, lasting)` of each `(key, item)` as the workers of a dask Client finish them.

    A few tasks a worker thread are in flight at a time, so that memory does not grow with the number of items.
    """
    from distributed import as_completed

    waiting = iter(todo)
    keys = {}

    def submit(job):
        future = client.submit(_guarded, function, *job, pure=False, retries=2)
        keys[future.key] = job[0]
        return future

    ahead = 4 * max(1, sum(client.nthreads().values()))
    running = as_completed([submit(job) for _, job in zip(range(ahead), waiting, strict=False)])
    for future in running:
        key = keys.pop(future.key)
        try:  # waits again when the worker that held the result has died and another one computes it anew
            outcome = future.result()
        except Exception as error:  # a task that killed every worker it was given to
            outcome = key, None, f"the cluster gave it up: {error}", False
        yield outcome
        for job in waiting:
            running.add(submit(job))
            break
