"""The staging copy: the pages as jupyter-book reads them, with all that the build writes itself.

The pages lie in it as they lie in the repository, so that launch, edit and download buttons are
right."""

import hashlib
import shutil
import sys
from pathlib import Path

import yaml

from musicbook.chapters.leakage import explorers
from musicbook.chapters.sound import players
from musicbook.corpus import sources
from tools import finding, measurements, pages, pairs, quoted, typesetting
from tools.run_notebooks import Run

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
    for module in (__file__, pages.__file__, typesetting.__file__):
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
