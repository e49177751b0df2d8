"""Run the notebooks with papermill, and only those that have to be run.

A run is kept in the store of `helpers.store`, under all that it depends on: the notebook's source
and the code of `helpers` that it reaches, its parameters, the data it may read and the locked
environment. A failed run is never published: it lands in _build/failed for a look."""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import nbformat
import numpy as np

from helpers import protocols, store
from musicbook.corpus import sources
from tools.one_notebook import execute

PARAMETERS = ("dataset", "protocol", "seeds")
RUNNERS = (Path(__file__), Path(__file__).with_name("one_notebook.py"))
DIED = (
    "its process ended without a word: is there memory enough, and may this user read Python and "
    "the packages?"
)


@dataclass(frozen=True)
class Run:
    """One executed notebook: its text, with which parameters and how long it ran; `numbers` is what
    its cell tagged "numbers" printed."""

    name: str
    notebook: str = field(repr=False)
    parameters: dict[str, str | int]
    seconds: float
    date: str
    fresh: bool
    numbers: dict[str, str] = field(default_factory=dict)


class NotebookFailed(Exception):
    """A notebook stopped; the message names the cell and what it raised."""


def surroundings(root: Path, dataset: str | None) -> str:
    """Hash of what any page may depend on beside its code: the data it may read, the lock and
    Python itself."""
    said = [
        os.environ.get(name) or "" for name in ("GTZAN_AUDIO", "HELPERS_LABELS", "HELPERS_LYRICS")
    ]  # pages ask
    total = hashlib.sha256(f"{sys.version}{said}".encode())
    for folder in dict.fromkeys(
        (root / "data", Path(os.environ.get("HELPERS_DATA") or root / "data"))
    ):
        read = [
            p
            for p in sorted(folder.rglob("*"))
            if p.is_file() and not p.is_relative_to(folder / "raw")
        ]
        _digest(total, [*read, folder / "raw" / "lyrics_bank.npz"], folder)
    given = (os.environ.get("GTZAN_FEATURES"), os.environ.get("HELPERS_LABELS"), dataset)
    own = [Path(one) for one in given if one]
    _digest(total, [root / "requirements.lock", *own], root)
    if (
        dataset and Path(dataset).is_dir()
    ):  # a folder of audio is large: names, sizes and times have to do
        found = [(str(p), p.stat()) for p in sorted(Path(dataset).rglob("*")) if p.is_file()]
        total.update(
            repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in found]).encode()
        )
    return total.hexdigest()


def _digest(total, paths: Iterable[Path], root: Path) -> None:
    """Add the names and contents of those `paths` that are files."""
    for path in filter(Path.is_file, paths):
        name = path.relative_to(root) if path.is_relative_to(root) else path
        total.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())


def defaults(notebook: nbformat.NotebookNode, name: str) -> dict[str, str | int]:
    """The values in the one cell tagged `parameters`; ValueError unless it sets exactly dataset,
    protocol and seeds."""
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", ())]
    if len(tagged) != 1:
        raise ValueError(f"{name} has {len(tagged)} cells tagged `parameters`, needs one")
    values: dict[str, str | int] = {}
    exec(compile(tagged[0].source, name, "exec"), {}, values)  # our own source: three assignments
    if set(values) != set(PARAMETERS):
        raise ValueError(
            f"the parameters cell of {name} sets {sorted(values)}, needs {', '.join(PARAMETERS)}"
        )
    return values


def _tidy(notebook: nbformat.NotebookNode) -> tuple[dict[str, str], list[str]]:
    """Make the executed notebook fit to print; returns its numbers and what it wrote to stderr."""
    cells = notebook.cells
    injected = [c for c in cells if "injected-parameters" in c.metadata.get("tags", ())]
    for cell in injected:  # the page shows the values that were used, once
        used = "\n".join(cell.source.splitlines()[1:])
        next(c for c in cells if "parameters" in c.metadata.get("tags", ())).source = used
        cells.remove(cell)
    numbers, complaints = {}, []
    for cell in cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        cell.metadata["tags"] = [
            t for t in cell.metadata.get("tags", ()) if t != "papermill-error-cell-tag"
        ]
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                complaints += output.text.splitlines()
        if "numbers" in cell.metadata["tags"]:
            text = "".join(o.text for o in cell.outputs if o.get("name") == "stdout")
            numbers = {key: str(value) for key, value in json.loads(text).items()}
    notebook.metadata.pop("papermill", None)
    return numbers, complaints


def _environment(root: Path, jobs: int) -> None:
    """What the kernels inherit: one thread a process, the cores shared among the notebooks, no
    progress bars, and a profile of ours instead of the user's."""
    from musicbook.chapters.leakage.explorers import IN_THE_BOOK  # it loads seaborn

    profile = root / "_build" / "ipython" / "profile_default" / "ipython_kernel_config.py"
    profile.parent.mkdir(parents=True, exist_ok=True)
    profile.write_text("c.IPKernelApp.log_level = 50\nc.HistoryManager.enabled = False\n")
    os.environ["IPYTHONDIR"] = str(profile.parents[1])
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("LOKY_MAX_CPU_COUNT", str(max(1, (os.cpu_count() or 1) // jobs)))
    os.environ["TQDM_DISABLE"] = "1"
    os.environ[IN_THE_BOOK] = "1"
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"  # there are no widgets, on purpose
    os.environ.pop(
        "PYTHONDONTWRITEBYTECODE", None
    )  # uncompiled helpers cost seconds in every kernel


# Pages that train longest, first: a pool that begins them last waits for one process at its end.
LONGEST = (
    "03_advanced_vaes",
    "04_cvae_collapse",
    "08_raw_sound",
    "07_own_words",
    "02_hybrid_features",
)


def _place(name: str) -> int:
    """Where a page stands in the queue."""
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


class Job(NamedTuple):
    """One notebook to run: its file, its key in the store and its parameters."""

    source: Path
    key: str
    used: dict[str, str | int]

    @property
    def name(self) -> str:
        return self.source.stem


def run_all(
    notebooks: list[Path], parameters: dict[str, str | int], root: Path, jobs: int = 2
) -> list[Run]:
    """Run `notebooks` (paths of .ipynb) with `parameters` laid over their defaults; returns the
    runs in the same order.

    Raises ValueError for a notebook without the right parameters cell and for parameters that do
    not exist or cannot be meant, before anything runs, and NotebookFailed after the first failure,
    once the notebooks under way are done."""
    unknown = sorted(parameters.keys() - set(PARAMETERS))
    if unknown:
        raise ValueError(
            f"there is no parameter {unknown[0]!r}: the pages take {', '.join(PARAMETERS)}"
        )
    common = surroundings(root, str(parameters["dataset"]) if "dataset" in parameters else None)
    every = [_job(source, parameters, common) for source in notebooks]
    runs: dict[str, Run] = {}
    waiting = []
    for job in sorted(every, key=lambda job: _place(job.name)):
        kept = store.read_entry(job.key)
        if kept is None:
            waiting.append(job)
        else:
            runs[job.name] = _recall(kept)
    if waiting:
        names = ", ".join(job.name for job in waiting)
        print(f"running {len(waiting)} of {len(notebooks)} notebooks: {names}", flush=True)
        if "dataset" in parameters:  # pages side by side would each extract a folder's features
            sources.load(str(parameters["dataset"]))
        runs |= _run_waiting(waiting, bool(parameters), root, min(jobs, len(waiting)))
    return [runs[job.name] for job in every]


def _job(source: Path, parameters: dict[str, str | int], common: str) -> Job:
    """The job of a notebook, its parameters checked; `common` is the hash of its surroundings."""
    notebook = nbformat.read(source, as_version=4)
    used = defaults(notebook, source.name) | parameters
    protocols.check(**used)  # type: ignore[arg-type]
    return Job(source, key_of(notebook, source.name, used, common), used)


def _run_waiting(waiting: list[Job], overridden: bool, root: Path, jobs: int) -> dict[str, Run]:
    """Run notebooks in so many processes, {name: run}; NotebookFailed after the first failure."""
    _environment(root, jobs)
    runs, faults = {}, []
    with (  # a folder of this run alone: two builds at once write no file of each other's
        TemporaryDirectory() as folder,
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool,
    ):
        futures = {}
        for job in waiting:
            part = Path(folder) / f"{job.name}.ipynb"
            given = job.used if overridden else {}
            future = pool.submit(execute, str(job.source), str(part), given, folder)
            futures[future] = job, part
        for future in as_completed(futures):
            if future.cancelled():
                continue
            job, part = futures[future]
            try:
                seconds, fault = future.result()
            except BrokenProcessPool:
                seconds, fault = 0.0, DIED
            if fault:
                faults.append(_failure(job, part, seconds, fault, root / "_build" / "failed"))
                for other in futures:  # what is under way goes on, and is kept
                    other.cancel()
                continue
            runs[job.name] = _keep(job.name, part, job.key, job.used, seconds)
            print(f"  {job.name}: {seconds:.0f} s", flush=True)
    if faults:
        raise NotebookFailed("\n".join(faults))
    return runs


def _failure(job: Job, part: Path, seconds: float, fault: str, failed: Path) -> str:
    """Keep a failed run for a look; returns what happened, in words."""
    kept = failed / f"{job.name}.ipynb"
    if part.exists():
        store.write_atomically(kept, partial(shutil.copyfile, part))
    return (
        f"notebooks/{job.name}.ipynb failed after {seconds:.0f} s: {fault}\n"
        f"--- as far as it came: {kept}"
    )


def key_of(
    notebook: nbformat.NotebookNode, name: str, used: dict[str, str | int], common: str
) -> str:
    """The name of a run in the store: its code, and what that reaches in `helpers`, its text and
    tags, the parameters that were `used`, the hash of its `common` surroundings, and the code
    that runs it. ValueError for code that does not parse."""
    code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    cells = [f"{c.cell_type}{c.source}{c.metadata}" for c in notebook.cells]
    try:
        runners = [path.read_text() for path in RUNNERS]
        return store.key(code, cells, used, common, runners)
    except SyntaxError as error:
        raise ValueError(
            f"{name} does not parse: {error.msg}, near {(error.text or '').strip()!r}"
        ) from None


def _keep(name: str, part: Path, key: str, used: dict, seconds: float) -> Run:
    notebook = nbformat.read(part, as_version=4)
    numbers, complaints = _tidy(notebook)
    for line in dict.fromkeys(complaints):
        print(f"  {name}, stderr: {line[:160]}", flush=True)
    text = nbformat.writes(notebook)
    run = Run(name, text, used, round(seconds, 1), time.strftime("%Y-%m-%d"), True, numbers)
    store.write_entry(key, {"run": np.frombuffer(json.dumps(asdict(run)).encode(), np.uint8)})
    return run


def _recall(kept: dict[str, np.ndarray]) -> Run:
    return replace(Run(**json.loads(kept["run"].tobytes())), fresh=False)
