"""Print the built book as one PDF, _build/book.pdf: in the order of _toc.yml, with contents, bookmarks, page numbers.

A headless Chromium prints each page, explorers as their static pictures; pypdf joins them and turns links between pages
into links inside the book. The site then carries the file and links to it.
"""

import argparse
import base64
import html
import io
import sys
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools import browser, pages  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
PAPER = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": True, "preferCSSPageSize": True}
TAGGED = {"generateTaggedPDF": True, "generateDocumentOutline": True}  # the headings become bookmarks
MARGINS = """
@page { size: A4; margin: 18mm 16mm 18mm 16mm;
        @bottom-right { content: counter(page); font: 9pt sans-serif; color: #555 }
        @bottom-left { content: %s; font: 9pt sans-serif; color: #555 } }
html { counter-reset: page %d }
"""
PREPARE = """
    const style = document.createElement('style');
    style.textContent = arguments[0];
    document.head.append(style);
    for (const explorer of document.querySelectorAll('.explorer')) {
        explorer.innerHTML = explorer.querySelector('noscript').textContent;
    }
    document.querySelectorAll('details.table-fold').forEach(table => table.open = true);
    document.querySelectorAll('audio').forEach(a => a.remove());
    document.documentElement.dataset.theme = 'light';
"""


def order(root: Path) -> list[str]:
    """The pages of the book as they are read, below _build/html."""
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    chapters = [entry["file"] for part in toc.get("parts", [toc]) for entry in part.get("chapters", [])]
    return [f"{name}.html" for name in (toc["root"], *chapters)]


def _print(driver) -> bytes:
    return base64.b64decode(driver.execute_cdp_cmd("Page.printToPDF", PAPER | TAGGED)["data"])


def _prepare(driver, title: str, before: int) -> None:
    """Footer with the title and page numbers that go on from `before`; nothing that only a screen can show."""
    quoted = '"' + title.replace("\\", "\\\\").replace('"', '\\"') + '"'
    driver.execute_script(PREPARE, MARGINS % (quoted, before))
    browser.settle(driver)


def _contents(config: dict, chapters: list[tuple[str, int]], built: str) -> str:
    """The title page: what this is, and its chapters with their page numbers."""
    rows = "".join(f'<tr><td>{html.escape(title)}</td><td style="text-align: right">{number}</td></tr>'
                   for title, number in chapters)
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Contents</title><style>
        @page {{ size: A4; margin: 40mm 24mm 18mm 24mm }}
        body {{ font: 11.5pt/1.6 sans-serif; color: #222 }} h1 {{ font-size: 26pt; line-height: 1.2 }}
        table {{ width: 100%; border-collapse: collapse; margin-top: 14mm }} td {{ padding: 1.2mm 0 }}
        </style></head><body><h1>{html.escape(config["title"])}</h1><p>{html.escape(config["author"])}</p>
        <p>{html.escape(built)}<br>{config["html"]["baseurl"]}</p><table>{rows}</table></body></html>"""


def make(root: Path, site: Path) -> bytes:
    """The bytes of the PDF of the pages below `site`."""
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import Fit

    config = yaml.safe_load((root / "_config.yml").read_text())
    found: dict[str, tuple[str, PdfReader, int]] = {}
    after = 1  # the title page is the first
    with browser.browser() as driver, browser.server(site) as base:
        for name in order(root):
            browser.resize(driver, 1000)
            driver.get(base + name)
            browser.settle(driver)
            title = driver.execute_script("return document.querySelector('h1').firstChild.textContent.trim()")
            _prepare(driver, title, after)
            found[name] = title, PdfReader(io.BytesIO(_print(driver))), after
            after += len(found[name][1].pages)
            print(f"  {name}: {len(found[name][1].pages)} pages", flush=True)
        commit, made = pages.git(root, "log", "-1", "--format=%h"), pages.commit_time(root)
        built = f"Built from commit {commit}, {datetime.fromtimestamp(int(made), UTC):%Y-%m-%d}" if commit else ""
        front = _contents(config, [(title, start + 1) for title, _, start in found.values()], built)
        driver.get("data:text/html;charset=utf-8;base64," + base64.b64encode(front.encode()).decode())
        cover = PdfReader(io.BytesIO(_print(driver)))
    if len(cover.pages) != 1:
        raise SystemExit(f"the contents take {len(cover.pages)} pages, one is allowed for")
    book = PdfWriter()
    book.append(cover, import_outline=False)
    for title, chapter, start in found.values():
        book.append(chapter, import_outline=False)
        parent = book.add_outline_item(title=title, page_number=start)
        for entry in _sections(chapter.outline):
            number = chapter.get_destination_page_number(entry)
            if number is not None and number >= 0:
                place = Fit.xyz(top=entry.top)
                book.add_outline_item(title=entry.title, page_number=start + number, parent=parent, fit=place)
    starts = {base + name: start for name, (_, _, start) in found.items()}
    for _, chapter, start in found.values():
        _mend_links(book, chapter, start, base, config["html"]["baseurl"], starts)
    book.add_metadata({"/Title": config["title"], "/Author": config["author"]})
    book.page_mode = "/UseOutlines"
    book.compress_identical_objects()
    out = io.BytesIO()
    book.write(out)
    return out.getvalue()


def _sections(outline: list) -> list:
    """Second-level headings of a chapter: its title is the first level already."""
    inner = next((entry for entry in outline if isinstance(entry, list)), [])
    return [entry for entry in inner if not isinstance(entry, list)]


def _mend_links(book, chapter, first: int, base: str, home: str, starts: dict[str, int]) -> None:
    """Links inside `chapter`, which begins at page `first`, and to other pages of the book jump inside it; what else
    lies on the site leads to its address."""
    from pypdf.generic import ArrayObject, FloatObject, NameObject, NullObject, TextStringObject

    def place(number: int, top: float | None = None) -> ArrayObject:
        null, height = NullObject(), NullObject() if top is None else FloatObject(top)
        return ArrayObject([book.pages[number].indirect_reference, NameObject("/XYZ"), null, height, null])

    names = chapter.named_destinations  # each chapter has its own, so they cannot be kept as names
    for page in book.pages[first : first + len(chapter.pages)]:
        for link in (reference.get_object() for reference in page.get("/Annots", ())):
            if (name := str(link.get("/Dest", ""))) in names:
                number = chapter.get_destination_page_number(names[name])
                link[NameObject("/Dest")] = place(first + number, names[name].top)
            address = str(link["/A"].get("/URI", "")) if "/A" in link else ""
            start = starts.get(urllib.parse.urldefrag(address).url)
            if start is not None:
                del link["/A"]
                link[NameObject("/Dest")] = place(start)
            elif address.startswith(base):
                link["/A"][NameObject("/URI")] = TextStringObject(home + address.removeprefix(base))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "book.pdf")
    options = parser.parse_args()
    if reason := browser.missing():
        raise SystemExit(reason)
    if not (options.html / "index.html").exists():
        raise SystemExit(f"{options.html}: nothing there yet; run `make book`")
    content = make(ROOT, options.html)
    options.out.write_bytes(content)
    pages.attach_pdf(options.html, content)
    print(f"{options.out.name}: {len(content) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
