"""Build the book: run what has to be run, lay out a staging copy, and let jupyter-book make
_build/html of it.

jupyter-book never executes anything, and a warning is an error. A failure leaves the old pages as
they are. The processes that run notebooks load this file again, so that it loads what takes seconds
only when it builds."""

import argparse
import os
import sys
import time
from pathlib import Path

# before numpy: threads that wait for each other cost minutes
os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def main() -> None:
    from musicbook.corpus.sources import NAMES
    from tools import staging
    from tools.run_notebooks import NotebookFailed, run_all
    from tools.typesetting import typeset

    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="exit codes: 0 built (files that were left out are named on the first page and in "
        "the report),\n1 an input cannot be used or a page failed, 2 wrong usage",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--dataset", help="gtzan-mini, gtzan-mini-tracks, gtzan, demo, a folder of audio or a table"
    )
    parser.add_argument("--protocol", help="written, released or controlled")
    parser.add_argument("--seeds", type=int, help="how many seeds")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks at a time")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args()
    root, start = options.root.resolve(), time.perf_counter()
    parameters = {
        k: v for k in ("dataset", "protocol", "seeds") if (v := getattr(options, k)) is not None
    }
    if not parameters.get("dataset", "-").strip():  # to Path it would be the working directory
        raise SystemExit("--dataset: the name is empty; '.' is the folder that you are in")
    if "dataset" in parameters and parameters["dataset"] not in NAMES:
        own = Path(parameters["dataset"]).expanduser()
        parameters["dataset"] = str(own.resolve()) if own.exists() else parameters["dataset"]
    for name in (
        "GTZAN_FEATURES",
        "GTZAN_AUDIO",
        "HELPERS_DATA",
        "HELPERS_CACHE",
    ):  # notebooks run in another folder
        if os.environ.get(name):
            os.environ[name] = str(Path(os.environ[name]).expanduser().resolve())
    if Path(os.environ.get("HELPERS_LABELS") or "-").is_file():
        os.environ["HELPERS_LABELS"] = str(Path(os.environ["HELPERS_LABELS"]).resolve())
    stage, stamp = root / "_build" / "stage", root / "_build" / "html.key"
    index = root / "_build" / "html" / "index.html"
    try:
        runs = run_all(staging.chapters(root), parameters, root, options.jobs)
        key = staging.layout(root, stage, runs)
    except (NotebookFailed, ValueError, OSError) as error:
        raise SystemExit(str(error)) from None
    try:
        if not (index.exists() and stamp.exists() and stamp.read_text() == key):
            stamp.unlink(missing_ok=True)
            print("typesetting", flush=True)
            typeset(root, stage)
            stamp.write_text(key)
    except OSError as error:
        raise SystemExit(
            f"{error}; the notebooks that were run are kept: run the same command again"
        ) from None
    fresh = sum(run.fresh for run in runs)
    print(
        f"{index.relative_to(root)}: {fresh} of {len(runs)} notebooks run, "
        f"{time.perf_counter() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
