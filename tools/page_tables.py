"""Every pandas table of a page, made fit to read: one line of heads, long ones folded, each with
its CSV, and rows that stand as cards where the screen is narrow (book.css)."""

import csv
import io
import re

from bs4 import BeautifulSoup, Tag

TABLE = re.compile(r'<table border="1" class="dataframe">.*?</table>', re.DOTALL)
FOLD_ABOVE, READ_UP_TO = 12, 30  # rows of numbers, rows with sentences
WIDE_FROM, CARDS_FROM = 8, 5  # columns
LONG = 24  # letters: a sentence wants more room than a number
UNBROKEN = re.compile(r"(K|Beta|BN)-(Means|VAE)")  # names of methods that no line should break


def render(source: str, address: str, of: str) -> tuple[str, str]:
    """A table as pandas writes it, made ready for the page, and its CSV, which will lie at
    `address`; `of` says what the table is of, for who does not see it. ValueError where there is no
    table."""
    table = BeautifulSoup(source, "html.parser").table
    if table is None:
        raise ValueError("no table in this HTML")
    for node in (table, *table.find_all(True)):
        for obsolete in ("border", "halign", "valign"):
            node.attrs.pop(obsolete, None)
    one_head(table)
    columns = labels_of(table)
    rows = spread(table.tbody, len(columns))
    heads = len(columns) - min(
        (len(row.find_all("td")) for row in table.tbody.find_all("tr")), default=len(columns)
    )
    long = {
        i for i in range(heads, len(columns)) if any(len(row[i]) > LONG for row in rows)
    }  # columns of sentences
    kinds = {"wide": WIDE_FROM, "cards": CARDS_FROM - 2 * bool(long)}
    table["class"] = " ".join(
        ["dataframe", *(kind for kind, n in kinds.items() if len(columns) >= n)]
    )
    for row in table.tbody.find_all("tr", recursive=False):
        cells = row.find_all(["td", "th"], recursive=False)
        for at, cell in zip(
            range(len(columns))[::-1], cells[::-1]
        ):  # spanning heads are missing at the left
            text = cell.get_text()
            if cell.name == "td":
                cell["data-label"] = columns[at]
                if at in long:
                    cell["class"] = "words"
            elif cell.string:
                cell.string = UNBROKEN.sub("\\1\u2011\\2", text)
    for cell in table.thead.find_all("th"):
        if cell.string:
            cell.string = UNBROKEN.sub("\\1\u2011\\2", cell.string)
    size = f"{len(rows)} rows" if len(rows) != 1 else "1 row"
    label = f"CSV of {of}, {size}"
    link = f'<p class="table-csv"><a href="{address}" download aria-label="{label}">CSV</a></p>'
    shown = f"{table}\n{link}"
    told = [
        row for row in rows if any(len(row[i]) > 2 * LONG for i in long)
    ]  # sentences are read, not looked up
    if len(rows) > (READ_UP_TO if 2 * len(told) > len(rows) else FOLD_ABOVE):
        shown = (
            f'<details class="table-fold"><summary>The table, {size}</summary>\n{shown}\n</details>'
        )
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([columns, *rows])
    return shown, written.getvalue()


def one_head(table: Tag) -> None:
    """pandas gives the names of a table's row labels a line of their own, else empty: move them up
    into the line before, whose first cells are empty or name the columns."""
    lines = table.thead.find_all("tr", recursive=False)
    cells = lines[-1].find_all("th")
    names = [cell.get_text() for cell in cells]
    labels = [name for name in names if name]
    if len(lines) < 2 or not labels or names != labels + [""] * (len(names) - len(labels)):
        return
    for cell, label in zip(lines[-2].find_all("th"), labels):
        cell.string = label
        cell.attrs.pop("colspan", None)
    lines[-1].extract()


def spread(part: Tag, width: int) -> list[list[str]]:
    """The texts of all cells of a part of a table, `width` a row, those that span several rows or
    columns repeated."""
    rows: list[list[str]] = []
    below: dict[int, tuple[int, str]] = {}  # column -> rows to come, text
    for line in part.find_all("tr", recursive=False):
        row: list[str] = []
        cells = iter(line.find_all(["td", "th"], recursive=False))
        while len(row) < width:
            left, text = below.pop(len(row), (0, ""))
            if left:
                if left > 1:
                    below[len(row)] = left - 1, text
                row.append(text)
                continue
            cell = next(cells, None)
            if cell is None:
                break
            text = " ".join(cell.get_text().split())
            for _ in range(int(cell.get("colspan", 1))):
                if (down := int(cell.get("rowspan", 1))) > 1:
                    below[len(row)] = down - 1, text
                row.append(text)
        rows.append(row + [""] * (width - len(row)))
    return rows


def labels_of(table: Tag) -> list[str]:
    """What stands above each column; where heads have several lines, all of them."""
    lines = table.thead.find_all("tr", recursive=False)
    width = sum(int(cell.get("colspan", 1)) for cell in lines[0].find_all("th"))
    return [
        ", ".join(dict.fromkeys(filter(None, column)))
        for column in zip(*spread(table.thead, width))
    ]
