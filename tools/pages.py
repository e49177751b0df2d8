"""What the build itself writes: the numbers for the prose, the table of pages and the line of
times."""

import io
import re
import subprocess
import zipfile
from importlib import util
from pathlib import Path

import nbformat
import yaml
from fontTools import subset
from fontTools.ttLib import TTFont

from helpers import escape
from tools.run_notebooks import Run


def git(root: Path, *arguments: str) -> str:
    """The answer of git, or "" outside of a repository."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def commit_time(root: Path) -> str:
    """Seconds since 1970 of the last commit, so that two builds of it agree to the byte; "" without
    one."""
    return git(root, "log", "-1", "--format=%ct")


API_ENTRY = """### {module}

```{{eval-rst}}
.. automodule:: {module}
   :members:
   :ignore-module-all:
   :no-value:
```
"""
# Inner parts: compiled loops, and commands, which `musicbook --help` explains.
NOT_IN_API = {"kernels", "commands", "committed"}


def api(root: Path) -> str:
    """The API page's entries: a heading for each package or folder, and under it each module."""
    entries: dict[str, list[str]] = {}
    for path in sorted((root / "src").rglob("*.py")):
        if path.stem.startswith("__") or path.stem in NOT_IN_API:
            continue
        *room, name = path.relative_to(root / "src").with_suffix("").parts
        module = ".".join([*room, name])
        entries.setdefault(".".join(room), []).append(API_ENTRY.format(module=module))
    return "\n".join(f"## {room}\n\n" + "\n".join(entries[room]) for room in sorted(entries))


def title_of(notebook: nbformat.NotebookNode) -> str:
    """The one name of a page: the heading of its first cell."""
    return notebook.cells[0].source.splitlines()[0].removeprefix("# ").strip()


def status(root: Path, runs: list[Run]) -> str:
    """The table of the pages that were run: when, on what, how long."""
    commit = git(root, "log", "-1", "--format=%h") or "no commit"
    days = sorted({run.date for run in runs})
    several = len(days) > 1
    head = "| page | data | protocol | seeds | run took |"
    line = "|---|---|---|---:|---:|"
    if several:
        head, line = head + " run on |", line + "---|"
    rows = [head, line]
    for run in runs:
        title = title_of(nbformat.reads(run.notebook, as_version=4))
        used = run.parameters
        data = escape.markup(Path(str(used["dataset"])).name)
        row = (
            f"| [{title}](../notebooks/{run.name}) | {data} | {used['protocol']} "
            f"| {used['seeds']} | {run.seconds:.0f} s |"
        )
        rows.append(f"{row} {run.date} |" if several else row)
    when = "Built" if several else f"Run on {days[0]}, built"
    return "\n".join(rows) + f"\n\n{when} from commit `{commit}`.\n"


WORDS_A_MINUTE = 200


def minutes_to_read(text: str) -> str:
    """How long a reader needs for a text, by its words (code and markup left out)."""
    text = re.sub(r"```.*?```", " ", text, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>|\$\$.*?\$\$|[{(\[][^\s)]*[)}\]]", " ", text)
    words = re.findall(r"[^\W\d_][\w'’-]*", text)
    minutes = max(1, round(len(words) / WORDS_A_MINUTE))
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def _prose(notebook: nbformat.NotebookNode) -> str:
    """What a reader of the page reads: Markdown cells, and sentences that the code wrote."""
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        for output in cell.get("outputs", ()):
            parts.append(output.get("data", {}).get("text/markdown", ""))
        caption = cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "")
        parts.append(caption)
    return "\n".join(parts)


DRAWN_ABOVE = "# This draws the picture at the top of the page.\n"


def arranged(root: Path, run: Run) -> str:
    """The run's notebook as the page shows it: under the title the answer (the cell tagged
    `answer`) and the picture (`picture`), which need the run but are read first; then one line on
    how long the page takes to read and how long it ran. The code of the picture stays in its place
    without the picture, since a first screen has no room for both."""
    notebook = nbformat.reads(run.notebook, as_version=4)
    at = 1
    if words := search_words(root, f"notebooks/{run.name}"):
        notebook.cells.insert(at, nbformat.v4.new_markdown_cell(words, id="search-words"))
        at += 1
    for tag in ("answer", "picture"):
        for cell in [c for c in notebook.cells if tag in c.metadata.get("tags", ())]:
            place = notebook.cells.index(cell)
            if "remove-input" in cell.metadata.tags:
                del notebook.cells[place]
            else:
                notebook.cells[place] = _code_alone(cell)
                cell.metadata.tags.append("remove-input")
            notebook.cells.insert(at, cell)
            at += 1
    ran = f"{run.seconds:.0f} seconds"
    if run.seconds > 90:
        ran = f"about {run.seconds / 60:.0f} minutes"
    used = run.parameters
    seeds = "one seed" if used["seeds"] == 1 else f"{used['seeds']} seeds"
    line = (
        f"*Reading time: {minutes_to_read(_prose(notebook))}. The page ran in {ran}, on the "
        f"data {escape.markup(Path(str(used['dataset'])).name)} "
        f"([protocol](../book/glossary.md) {used['protocol']}, {seeds}).*"
    )
    notebook.cells.insert(at, nbformat.v4.new_markdown_cell(line, id="run-on"))
    return nbformat.writes(notebook)


def _code_alone(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A cell's code without what it gave."""
    return nbformat.v4.new_code_cell(DRAWN_ABOVE + cell.source, id=f"{cell.id}-code")


def search_words(root: Path, page: str) -> str:
    """The main index entries of a page ("notebooks/05_leakage") by tools/search_words.yml, as MyST
    directives; the search ranks pages with such an entry first."""
    listed = yaml.safe_load((root / "tools" / "search_words.yml").read_text())
    words = listed.get(re.sub(r"/[A-Z0-9]\d_", "/", page), [])  # without the page's number
    return "\n".join(f"```{{index}} ! {word}\n```" for word in words)


# not read from beginning to end
UNTIMED = {"index", "api", "references", "cite", "glossary", "sources"}


QUESTION = re.compile(r"\n+(\*[^*]+\?\*)\n")  # under a title


def completed(root: Path, name: str, text: str) -> str:
    """A page of book/ with its search words under its title, and its reading time under its
    question."""
    if not text.startswith("# "):
        return text
    title, rest = text.split("\n", 1)
    parts = [title, search_words(root, f"book/{name}")]
    if question := QUESTION.match(f"\n{rest}"):
        parts.append(question[1])
        rest = f"\n{rest}"[question.end() :]
    if name not in UNTIMED:
        parts.append(f"*Reading time: {minutes_to_read(text)}.*")
    return "\n\n".join(part for part in parts if part) + f"\n{rest}"


def archive(folder: Path) -> bytes:
    """All notebooks of a folder as one zip, without outputs; equal notebooks give equal bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.glob("*.ipynb")):
            archive.writestr(
                zipfile.ZipInfo(path.name, (2026, 1, 1, 0, 0, 0)),
                path.read_bytes(),
                zipfile.ZIP_DEFLATED,
            )
    return packed.getvalue()


def plotly_library() -> bytes:
    """plotly.js as the installed plotly carries it: one copy for the site, of the version that made
    the figures."""
    spec = util.find_spec("plotly")
    return (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_bytes()


# pandas puts the same rules before each table, where HTML allows none; book.css has them once, and
# says how to align
PANDAS_STYLE = re.compile(r"<style scoped>\s*\.dataframe.*?</style>\s*", re.DOTALL)

SIDE = '<div id="pst-primary-sidebar" class="bd-sidebar-primary bd-sidebar"'
LANDMARK = (
    f"{SIDE}>",
    f'{SIDE} role="complementary" aria-label="Book">',
)  # the theme leaves logo and search in none


# the theme draws its icons by a script of 1.5 MB that holds every icon there is; its style sheet
# draws the same ones from a font
ICON_SCRIPT = re.compile(r"<(?:script|link)[^>]*scripts/fontawesome\.js[^>]*>(?:</script>)?\s*")

ICON_RULE = re.compile(r"(?:\.fa-[\w-]+:before,?)+\{content:\"[^\"]*\"\}")


def finish(root: Path, html: Path) -> None:
    """Add what Sphinx does not write, robots.txt with the sitemap's address; mend what jupyter-book
    writes."""
    base = yaml.safe_load((root / "_config.yml").read_text())["html"]["baseurl"]
    (html / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n")
    (html / ".nojekyll").touch()
    for script in html.glob("_static/scripts/fontawesome.js*"):
        script.unlink()
    for sources in html.glob("_static/**/*.map"):  # for who debugs the theme, not for readers
        sources.unlink()
    names = set()
    for page in html.rglob("*.html"):
        text = _mended(page.read_text(), page.parent.name)
        page.write_text(text)
        names |= set(re.findall(r"\bfa-[\w-]+", text))
    for style in html.glob("_static/styles/pydata-sphinx-theme.css"):
        style.write_text(_without_icons(style.read_text(), names))
    _cut_fonts(html)


def _without_icons(style: str, used: set[str]) -> str:
    """A style sheet without the letters of icons that no page has."""

    def kept(rule: re.Match) -> str:
        return rule[0] if used & set(re.findall(r"fa-[\w-]+", rule[0])) else ""

    return ICON_RULE.sub(kept, style)


ICON_CODE = re.compile(r"\\(f[0-9a-f]{3})\b")


def _cut_fonts(html: Path) -> None:
    """Leave in the icon fonts what the style sheets draw, some twenty letters of two thousand: the
    fonts were a third of a megabyte on every page."""
    styles = {style: style.read_text() for style in html.glob("_static/styles/*.css")}
    codes = {int(code, 16) for text in styles.values() for code in ICON_CODE.findall(text)}
    for path in html.glob("_static/vendor/fontawesome/webfonts/*.ttf"):
        font = TTFont(path)
        cutter = subset.Subsetter()
        cutter.populate(unicodes=codes)
        cutter.subset(font)
        font.flavor = "woff"
        font.save(path.with_suffix(".woff"))
        for whole in (path, path.with_suffix(".woff2")):
            whole.unlink(missing_ok=True)
    for path, text in styles.items():
        text = re.sub(r',url\([^)]*webfonts/[\w-]+\.ttf\) format\("truetype"\)', "", text)
        path.write_text(
            re.sub(r'(webfonts/[\w-]+\.woff)2\) format\("woff2"\)', r'\1) format("woff")', text)
        )


def _mended(text: str, folder: str) -> str:
    """The text of a page below `folder`, with what jupyter-book writes put right."""
    text = ICON_SCRIPT.sub("", text.replace(*LANDMARK))
    if folder == "notebooks":  # who edits a page edits the .py
        text = re.sub(r"(/edit/[^\"]*/notebooks/[^\"]*)\.ipynb", r"\1.py", text)
        links = r'href="((?:\.\./book/)?\w+)\.(?:ipynb|md)"'  # code wrote them
        text = re.sub(links, r'href="\1.html"', text)
    return PANDAS_STYLE.sub("", text)
