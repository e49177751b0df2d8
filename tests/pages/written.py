"""What the authors of the pages wrote: the Markdown of every page of the book, in reading order."""

import re

import yaml

from tests.conftest import ROOT

CELL = re.compile(r"# %% \[markdown\].*?\n(.*?)(?=\n# %%|\Z)", re.DOTALL)
CAPTION = re.compile(r'"caption": "(.*?)", "name"')


def order_of_pages() -> list[str]:
    """Files of the book as its table of contents lists them, without endings."""
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text())
    chapters = [page["file"] for part in contents["parts"] for page in part["chapters"]]
    return [contents["root"], *chapters]


def prose_of(page: str) -> str:
    """The Markdown of a page and its captions, without the marks of comments."""
    script = ROOT / f"{page}.py"
    if not script.exists():
        return (ROOT / f"{page}.md").read_text()
    source = script.read_text()
    cells = [re.sub(r"^# ?", "", cell, flags=re.MULTILINE) for cell in CELL.findall(source)]
    return "\n\n".join(cells + CAPTION.findall(source))


PAGES = order_of_pages()
NOTEBOOKS = [page for page in PAGES if page.startswith("notebooks/")]
PHASES = NOTEBOOKS[1:5]
PROSE = {page: prose_of(page) for page in PAGES}
