"""Long jobs: run one function over many items, keep every finished one, go on after an
interruption.

The same call serves one process, several (joblib) or a cluster (dask.distributed). The results go
to `helpers.store` as they come, and an item whose result is there is not computed again."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from helpers import store
from helpers.escape import printable

log = logging.getLogger("helpers")

Arrays = Mapping[str, Any]


class Outcome(NamedTuple):
    """What one call gave: results, one for each of the `names`, or the reason of its `fault`.

    A fault is `lasting` where it lies in the items themselves: it is stored, and they are not
    tried again."""

    names: list[str]
    results: Sequence[Arrays]
    fault: str = ""
    lasting: bool = False

    def entries(self) -> list[tuple[str, Arrays]]:
        """What the store keeps of it: (name, arrays) of each item."""
        if not self.fault:
            return list(zip(self.names, self.results, strict=True))
        if self.lasting:
            return [(name, {"fault": np.array(self.fault)}) for name in self.names]
        return []


class Finished(Mapping):
    """What a job has done, {name: {part: array}}, in the order of its items.

    An entry is read from the store when it is asked for, so that all of them together may be
    larger than memory. RuntimeError where it has gone from there."""

    def __init__(self, keys: Mapping[str, str], held: Mapping[str, Arrays]):
        self._keys = keys
        self._held = held  # by key: what the store could not keep

    def __getitem__(self, name: str) -> dict[str, np.ndarray]:
        key = self._keys[name]
        if key in self._held:
            return {part: np.asarray(value) for part, value in self._held[key].items()}
        entry = store.read_entry(key)
        if entry is None:
            raise RuntimeError(f"{name}: its stored result is gone; run the same command again")
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def run_job(
    function: Callable[[list], Sequence[Arrays]],
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
) -> tuple[Finished, dict[str, str]]:
    """Compute every item whose key is not in the store, `batch` items a call, in their order.

    `function([item, ...])` returns a dict of arrays for each item. With `client`, a
    dask.distributed.Client, its workers make the calls; a call whose worker dies is given to
    another one. Returns what is done (`Finished`) and the faults, {name: reason}. A fault is a
    ValueError (stored: the item cannot be used and is not tried again), an OSError or a
    RuntimeError (tried again next time). Without `leave_out` the first fault ends the job. Raises
    OSError when the disk is full."""
    todo, faults = _look_up(items, keys)
    calls = []
    for start in range(0, len(todo), batch):
        names = todo[start : start + batch]
        calls.append((names, [items[name] for name in names]))
    if client is not None:
        outcomes = _on_cluster(function, calls, client)
    else:
        outcomes = _local(function, calls, n_jobs, leave_out)

    held: dict[str, Arrays] = {}
    done = len(items) - len(todo)
    bar = tqdm(None, title, len(items), initial=done, unit=unit, disable=hidden(quiet or not todo))
    with bar:
        for outcome in outcomes:
            bar.update(len(outcome.names))
            if outcome.fault:
                if not leave_out:
                    raise RuntimeError(
                        f"{title} failed: {outcome.fault}; what was finished is kept, run it again"
                    )
                log.info("left out %s", outcome.fault)
                faults.update(dict.fromkeys(outcome.names, outcome.fault))
            for name, result in outcome.entries():
                if not store.write_entry(keys[name], result):
                    held[keys[name]] = result
    kept = {name: keys[name] for name in items if name not in faults}
    return Finished(kept, held), {name: faults[name] for name in items if name in faults}


def _look_up(items: Mapping[str, Any], keys: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The items that the store has not, and the faults that it has, {name: reason}."""
    todo = []
    faults = {}
    for name in items:
        entry = store.read_entry(keys[name])
        if entry is None:
            todo.append(name)
        elif "fault" in entry:
            faults[name] = str(entry["fault"])
    return todo, faults


def processes(n: int, worth: int) -> int:
    """How many processes to give `n` items to: the cores, but at most one for every `worth` items.

    Starting a process costs 3 s, which few items are not worth."""
    return max(1, min(os.cpu_count() or 1, n // worth))


def hidden(quiet: bool) -> bool:
    """Whether a progress bar stays away: asked for, or by the environment variable TQDM_DISABLE.

    tqdm itself reads the variable only where `disable` is not given."""
    return quiet or bool(os.environ.get("TQDM_DISABLE"))


def _guarded(function: Callable, names: list[str], items: list) -> Outcome:
    """One call, its error as a fault."""
    try:
        return Outcome(names, function(items))
    except (ValueError, OSError, RuntimeError) as error:
        reason = printable(str(error)) or type(error).__name__
        return Outcome(names, [], reason, lasting=isinstance(error, ValueError))


def _local(function: Callable, calls: list, n_jobs: int, leave_out: bool) -> Iterator[Outcome]:
    if not leave_out:  # errors as they are
        return (Outcome(names, function(items)) for names, items in calls)
    if n_jobs == 1 or len(calls) < 2:
        return (_guarded(function, names, items) for names, items in calls)
    from joblib import Parallel, delayed

    return Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(_guarded)(function, names, items) for names, items in calls
    )


def _on_cluster(function: Callable, calls: list, client) -> Iterator[Outcome]:
    """The outcomes of the calls as the workers of a dask Client finish them.

    Only a few calls a worker thread are under way at a time, so that memory does not grow with the
    number of items."""
    from distributed import as_completed

    waiting = iter(calls)
    names_of = {}

    def submit(names, items):
        future = client.submit(_guarded, function, names, items, pure=False, retries=2)
        names_of[future.key] = names
        return future

    ahead = 4 * max(1, sum(client.nthreads().values()))
    first = [submit(*call) for _, call in zip(range(ahead), waiting, strict=False)]
    running = as_completed(first)
    for future in running:
        names = names_of.pop(future.key)
        try:  # this waits again where the worker that held the result has died
            outcome = future.result()
        except Exception as error:  # a call that killed every worker it was given to
            outcome = Outcome(names, [], f"the cluster gave it up: {error}")
        yield outcome
        call = next(waiting, None)
        if call is not None:
            running.add(submit(*call))
