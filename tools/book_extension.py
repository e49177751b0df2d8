"""A small Sphinx extension for the book: tables with their CSV, and plotly only where a page draws
with it."""

import inspect
import re
import sys
import urllib.parse
from pathlib import Path

from page_tables import TABLE, render

DRAWS = 'class="explorer"'
FORMULA = 'class="math'
OPENS = 'id="opening"'
CHECKLIST = "print-alone"  # the link that prints a checklist alone
# A signature has an element round every name and every space. They look the same without, and were
# two fifths of the elements of the page of functions, which opens sooner without them.
SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.DOTALL)
WRAPPED = re.compile(r'<span class="(?:pre|w)">([^<]*)</span>')


def _tables(app, pagename, context):
    """Every table of the page by `page_tables.render`, its CSV beside the pages."""
    made = 0

    def put(found):
        nonlocal made
        made += 1
        name = f"_downloads/tables/{pagename.replace('/', '-')}-{made}.csv"
        shown, table = render(found[0], context["pathto"](name, 1), f"table {made} of this page")
        path = Path(app.outdir) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(table, encoding="utf-8")
        return shown

    context["body"] = TABLE.sub(put, context["body"])


def _page(app, pagename, templatename, context, doctree):
    if DRAWS in (context.get("body") or ""):
        app.add_js_file("plotly.min.js")
        app.add_js_file("explorer.js")
    if OPENS in (context.get("body") or ""):
        app.add_js_file("opening.js")
    if CHECKLIST in (context.get("body") or ""):
        app.add_js_file("checklist.js")
    # thebe is off, but two extensions each add its set-up, which then fails, and an address outside
    # of the site
    scripts = [
        (file, f"{file} {getattr(file, 'attributes', '')}".lower())
        for file in context["script_files"]
    ]
    unused = ["thebe"]
    if FORMULA not in (context.get("body") or ""):
        unused.append("mathjax")
    context["script_files"] = [
        file for file, text in scripts if not any(name in text for name in unused)
    ]
    if "body" in context:
        _tables(app, pagename, context)
        # docutils gives the bibliography and its entries roles that browsers no longer know
        body = re.sub(
            r' role="(list(?=" class="citation-list")|doc-biblioentry)"', "", context["body"]
        )
        # autodoc leaves its mark for "the last part only" in the signatures of dataclasses
        body = re.sub(r'(?<=<span class="pre">)~(?:\w+\.)+(?=\w)', "", body)
        context["body"] = SIGNATURE.sub(lambda found: WRAPPED.sub(r"\1", found[0]), body)


CODE = re.compile(r"(``[^`]+``|`[^`]+`)")  # it may run over the end of a line
MARKS = re.compile(r"[|*]|(?<=\w)_(?=\W|$)")


def _plain_docstring(app, what, name, obj, options, lines):
    """Our docstrings are plain sentences: `code` in backticks is literal, and |, * and a trailing _
    mean themselves."""
    parts = CODE.split("\n".join(lines))
    for position, part in enumerate(parts):
        if position % 2:
            joined = parts[position + 1][:1].isalnum()  # the plural of a name: `Tracks`s
            parts[position] = f"``{part.strip('`')}``" + ("\\ " if joined else "")
        else:
            parts[position] = "\n".join(_without_marks(line) for line in part.split("\n"))
    lines[:] = "".join(parts).split("\n")


def _without_marks(line: str) -> str:
    """A line in which no letter is markup; directives and fields are left as they are."""
    if line.lstrip().startswith((".. ", ":")):
        return line
    return MARKS.sub(lambda found: f"\\{found[0]}", line)


def _source(app, config):
    """Links from the API page to the lines on the repository's site; the page 404 is found from any
    address."""
    config.ogp_site_url, config.ogp_site_name = config.html_baseurl, config.html_title
    config.notfound_urls_prefix = urllib.parse.urlsplit(config.html_baseurl).path or "/"

    def resolve(domain, info):
        module = sys.modules.get(info.get("module"))
        thing = module
        for part in info.get("fullname", "").split("."):
            thing = inspect.unwrap(getattr(thing, part, None)) if thing is not None else None
        try:
            lines, first = inspect.getsourcelines(getattr(thing, "fget", thing))
        except (TypeError, OSError):  # a constant, or a method that a dataclass made
            return None
        address = config.html_theme_options["repository_url"]
        path = f"src/{info['module'].replace('.', '/')}.py"
        branch = config.html_theme_options.get("repository_branch", "main")
        return f"{address}/blob/{branch}/{path}#L{first}-L{first + len(lines) - 1}"

    config.linkcode_resolve = resolve


def setup(app):
    app.connect("config-inited", _source)
    app.connect("autodoc-process-docstring", _plain_docstring)
    app.connect("html-page-context", _page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
