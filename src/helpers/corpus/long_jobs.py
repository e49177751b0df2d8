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
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, str]]:
    """`function` of every item that is not in the store under its key, `batch` items a call, in the items' order.

    `function([item, ...])` gives a dict of arrays for each. With `client` (dask.distributed.Client) the calls go to its
    workers; a task whose worker dies is given to another one. A second run of the same items waits for the first.
    Returns what is done, {name: {part: array}}, and the faults, {name: reason}: items whose call raised ValueError
    (stored as well: what cannot be used is not tried again), OSError or RuntimeError (tried again next time). Without
    `leave_out` the first of these ends the job. Raises OSError when the store is full.
    """
    from tqdm import tqdm

    found = cache.get(list(keys.values()))
    with contextlib.ExitStack() as stack:
        if any(keys[name] not in found for name in items):
            stack.enter_context(cache.alone(f"{title}-{hashlib.sha256(repr(list(items)).encode()).hexdigest()[:12]}"))
            found |= cache.get([key for key in keys.values() if key not in found])  # the run before may have them now
        todo = [name for name in items if keys[name] not in found]
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
                found.update(made)
                if fault is None or lasting:
                    yield made

        for _ in cache.stored(finished()):
            pass
    faults = {name: str(found[keys[name]]["fault"]) for name in items if "fault" in found[keys[name]]}
    return {name: found[keys[name]] for name in items if name not in faults}, faults


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
