"""Run the notebooks with papermill, and only those that have to be run.

A run is kept under the hash of everything it depends on: the notebook's source, `helpers`, the data, the parameters and
the locked environment. A failed run is never published: it lands in _build/failed for a look.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

from helpers import protocols

PARAMETERS = ("dataset", "protocol", "seeds")


@dataclass(frozen=True)
class Run:
    """One executed notebook: where it lies, with which parameters and how long it took; `numbers` is what its cell
    tagged "numbers" printed."""

    name: str
    path: Path
    parameters: dict[str, str | int]
    seconds: float
    date: str
    fresh: bool
    numbers: dict[str, str] = field(default_factory=dict)


class NotebookFailed(Exception):
    """A notebook stopped; the message names the cell and what it raised."""


def digest(paths: Iterable[Path], root: Path) -> str:
    """sha256 over the names and contents of `paths`, in order of name."""
    total = hashlib.sha256()
    for path in sorted(paths):
        name = path.relative_to(root) if path.is_relative_to(root) else path
        total.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def surroundings(root: Path, dataset: str | None) -> str:
    """Hash of all that every notebook depends on: helpers, the data it may read, the lock and Python itself."""
    files = [p for p in (root / "src").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    raw = root / "data" / "raw"
    files += [p for p in (root / "data").rglob("*") if p.is_file() and not p.is_relative_to(raw)]
    files += [root / "requirements.lock", raw / "lyrics_bank.npz"]
    for own in (os.environ.get("HELPERS_DATA"), os.environ.get("GTZAN_FEATURES"), dataset):
        if own and Path(own).is_dir():  # a folder of audio is large: names, sizes and times have to do
            files += [p for p in Path(own).rglob("*.csv")]
        elif own and Path(own).is_file():
            files += [Path(own)]
    stamp = ""
    if dataset and Path(dataset).is_dir():
        found = [(str(p), p.stat()) for p in sorted(Path(dataset).rglob("*")) if p.is_file()]
        stamp = str([(name, stat.st_size, stat.st_mtime_ns) for name, stat in found])
    stamp += os.environ.get("GTZAN_AUDIO", "")  # a page plays it
    return hashlib.sha256(f"{digest([f for f in files if f.is_file()], root)}{stamp}{sys.version}".encode()).hexdigest()


def defaults(notebook: nbformat.NotebookNode, name: str) -> dict[str, str | int]:
    """The values in the one cell tagged `parameters`; ValueError unless it sets exactly dataset, protocol and seeds."""
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", ())]
    if len(tagged) != 1:
        raise ValueError(f"{name} has {len(tagged)} cells tagged `parameters`, needs one")
    values: dict[str, str | int] = {}
    exec(compile(tagged[0].source, name, "exec"), {}, values)  # our own source: three assignments
    if set(values) != set(PARAMETERS):
        raise ValueError(f"the parameters cell of {name} sets {sorted(values)}, needs {', '.join(PARAMETERS)}")
    return values


def _execute(source: str, target: str, parameters: dict, folder: str) -> tuple[float, str]:
    """In a worker process: run one notebook; returns the seconds and, after a failure, what happened."""
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    start = time.perf_counter()
    try:
        with TemporaryDirectory() as place:
            config = Config()
            if os.name == "posix":  # sockets of its own, instead of ports that notebooks side by side would race for
                config.KernelManager = Config(transport="ipc", ip=f"{place}/kernel")
            papermill.execute_notebook(source, target, parameters, kernel_name="python3", cwd=folder,
                                       progress_bar=False, config=config)
    except PapermillExecutionError as error:
        last = "\n".join(error.traceback[-1:]) if error.traceback else ""
        return time.perf_counter() - start, (
            f"cell {error.cell_index + 1} raised {error.ename}: {error.evalue}\n"
            f"--- the cell\n{error.source}\n--- the end of the traceback\n{last}"
        )
    except Exception as error:  # a kernel that died, say for want of memory
        return time.perf_counter() - start, f"{type(error).__name__}: {error}"
    return time.perf_counter() - start, ""


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
        cell.metadata["tags"] = [t for t in cell.metadata.get("tags", ()) if t != "papermill-error-cell-tag"]
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                complaints += output.text.splitlines()
        if "numbers" in cell.metadata["tags"]:
            text = "".join(o.text for o in cell.outputs if o.get("name") == "stdout")
            numbers = {key: str(value) for key, value in json.loads(text).items()}
    notebook.metadata.pop("papermill", None)
    return numbers, complaints


def _environment(root: Path, jobs: int) -> None:
    """What the kernels inherit: one thread a process, the cores shared among the notebooks, no progress bars, and a
    profile of ours instead of the user's."""
    profile = root / "_build" / "ipython" / "profile_default" / "ipython_kernel_config.py"
    profile.parent.mkdir(parents=True, exist_ok=True)
    profile.write_text("c.IPKernelApp.log_level = 50\nc.HistoryManager.enabled = False\n")
    os.environ["IPYTHONDIR"] = str(profile.parents[1])
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("LOKY_MAX_CPU_COUNT", str(max(1, (os.cpu_count() or 1) // jobs)))
    os.environ["TQDM_DISABLE"] = "1"
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"  # there are no widgets, on purpose
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # uncompiled helpers cost seconds in every kernel


def run_all(sources: list[Path], parameters: dict[str, str | int], root: Path, jobs: int = 2) -> list[Run]:
    """Run `sources` (paths of .ipynb) with `parameters` laid over their defaults; returns the runs in the same order.

    Raises ValueError for a notebook without the right parameters cell and for parameters that do not exist or cannot be
    meant, before anything runs, and NotebookFailed after the first failure, once the notebooks under way are done.
    """
    if unknown := sorted(parameters.keys() - set(PARAMETERS)):
        raise ValueError(f"there is no parameter {unknown[0]!r}: the pages take {', '.join(PARAMETERS)}")
    folder, failed = root / "_build" / "runs", root / "_build" / "failed"
    folder.mkdir(parents=True, exist_ok=True)
    common = surroundings(root, str(parameters["dataset"]) if "dataset" in parameters else None)
    runs: dict[str, Run] = {}
    waiting: dict[str, tuple[Path, Path, dict]] = {}
    for source in sources:
        notebook = nbformat.read(source, as_version=4)
        used = defaults(notebook, source.name) | parameters
        protocols.check(**used)  # type: ignore[arg-type]
        text = "\0".join(f"{c.cell_type}{c.source}{c.metadata}" for c in notebook.cells)
        key = hashlib.sha256(f"{common}{used}{text}".encode()).hexdigest()[:16]
        target = folder / f"{source.stem}-{key}.ipynb"
        if target.exists():
            runs[source.stem] = _recall(target)
        else:
            waiting[source.stem] = (source, target, used)
    if waiting:
        print(f"running {len(waiting)} of {len(sources)} notebooks: {', '.join(waiting)}", flush=True)
        jobs = min(jobs, len(waiting))
        _environment(root, jobs)
    faults = []
    with ProcessPoolExecutor(max(1, jobs), mp_context=get_context("spawn")) as pool:
        futures = {}
        for name, (source, target, used) in waiting.items():
            part = target.with_suffix(".part.ipynb")
            overridden = used if parameters else {}
            futures[pool.submit(_execute, str(source), str(part), overridden, str(folder))] = (name, part, target, used)
        for future in as_completed(futures):
            if future.cancelled():
                continue
            name, part, target, used = futures[future]
            seconds, fault = future.result()
            if fault:
                failed.mkdir(exist_ok=True)
                if part.exists():
                    os.replace(part, failed / f"{name}.ipynb")
                faults.append(f"notebooks/{name}.ipynb failed after {seconds:.0f} s: {fault}\n"
                              f"--- as far as it came: {failed / name}.ipynb")
                for other in futures:  # what is under way goes on, and is kept
                    other.cancel()
                continue
            runs[name] = _keep(name, part, target, used, seconds)
            print(f"  {name}: {seconds:.0f} s", flush=True)
    if faults:
        raise NotebookFailed("\n".join(faults))
    return [runs[source.stem] for source in sources]


def _keep(name: str, part: Path, target: Path, used: dict, seconds: float) -> Run:
    notebook = nbformat.read(part, as_version=4)
    numbers, complaints = _tidy(notebook)
    for line in dict.fromkeys(complaints):
        print(f"  {name}, stderr: {line[:160]}", flush=True)
    run = Run(name, target, used, round(seconds, 1), time.strftime("%Y-%m-%d"), True, numbers)
    target.with_suffix(".json").write_text(json.dumps(asdict(run) | {"path": target.name}, indent=1))
    part.unlink()
    tidy = target.with_suffix(".tidy")
    nbformat.write(notebook, tidy)
    os.replace(tidy, target)  # last: a run counts only when all of it is there
    return run


def _recall(target: Path) -> Run:
    kept = json.loads(target.with_suffix(".json").read_text())
    return Run(**(kept | {"path": target, "fresh": False}))
