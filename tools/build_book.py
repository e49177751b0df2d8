"""Build the book: run what has to be run, lay out a staging copy, and let jupyter-book make _build/html of it.

The pages lie in the staging copy as they lie in the repository, so that launch, edit and download buttons are right.
jupyter-book never executes anything, and a warning is an error. A failure leaves the old pages as they are.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: threads that wait for each other cost minutes
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers import cache, datasets  # noqa: E402
from tools import finding, measurements, pages, quoted, sync  # noqa: E402
from tools.run_notebooks import NotebookFailed, Run, run_all  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]


def put(path: Path, content: bytes) -> None:
    """Write only what changed, so that Sphinx reads only what changed."""
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def chapters(root: Path) -> list[Path]:
    """The notebooks of _toc.yml, in reading order, each checked to be in step with its .py."""
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    parts = toc.get("parts", [toc])
    files = [entry["file"] for part in parts for entry in part.get("chapters", [])]
    found = [root / f"{name}.ipynb" for name in files if name.startswith("notebooks/")]
    faults = [fault for path in found for fault in sync.faults(path.with_suffix(".py"))]
    if faults:
        raise ValueError("\n".join([*faults, "the .py is the source: run `make sync`"]))
    return found


def layout(root: Path, stage: Path, runs: list[Run]) -> str:
    """Bring the staging copy up to date; returns the hash of all that is in it."""
    wanted: dict[Path, bytes] = {}
    for folder, patterns in {"book": ("*",), "src/helpers": ("*.py",), "tools": ("book_extension.py",)}.items():
        for pattern in patterns:
            for path in (root / folder).rglob(pattern):
                if path.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts):
                    wanted[path.relative_to(root)] = path.read_bytes()
    wanted[Path("data/SOURCES.md")] = (root / "data" / "SOURCES.md").read_bytes()
    for run in runs:
        wanted[Path("notebooks") / f"{run.name}.ipynb"] = run.notebook.encode()
    wanted[Path("_toc.yml")] = (root / "_toc.yml").read_bytes()
    config = yaml.safe_load((root / "_config.yml").read_text())
    config.setdefault("parse", {})["myst_substitutions"] = quoted.collect(root, runs)
    wanted[Path("_config.yml")] = yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode()
    wanted[Path("book/_status.md")] = pages.status(root, runs).encode()
    wanted |= {Path("book/_static") / name: raw for name, raw in finding.make(root).items()}
    wanted[Path("book/_bench.md")] = measurements.markdown(root / "data" / "results" / "bench").encode()
    wanted[Path("book/_recipes.md")] = quoted.recipes().encode()
    wanted[Path("book/_static/plotly.min.js")] = pages.plotly_library()
    for path in stage.rglob("*"):
        if path.is_file() and path.relative_to(stage) not in wanted:
            path.unlink()
    for path, content in wanted.items():
        put(stage / path, content)
    total = hashlib.sha256(sys.version.encode() + Path(__file__).read_bytes() + Path(pages.__file__).read_bytes())
    for path in sorted(wanted):
        total.update(f"{path}\0".encode() + hashlib.sha256(wanted[path]).digest())
    return total.hexdigest()


def typeset(root: Path, stage: Path) -> None:
    """jupyter-book from `stage` to _build/html, which is replaced only when all went well."""
    out = root / "_build" / "sphinx"
    parts = [root / name for name in ("_config.yml", "_toc.yml", "tools/book_extension.py")]
    parts += sorted(p for p in (stage / "book" / "_static").rglob("*") if p.is_file())
    frame = hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()
    stamp = out / "frame"
    # Sphinx would leave pages that are no longer made, static files as they were where no page has changed, and half a
    # page where it was killed: the stamp is away while it works
    if not (stamp.exists() and stamp.read_text() == frame):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
    stamp.unlink(missing_ok=True)
    made = pages.commit_time(root)
    environment = os.environ | ({"SOURCE_DATE_EPOCH": made} if made else {})
    command = [Path(sys.executable).with_name("jupyter-book"), "build", stage, "--path-output", out]
    done = subprocess.run([*command, "-W", "--keep-going", "-q"], cwd=stage, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    built = out / "_build" / "html"
    if done.returncode or not (built / "index.html").exists():
        shutil.rmtree(out, ignore_errors=True)  # or the next build would not repeat the warnings
        raise SystemExit(f"{done.stdout[-6000:]}\njupyter-book failed; the pages in _build/html are those of before")
    stamp.write_text(frame)
    new, html = root / "_build" / "html.new", root / "_build" / "html"
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(built, new, ignore=shutil.ignore_patterns(".buildinfo"))
    pages.finish(root, new)
    shutil.rmtree(html, ignore_errors=True)
    os.replace(new, html)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", help="gtzan-mini, gtzan-mini-tracks, gtzan, demo, a folder of audio or a table")
    parser.add_argument("--protocol", help="written, released or controlled")
    parser.add_argument("--seeds", type=int, help="how many seeds")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks at a time")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args()
    root, start = options.root.resolve(), time.perf_counter()
    parameters = {k: v for k in ("dataset", "protocol", "seeds") if (v := getattr(options, k)) is not None}
    if "dataset" in parameters and parameters["dataset"] not in datasets.NAMES:
        own = Path(parameters["dataset"]).expanduser()
        parameters["dataset"] = str(own.resolve()) if own.exists() else parameters["dataset"]
    for name in ("GTZAN_FEATURES", "GTZAN_AUDIO", "HELPERS_DATA", "HELPERS_CACHE"):  # notebooks run in another folder
        if os.environ.get(name):
            os.environ[name] = str(Path(os.environ[name]).expanduser().resolve())
    if Path(os.environ.get("HELPERS_LABELS") or "-").is_file():
        os.environ["HELPERS_LABELS"] = str(Path(os.environ["HELPERS_LABELS"]).resolve())
    os.environ["HELPERS_PLAYLISTS"] = str(root / "_build" / "playlists")
    stage, stamp = root / "_build" / "stage", root / "_build" / "html.key"
    index = root / "_build" / "html" / "index.html"
    with contextlib.ExitStack() as stack:
        try:
            runs = run_all(chapters(root), parameters, root, options.jobs)
            stack.enter_context(cache.alone("book"))  # two builds at once share one stage
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
            raise SystemExit(f"{error}; the notebooks that were run are kept: run the same command again") from None
    fresh = sum(run.fresh for run in runs)
    print(f"{index.relative_to(root)}: {fresh} of {len(runs)} notebooks run, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
