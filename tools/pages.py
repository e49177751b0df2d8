"""What the build itself writes: the numbers for the prose, the table of pages, sitemap and 404."""

import re
import subprocess
from importlib import util
from pathlib import Path

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


def plotly_library() -> bytes:
    """plotly.js as the installed plotly carries it: one copy for the site, of the version that made the figures."""
    spec = util.find_spec("plotly")
    return (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_bytes()


FRONT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="refresh" content="0; url=book/index.html"></head>
<body><p><a href="book/index.html">{title}</a></p></body></html>
"""
# pandas puts the same rules before each table, where HTML allows none; book.css has them once, and says how to align
PANDAS_STYLE = re.compile(r"<style scoped>\s*\.dataframe.*?</style>\s*", re.DOTALL)

HEAD = re.compile(r"<thead>.*?</thead>", re.DOTALL)
ROW = re.compile(r"<tr.*?</tr>", re.DOTALL)
WIDE = re.compile(r'(<table border="1") class="dataframe"(>\s*<thead>\s*<tr[^>]*>(?:\s*<th[^>]*>[^<]*</th>){8})')
UNBROKEN = re.compile(r"(K|Beta|BN)-(Means|VAE)")  # names of methods that no line should break
NAME = re.compile(r"<th[^>]*>(.*?)</th>", re.DOTALL)


def one_head(table_head: re.Match) -> str:
    """pandas gives the names of a table's row labels a line of their own, else empty: move them up into the line
    before, whose first cells are empty or name the columns."""
    head, rows = table_head[0], ROW.findall(table_head[0])
    names = NAME.findall(rows[-1]) if len(rows) > 1 else []
    labels = [name for name in names if name]
    if not labels or names != labels + [""] * (len(names) - len(labels)):
        return head
    cells = list(re.finditer(r"<th[^>]*>.*?</th>", rows[-2], re.DOTALL))[: len(labels)]
    above = rows[-2]
    for cell, label in reversed(list(zip(cells, labels))):
        above = above[: cell.start()] + f"<th>{label}</th>" + above[cell.end():]
    return re.sub(r"\n\s*\n", "\n", head.replace(rows[-1], "").replace(rows[-2], above))


SIDE = '<div id="pst-primary-sidebar" class="bd-sidebar-primary bd-sidebar"'
LANDMARK = (f"{SIDE}>", f'{SIDE} role="complementary" aria-label="Book">')  # the theme leaves logo and search in none


def finish(root: Path, html: Path) -> None:
    """Add what Sphinx does not write: sitemap.xml, robots.txt and 404.html, with absolute addresses; make valid HTML of
    what pandas and jupyter-book write."""
    config = yaml.safe_load((root / "_config.yml").read_text())
    base = config["html"]["baseurl"]
    skip = {"index.html", "search.html", "genindex.html", "404.html"}
    found = sorted(p.relative_to(html).as_posix() for p in html.rglob("*.html") if "_static" not in p.parts)
    addresses = "".join(f"<url><loc>{base}{name}</loc></url>\n" for name in found if name not in skip)
    urlset = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{addresses}</urlset>\n'
    (html / "sitemap.xml").write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{urlset}')
    (html / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n")
    (html / ".nojekyll").touch()
    (html / "index.html").write_text(FRONT.format(title=config["title"]))
    for page in html.rglob("*.html"):
        text = page.read_text().replace(*LANDMARK)
        if page.parent.name == "notebooks":  # who edits a page edits the .py
            text = re.sub(r"(/edit/[^\"]*/notebooks/[^\"]*)\.ipynb", r"\1.py", text)
            text = re.sub(r'href="((?:\.\./book/)?\w+)\.(?:ipynb|md)"', r'href="\1.html"', text)  # code wrote them
            text = HEAD.sub(one_head, text)
            text = re.sub(r"<td>(?=[^<]{25})", '<td class="words">', text)  # a sentence wants more room than a number
            text = WIDE.sub(r'\1 class="dataframe wide"\2', text)
            text = re.sub(r"<th[^>]*>[^<]*</th>", lambda cell: UNBROKEN.sub("\\1\u2011\\2", cell[0]), text)
        page.write_text(PANDAS_STYLE.sub("", text).replace(' halign="left"', ""))
    template = root / "book" / "_static" / "404.html"
    if template.exists():
        (html / "404.html").write_text(template.read_text().replace("{{ base }}", base))


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
