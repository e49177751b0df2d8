"""The list of references: what is cited is in it, what is in it is cited, and each entry says where
to find the work."""

import re
import unicodedata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIBLIOGRAPHY = ROOT / "book/references.bib"
PLACES = ("src/**/*.py", "src/**/*.md", "notebooks/*.py", "book/*.md", "bench/*.py", "data/*.md")
NO_NAMES = "January|August|November|TAGS|Genius|MoPoE|FastICA|ICA"  # they can stand before one
CITED = re.compile(
    rf"\b(?!(?:{NO_NAMES})\b)"
    r"(?P<first>[A-Z][\w’'-]+)"  # the first author
    r"(?:(?:, [A-Z][\w’'-]+)*,? (?:and|&) [A-Z][\w’'-]+(?: [A-Z][\w’'-]+)?| et al\.)?"
    r",? \(?(?P<year>(?:19|20)\d\d)\b(?!-\d\d-)"
)


def plain(name: str) -> str:
    """Letters alone, without accents and TeX, in small: "Hyv{\\"a}rinen" -> "hyvarinen"."""
    bare = unicodedata.normalize("NFD", re.sub(r"\\.|[{}]", "", name)).casefold()
    return re.sub(r"[^a-z]", "", bare)


def entries() -> dict[str, dict[str, str]]:
    """{key: fields} of the bibliography, with "kind"."""
    found = {}
    for kind, key, body in re.findall(r"@(\w+)\{(\w+),(.*?)\n\}", BIBLIOGRAPHY.read_text(), re.S):
        fields = re.findall(r"(\w+)\s*=\s*\{(.*?)\},?\s*(?=\n\s*\w+\s*=|\Z)", body, re.S)
        found[key] = {"kind": kind} | {name: " ".join(value.split()) for name, value in fields}
    return found


def work_of(entry: dict[str, str]) -> tuple[str, str]:
    """How a text cites it: the first author's last name, without "von", and the year."""
    surname = entry["author"].split(" and ")[0].split(",")[0]
    return plain(surname.split()[-1]), entry["year"]


def texts() -> dict[str, str]:
    found = {}
    for pattern in PLACES:
        for path in sorted(ROOT.glob(pattern)):
            lines = [line.lstrip("# ") for line in path.read_text(encoding="utf-8").splitlines()]
            found[str(path.relative_to(ROOT))] = " ".join(" ".join(lines).split())
    return found


def cited_works(text: str) -> set[tuple[str, str]]:
    """Every (name, year) that a text cites by name."""
    unlinked = text.replace("[", "").replace("](../book/references.md)", "")
    found = set()
    for match in CITED.finditer(unlinked):
        found.add((plain(match["first"]), match["year"]))
    return found


def test_what_is_cited_is_in_the_list():
    known = {work_of(entry) for entry in entries().values()}
    missing = {}
    for place, text in texts().items():
        unknown = cited_works(text) - known
        if unknown:
            missing[place] = sorted(unknown)
    assert not missing


def test_what_is_in_the_list_is_cited():
    every = texts()
    by_name = set().union(*map(cited_works, every.values()))
    keys = set()
    for text in every.values():
        for group in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text):
            keys.update(group.split(","))
    listed = entries()
    idle = [key for key, e in listed.items() if key not in keys and work_of(e) not in by_name]
    assert not idle
    assert keys <= set(listed)


@pytest.mark.parametrize("key", entries())
def test_an_entry_says_where_to_find_the_work(key):
    entry = entries()[key]
    wanted = {"article": "journal", "inproceedings": "booktitle", "incollection": "booktitle"}
    wanted |= {"book": "publisher"}
    assert {"author", "title", "year"} <= set(entry)
    if entry["kind"] in wanted:
        assert wanted[entry["kind"]] in entry
    else:
        assert {"url", "eprint"} & set(entry)


def test_the_paper_has_an_address():
    assert entries()["karim2026music"]["url"].startswith("https://")


def test_a_missing_work_would_be_seen():
    text = "as in [Lucas et al. 2019](../book/references.md) and (Nobody & Noone 1999)"
    assert cited_works(text) == {("lucas", "2019"), ("nobody", "1999")}
    assert ("noname", "1950") in cited_works("(Noname 1950)")
