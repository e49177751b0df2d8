"""jupyter-book on the staging copy, and the finished pages in the place of the old ones."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import pages


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
