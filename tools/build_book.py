"""Build the book: run what has to be run, lay out a staging copy, and let jupyter-book make
_build/html of it.

The pages lie in the staging copy as they lie in the repository, so that launch, edit and download
buttons are right. jupyter-book never executes anything, and a warning is an error. A failure leaves
the old pages as they are."""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before numpy: threads that wait for each other cost minutes
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from musicbook.chapters.leakage import explorers
from musicbook.chapters.sound import players  # noqa: E402
from musicbook.corpus import sources
from musicbook.corpus.sources import NAMES
from tools import finding, measurements, pages, pairs, quoted  # noqa: E402
from tools.run_notebooks import NotebookFailed, Run, run_all  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
EXTENSION = ("book_extension.py", "page_tables.py")


def chapters(root: Path) -> list[Path]:
    """The notebooks of _toc.yml, in reading order, each checked to be in step with its .py."""
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    parts = toc.get("parts", [toc])
    files = [entry["file"] for part in parts for entry in part.get("chapters", [])]
    found = [root / f"{name}.ipynb" for name in files if name.startswith("notebooks/")]
    faults = [fault for path in found for fault in pairs.faults(path.with_suffix(".py"))]
    if faults:
        raise ValueError("\n".join([*faults, "the .py is the source: run `make sync`"]))
    return found


def layout(root: Path, stage: Path, runs: list[Run]) -> str:
    """Write the staging copy anew; returns the hash of all that is in it."""
    wanted = _sources(root) | _written(root, runs) | _clips(root, runs)
    shutil.rmtree(stage, ignore_errors=True)
    for path, content in wanted.items():
        (stage / path).parent.mkdir(parents=True, exist_ok=True)
        (stage / path).write_bytes(content)
    total = hashlib.sha256(sys.version.encode())
    for module in (__file__, pages.__file__):
        total.update(Path(module).read_bytes())
    for path in sorted(wanted):
        total.update(f"{path}\0".encode() + hashlib.sha256(wanted[path]).digest())
    return total.hexdigest()


def _sources(root: Path) -> dict[Path, bytes]:
    """The files that are staged as they are, and the pages of book/ with what the build adds."""
    wanted: dict[Path, bytes] = {}
    for folder, patterns in {"book": ("*",), "src": ("*.py",), "tools": EXTENSION}.items():
        for pattern in patterns:
            for path in (root / folder).rglob(pattern):
                ours = not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts)
                if path.is_file() and ours:
                    wanted[path.relative_to(root)] = path.read_bytes()
    for path in (root / "book").glob("*.md"):
        text = pages.completed(root, path.stem, path.read_text())
        wanted[path.relative_to(root)] = text.encode()
    for name in ("data/SOURCES.md", "_toc.yml"):
        wanted[Path(name)] = (root / name).read_bytes()
    return wanted


def _written(root: Path, runs: list[Run]) -> dict[Path, bytes]:
    """What the build writes itself: the notebooks that were run, the configuration with the quoted
    numbers, tables, figures and code for all pages."""
    static = Path("book/_static")
    config = yaml.safe_load((root / "_config.yml").read_text())
    values = quoted.registry(runs)
    numbers = quoted.substitutions(root, values)
    config.setdefault("parse", {})["myst_substitutions"] = numbers
    wanted = {
        Path("_config.yml"): yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode(),
        Path("book/_status.md"): pages.status(root, runs).encode(),
        Path("book/_bench.md"): measurements.markdown(root / "data/results/bench").encode(),
        Path("book/_api.md"): pages.api(root).encode(),
        Path("book/_recipes.md"): quoted.recipes().encode(),
        Path("book/_opening.md"): finding.picture(values).encode(),
        static / quoted.LISTING: quoted.listing(values, [*numbers, *finding.SCORES], runs),
        static / "notebooks.zip": pages.archive(root / "notebooks"),
        static / "plotly.min.js": pages.plotly_library(),
    }
    for run in runs:
        wanted[Path("notebooks") / f"{run.name}.ipynb"] = pages.arranged(root, run).encode()
    for name, content in finding.make(root).items():
        wanted[static / name] = content
    for path in explorers.CODE:
        wanted[static / path.name] = path.read_bytes()
    return wanted


def _clips(root: Path, runs: list[Run]) -> dict[Path, bytes]:
    """The clips of tracks that a page plays, which belong to the site."""
    wanted: dict[Path, bytes] = {}
    for name in {str(run.parameters["dataset"]) for run in runs if players.CLIPS in run.notebook}:
        tracks = sources.load(name)
        folder = root / "_build" / "clips" / tracks.name
        players.write_clips(tracks, folder)
        for path in folder.glob("*.mp3"):
            wanted[Path("book") / players.CLIPS / tracks.name / path.name] = path.read_bytes()
    return wanted


def typeset(root: Path, stage: Path) -> None:
    """jupyter-book from `stage` to _build/html, which is replaced only when all went well."""
    out = root / "_build" / "sphinx"
    # Always the whole book: of a part, Sphinx makes a search that knows words of all pages but
    # weighs those of the part, and sphinx-sitemap a list of the part alone
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    made = pages.commit_time(root)
    environment = os.environ | ({"SOURCE_DATE_EPOCH": made} if made else {})
    command = [Path(sys.executable).with_name("jupyter-book"), "build", stage, "--path-output", out]
    done = subprocess.run(
        [*command, "-W", "--keep-going", "-q"],
        cwd=stage,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    built = out / "_build" / "html"
    if done.returncode or not (built / "index.html").exists():
        raise SystemExit(
            f"{done.stdout[-6000:]}\njupyter-book failed; the pages in _build/html "
            "are those of before"
        )
    new, html = root / "_build" / "html.new", root / "_build" / "html"
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(built, new, ignore=shutil.ignore_patterns(".buildinfo"))
    pages.finish(root, new)
    shutil.rmtree(html, ignore_errors=True)
    os.replace(new, html)


def main() -> None:
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
        runs = run_all(chapters(root), parameters, root, options.jobs)
        key = layout(root, stage, runs)
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
