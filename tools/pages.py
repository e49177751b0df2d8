"""What the build itself writes: the numbers for the prose, the table of pages and the line of times."""

import io
import re
import subprocess
import zipfile
from importlib import util
from pathlib import Path

import nbformat
import yaml

from helpers import escape
from tools.run_notebooks import Run


def git(root: Path, *arguments: str) -> str:
    """The answer of git, or "" outside of a repository."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def commit_time(root: Path) -> str:
    """Seconds since 1970 of the last commit, so that two builds of it agree to the byte; "" without one."""
    return git(root, "log", "-1", "--format=%ct")


def status(root: Path, runs: list[Run]) -> str:
    """The table of the pages that were run: when, on what, how long."""
    commit = git(root, "log", "-1", "--format=%h") or "no commit"
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    entries = [entry for part in toc.get("parts", [toc]) for entry in part.get("chapters", [])]
    titles = {Path(entry["file"]).name: entry.get("title", "") for entry in entries}  # as in the side bar
    days = sorted({run.date for run in runs})
    rows = ["| page | data | protocol | seeds | run took |" + " run on |" * (len(days) > 1),
            "|---|---|---|---:|---:|" + "---|" * (len(days) > 1)]
    for run in runs:
        used = run.parameters
        data = escape.markup(Path(str(used["dataset"])).name)
        rows.append(f"| [{titles[run.name]}](../notebooks/{run.name}) | {data} | {used['protocol']} "
                    f"| {used['seeds']} | {run.seconds:.0f} s |" + f" {run.date} |" * (len(days) > 1))
    when = f"Run on {days[0]}, built" if len(days) == 1 else "Built"
    stored = ("Pages 5 to 7 read stored runs of full GTZAN, which no build computes anew; the data of page 5 are those "
              "of its live check.")
    return "\n".join(rows) + f"\n\n{when} from commit `{commit}`. {stored}\n"


def timed(run: Run) -> str:
    """The run's notebook, with one line before its overview: on what it was run, and how long that took."""
    notebook = nbformat.reads(run.notebook, as_version=4)
    used = run.parameters
    said = f"about {run.seconds / 60:.0f} minutes" if run.seconds > 90 else f"{run.seconds:.0f} seconds"
    line = f"*Run on {Path(str(used['dataset'])).name}, {used['protocol']}, {used['seeds']} seeds, in {said}.*"
    cell = nbformat.v4.new_markdown_cell(line, id="run-on")
    overview = next((i for i, c in enumerate(notebook.cells) if "## Overview" in c.source), len(notebook.cells))
    notebook.cells.insert(overview, cell)
    return nbformat.writes(notebook)


def archive(folder: Path) -> bytes:
    """All notebooks of a folder as one zip, without outputs; equal notebooks give equal bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.glob("*.ipynb")):
            archive.writestr(zipfile.ZipInfo(path.name, (2026, 1, 1, 0, 0, 0)), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def plotly_library() -> bytes:
    """plotly.js as the installed plotly carries it: one copy for the site, of the version that made the figures."""
    spec = util.find_spec("plotly")
    return (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_bytes()


# pandas puts the same rules before each table, where HTML allows none; book.css has them once, and says how to align
PANDAS_STYLE = re.compile(r"<style scoped>\s*\.dataframe.*?</style>\s*", re.DOTALL)

SIDE = '<div id="pst-primary-sidebar" class="bd-sidebar-primary bd-sidebar"'
LANDMARK = (f"{SIDE}>", f'{SIDE} role="complementary" aria-label="Book">')  # the theme leaves logo and search in none


def finish(root: Path, html: Path) -> None:
    """Add what Sphinx does not write, robots.txt with the sitemap's address; mend what jupyter-book writes."""
    base = yaml.safe_load((root / "_config.yml").read_text())["html"]["baseurl"]
    (html / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n")
    (html / ".nojekyll").touch()
    for page in html.rglob("*.html"):
        text = page.read_text().replace(*LANDMARK)
        if page.parent.name == "notebooks":  # who edits a page edits the .py
            text = re.sub(r"(/edit/[^\"]*/notebooks/[^\"]*)\.ipynb", r"\1.py", text)
            text = re.sub(r'href="((?:\.\./book/)?\w+)\.(?:ipynb|md)"', r'href="\1.html"', text)  # code wrote them
        page.write_text(PANDAS_STYLE.sub("", text))


PLACE = re.compile(r'(?=<div class="sidebar-primary-items__end)')


def attach_pdf(html: Path, content: bytes) -> None:
    """Put the book's PDF beside the pages below `html`, and a link to it into the side bar of each."""
    (html / "book.pdf").write_bytes(content)
    for page in html.rglob("*.html"):
        text = page.read_text()
        if 'class="book-pdf' not in text:
            up = "../" * (len(page.relative_to(html).parts) - 1)
            size = f"{len(content) / 1e6:.1f} MB"
            link = f'<p class="book-pdf"><a href="{up}book.pdf">The whole book as PDF</a> ({size})</p>\n'
            page.write_text(PLACE.sub(link, text, count=1))
