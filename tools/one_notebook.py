"""Run one notebook with papermill, in a worker process of `tools.run_notebooks`.

A file of its own, because every worker loads it: it loads nothing of ours."""

import os
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config


def execute(source: str, target: str, parameters: dict, folder: str) -> tuple[float, str]:
    """Run the notebook `source` with `parameters` in `folder`, and write it to `target`; returns
    the seconds and, after a failure, what happened."""
    start = time.perf_counter()
    try:
        with TemporaryDirectory() as place:
            config = Config()
            if os.name == "posix":  # sockets of its own: notebooks side by side race for ports
                config.KernelManager = Config(transport="ipc", ip=f"{place}/kernel")
            run = partial(
                papermill.execute_notebook,
                source,
                target,
                parameters,
                kernel_name="python3",
                cwd=folder,
                progress_bar=False,
                config=config,
            )
            try:
                run()
            except DeadKernelError:  # rarely, a library crashes that reads what it has compiled
                print(f"  {Path(source).stem}: its process died; it runs once more", flush=True)
                run()
    except PapermillExecutionError as error:
        last = "\n".join(error.traceback[-1:]) if error.traceback else ""
        return time.perf_counter() - start, (
            f"cell {error.cell_index + 1} raised {error.ename}: {error.evalue}\n"
            f"--- the cell\n{error.source}\n--- the end of the traceback\n{last}"
        )
    except Exception as error:  # a kernel that died, say for want of memory
        return time.perf_counter() - start, f"{type(error).__name__}: {error}"
    return time.perf_counter() - start, ""
