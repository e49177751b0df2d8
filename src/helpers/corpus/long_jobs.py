"""Long jobs: run one function over many items, keep every finished one in the store, resume, report what failed.

The same call serves one process, several (joblib) or a cluster (dask.distributed), whose results this process stores.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import cache
from ..escape import printable

log = logging.getLogger("helpers")
PIECE = 1000  # entries of the store that are in memory at a time


def run(
    function: Callable[[list], Sequence[Mapping[str, Any]]],
    items: Mapping[str, Any],
    keys: Mapping[str, str],
    *,
    batch: int = 1,
    leave_out: bool = True,
    n_jobs: int = 1,
    client=None,
    title: str = "",
    unit: str = "it",
    quiet: bool = False,
) -> tuple[Mapping[str, dict[str, np.ndarray]], dict[str, str]]:
    """`function` of every item that is not in the store under its key, `batch` items a call, in the items' order.

    `function([item, ...])` gives a dict of arrays for each. With `client` (dask.distributed.Client) the calls go to its
    workers; a task whose worker dies is given to another one. A second run of the same items waits for the first.
    Returns what is done, {name: {part: array}}, read from the store as it is asked for (`Finished`), and the faults,
    {name: reason}: items whose call raised ValueError (stored as well: what cannot be used is not tried again), OSError
    or RuntimeError (tried again next time). Without `leave_out` the first of these ends the job. Raises OSError when
    the store is full.
    """
    from tqdm import tqdm

    done, faulty = set[str](), dict[str, str]()  # keys, and reasons by key

    def note(entries: Mapping[str, Mapping[str, Any]]) -> None:
        done.update(entries)
        faulty.update({key: str(made["fault"]) for key, made in entries.items() if "fault" in made})

    def look() -> None:
        missing = [keys[name] for name in items if keys[name] not in done]
        for start in range(0, len(missing), PIECE):
            note(cache.get(missing[start : start + PIECE]))

    look()
    held = dict[str, Mapping[str, Any]]()  # what the store has not taken yet
    with contextlib.ExitStack() as stack:
        if any(keys[name] not in done for name in items):
            stack.enter_context(cache.alone(f"{title}-{hashlib.sha256(repr(list(items)).encode()).hexdigest()[:12]}"))
            look()  # the run before may have them now
        todo = [name for name in items if keys[name] not in done]
        parts = [todo[i : i + batch] for i in range(0, len(todo), batch)]
        calls = [(part, [items[name] for name in part]) for part in parts]
        stream = on_cluster(function, calls, client) if client else _local(function, calls, n_jobs, leave_out)
        bar = stack.enter_context(tqdm(
            total=len(items), initial=len(items) - len(todo), desc=title, unit=unit, disable=hidden(quiet or not todo)
        ))  # fmt: skip

        def finished() -> Iterator[dict[str, Mapping[str, Any]]]:
            for names, results, fault, lasting in stream:
                bar.update(len(names))
                if fault is not None and not leave_out:
                    raise RuntimeError(f"{title} failed: {fault}; what was finished is kept, run it again")
                if fault is not None:
                    log.info("left out %s", fault)
                    results = [{"fault": np.array(fault)}] * len(names)
                made = {keys[name]: result for name, result in zip(names, results, strict=True)}
                note(made)
                held.update(made)
                if fault is None or lasting:
                    yield made

        kept = True
        for _ in cache.stored(finished()):
            if kept and len(held) >= 2 * PIECE:
                taken = cache.get(list(held))
                kept = bool(taken)  # a store that cannot be written: all must be held
                for key in taken:
                    del held[key]
    faults = {name: faulty[keys[name]] for name in items if keys[name] in faulty}
    return Finished({name: keys[name] for name in items if name not in faults}, held), faults


class Finished(Mapping):
    """What a job has done, {name: {part: array}}, in the order of its items: read from the store, PIECE entries at a
    time, as it is asked for in that order, so that it may be larger than memory."""

    def __init__(self, keys: dict[str, str], held: Mapping[str, Mapping[str, Any]]):
        self._place = {name: i for i, name in enumerate(keys)}
        self._keys, self._held, self._piece = list(keys.values()), held, dict[str, dict[str, np.ndarray]]()

    def __getitem__(self, name: str) -> dict[str, np.ndarray]:
        at = self._place[name]
        key = self._keys[at]
        if key in self._held:
            return {part: np.asarray(value) for part, value in self._held[key].items()}
        if key not in self._piece:
            self._piece = cache.get(self._keys[at : at + PIECE])
        return self._piece[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._place)


def processes(n: int, worth: int) -> int:
    """How many processes `n` items are given to: the cores, but one for every `worth` items at most, since starting a
    process costs 3 s."""
    return max(1, min(os.cpu_count() or 1, n // worth))


def hidden(quiet: bool) -> bool:
    """Whether a progress bar stays away: asked for, or by the environment variable TQDM_DISABLE, which tqdm itself only
    reads where nothing is asked for."""
    return quiet or bool(os.environ.get("TQDM_DISABLE"))


def _guarded(function: Callable, names: list[str], items: list) -> tuple[list[str], Any, str | None, bool]:
    """(names, results, fault or None, whether the fault lies in the items themselves)."""
    try:
        return names, function(items), None, False
    except (ValueError, OSError, RuntimeError) as error:
        return names, None, printable(str(error)) or type(error).__name__, isinstance(error, ValueError)


def _local(function: Callable, calls: list, n_jobs: int, leave_out: bool) -> Iterator:
    if not leave_out:  # errors as they are
        return ((names, function(items), None, False) for names, items in calls)
    if n_jobs == 1 or len(calls) < 2:
        return (_guarded(function, *call) for call in calls)
    from joblib import Parallel, delayed

    return Parallel(n_jobs=n_jobs, return_as="generator_unordered")(delayed(_guarded)(function, *c) for c in calls)


def on_cluster(function: Callable, calls: list, client) -> Iterator:
    """Yield `(names, results, fault, lasting)` of each `(names, items)` as the workers of a dask Client finish them.

    A few tasks a worker thread are in flight at a time, so that memory does not grow with the number of items.
    """
    from distributed import as_completed

    waiting = iter(calls)
    names = {}

    def submit(call):
        future = client.submit(_guarded, function, *call, pure=False, retries=2)
        names[future.key] = call[0]
        return future

    ahead = 4 * max(1, sum(client.nthreads().values()))
    running = as_completed([submit(call) for _, call in zip(range(ahead), waiting, strict=False)])
    for future in running:
        own = names.pop(future.key)
        try:  # waits again when the worker that held the result has died and another one computes it anew
            outcome = future.result()
        except Exception as error:  # a task that killed every worker it was given to
            outcome = own, None, f"the cluster gave it up: {error}", False
        yield outcome
        for call in waiting:
            running.add(submit(call))
            break
