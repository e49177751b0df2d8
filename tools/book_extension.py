"""A small Sphinx extension for the book: page descriptions and cards, and plotly only where a page draws with it."""

import html
import inspect
import re
import sys

DRAWS = 'class="explorer"'


def _first_paragraph(doctree) -> str:
    from docutils import nodes

    for node in doctree.findall(nodes.paragraph) if doctree else ():
        text = " ".join(node.astext().split())
        if len(text) > 40:
            return text if len(text) <= 200 else text[:197].rsplit(" ", 1)[0] + " …"
    return ""


def _page(app, pagename, templatename, context, doctree):
    if DRAWS in (context.get("body") or ""):
        app.add_js_file("plotly.min.js")
        app.add_js_file("explorer.js")
    # thebe is off, but two extensions each add its set-up, which then fails, and an address outside of the site
    scripts = [(file, f"{file} {getattr(file, 'attributes', '')}".lower()) for file in context["script_files"]]
    context["script_files"] = [file for file, text in scripts if "thebe" not in text]
    if "body" in context:  # docutils gives the bibliography and its entries roles that browsers no longer know
        body = re.sub(r' role="(list(?=" class="citation-list")|doc-biblioentry)"', "", context["body"])
        # autodoc leaves its mark for "the last part only" in the signatures of dataclasses
        context["body"] = re.sub(r'(?<=<span class="pre">)~(?:\w+\.)+(?=\w)', "", body)
    title = re.sub("<[^>]*>", "", context.get("title") or app.config.project)
    base, text = app.config.html_baseurl, _first_paragraph(doctree)
    facts = {
        "name": {"description": text, "twitter:card": "summary_large_image"},
        "property": {"og:type": "article", "og:title": title, "og:description": text,
                     "og:url": f"{base}{pagename}.html", "og:image": f"{base}_static/card.png"},
    }
    context["metatags"] = context.get("metatags", "") + "".join(
        f'<meta {kind}="{key}" content="{html.escape(html.unescape(value))}" />\n'
        for kind, pairs in facts.items() for key, value in pairs.items() if value
    )


def _plain_docstring(app, what, name, obj, options, lines):
    """Our docstrings are plain sentences: `code` in backticks is literal, and |, * and a trailing _ mean themselves."""
    for number, line in enumerate(lines):
        if line.lstrip().startswith((".. ", ":")):
            continue
        parts = re.split(r"(``[^`]+``|`[^`]+`)", line)
        for i, part in enumerate(parts):
            code = part.startswith("`") and len(part) > 1
            parts[i] = f"``{part.strip('`')}``" if code else re.sub(r"([|*]|(?<=\w)_(?=\W|$))", r"\\\1", part)
        lines[number] = "".join(parts)


def _source(app, config):
    """Links from the API page to the lines on the repository's site."""

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
