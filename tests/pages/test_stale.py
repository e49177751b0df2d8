"""What the prose says about the book itself: names and numbers of pages, counts, reading times.

Such sentences go stale when a page moves. So they are read in the sources and compared with what
the code knows."""

import re

import nbformat
import pytest

from helpers import features, lyrics, models, phases, protocols
from musicbook.chapters.audit import planted as planted_tables
from musicbook.chapters.collapse import planted, study
from musicbook.chapters.own_words import verses
from musicbook.chapters.results import claims
from musicbook.corpus import sources
from tests.conftest import ROOT
from tests.pages.written import NOTEBOOKS, PAGES, PHASES, PROSE

# titles that pages had before they got the name they have now
OLD_TITLES = (
    "CVAE: collapse or by design?",
    "Can a network learn music from raw sound?",
    "Does the Beta-VAE disentangle genres?",
    "Does the paper hold?",
    "Does your own pipeline leak?",
    "How far are 68 numbers from a pretrained network?",
    "What does the map look like from close up?",
    "What is in a collection of music?",
    "Where does each published number come from?",
)
NUMBERS = dict(
    zip("one two three four five six seven eight nine ten eleven twelve".split(), range(1, 13))
)
NAMED = {count: word for word, count in NUMBERS.items()} | {16: "sixteen", 60: "sixty"}


def number(word: str) -> int:
    """ "four" or "4" -> 4."""
    return int(word) if word.isdigit() else NUMBERS[word.lower()]


def counted(noun: str, text: str) -> list[int]:
    """How many of something a text says there are: "the four phases" -> 4."""
    found = re.findall(
        rf"\b(?:all|the|its) (\d+|{'|'.join(NUMBERS)}) {noun}\b", text, re.IGNORECASE
    )
    return [number(word) for word in found]


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_called_by_name_and_not_by_number(page):
    """No page shows a number, so "page 4" sends a reader nowhere."""
    assert re.findall(r"\bpages? \d+\b", PROSE[page]) == []


@pytest.mark.parametrize("page", [page for page in PAGES[1:] if page != "book/references"])
def test_a_title_names_the_page_and_the_question_stands_under_it(page):
    title, question = PROSE[page].split("\n", 1)
    assert title.startswith("# ") and re.match(r"\s*\*[^*]+\?\*", question)
    assert page in ("notebooks/11_audit",) or "?" not in title


@pytest.mark.parametrize("page", PAGES)
def test_no_page_of_before_is_named(page):
    assert [title for title in OLD_TITLES if title in PROSE[page]] == []
    stems = {name.split("/")[1] for name in NOTEBOOKS}
    files = set(re.findall(r"\b((?:\d\d|A\d)_[a-z_]+)\.(?:ipynb|html|py)\b", PROSE[page]))
    assert files <= stems


@pytest.mark.parametrize("page", PAGES)
def test_the_time_that_a_page_takes_is_written_by_the_build(page):
    """The build measures both; a sentence typed by hand contradicts it sooner or later."""
    assert re.findall(r"\bminutes? to (?:read|run)\b", PROSE[page], re.IGNORECASE) == []


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_the_page_that_is_announced_as_the_next_one_is_the_next_one(page):
    announced = re.findall(
        r"Next:\s+\[[^]]*\]\((?:\.\./)?(?:book/)?(\w+)\.(?:ipynb|md)\)", PROSE[page]
    )
    following = PAGES[PAGES.index(page) + 1].split("/")[1]
    assert set(announced) <= {following}


def test_counts_of_what_the_book_has_are_right():
    """Pages of the paper's phases, methods of Table 3, and claims, where prose counts them."""
    wrong = {}
    for page, text in PROSE.items():
        said = {
            "phases": (counted("phases", text), {len(PHASES), 3}),  # ours, and the paper's
            "pages of the paper": (counted("pages of the paper", text), {len(PHASES)}),
            "notebooks": (counted("notebooks", text), {len(NOTEBOOKS)}),
        }
        for noun, (numbers, right) in said.items():
            if not set(numbers) <= right:
                wrong[page, noun] = numbers
    assert wrong == {}
    methods = re.search(r"## Table 3: (\w+) methods", PROSE["notebooks/03_advanced_vaes"])
    assert number(methods[1]) == len(phases.names_of(3))
    ten = re.search(r"## (\w+) claims", PROSE["notebooks/06_results"])
    assert number(ten[1]) == (claims.listed_claims().headline == 1).sum()


def default_data(page: str) -> str:
    """The `dataset` in the cell of parameters of a notebook."""
    return re.search(r'^dataset = "(.*)"$', (ROOT / f"{page}.py").read_text(), re.MULTILINE)[1]


def test_the_data_sets_and_their_default_are_those_of_the_pages():
    """Where prose lists the names for DATASET, and says on which pages one is the default."""
    text = PROSE["book/reproduce"].split("DATASET\n: ")[1].split("\n\n")[0]
    assert set(re.findall(r"(?<!})`([a-z-]+)`", text)) == set(sources.NAMES)
    listed = re.findall(r"^`([a-z-]+)`$", PROSE["book/data"], re.MULTILINE)
    assert set(listed) == set(sources.NAMES)
    assert "`gtzan-mini-thirds` (the default of the pages on the paper's phases)" in text
    assert {default_data(page) for page in PHASES} == {"gtzan-mini-thirds"}


def test_settings_that_prose_repeats_are_those_of_the_code():
    sound, words = protocols.get("controlled").weights[2]
    betas = sorted(recipe.beta for recipe, _ in planted.CASES.values())[-2:]
    six = verses.verse_table().query("language != @verses.APART")
    subjects, spoken = NAMED[six.subject.nunique()], NAMED[six.language.nunique()]
    leaks, honest = NAMED[len(planted_tables.PLANTED)], NAMED[len(planted_tables.HONEST)]
    sentences = {
        "00_sound": [
            f"into {len(features.FEATURES)} numbers",
            f"frames of {1000 * features.N_FFT / features.SR:.0f} milliseconds",
            f"starts every {1000 * features.HOP / features.SR:.0f} milliseconds",
        ],
        "01_audio_baseline": [f"inactive (less than {models.ACTIVE_KL:g} nats)"],
        "02_hybrid_features": [
            f"into {lyrics.DIMS} numbers",
            f"the sound by {sound:g} and the words by {words:g}",
        ],
        "04_cvae_collapse": [
            f"more than {models.ACTIVE_KL:g} nats",
            f"a CVAE with β = {study.DEAD:g}",
            f"a large β ({betas[0]:g} and {betas[1]:g})",
        ],
        "07_own_words": [
            f"{NAMED[len(six)]} short verses",
            f"They have {subjects} subjects",
            f"in {spoken} languages",
        ],
        "11_audit": [f"We planted {leaks} leaks", f"{honest.title()} more tables are honest"],
    }
    missing = []
    for page, expected in sentences.items():
        text = " ".join(PROSE[f"notebooks/{page}"].split())
        missing += [sentence for sentence in expected if sentence not in text]
    assert missing == []


MAIN = [page for page in NOTEBOOKS if "/A" not in page]


@pytest.mark.parametrize("page", MAIN)
def test_a_page_says_what_to_know_before_and_what_is_learnt(page):
    text = PROSE[page]
    assert "**You will learn**" in text and "**Before you start:**" in text
    assert "## Exercise" in text and "## Summary" in text


@pytest.mark.parametrize("page", MAIN)
def test_the_answer_to_an_exercise_is_folded_and_tested(page):
    notebook = nbformat.read(ROOT / f"{page}.ipynb", as_version=4)
    starts = [i for i, cell in enumerate(notebook.cells) if "## Exercise" in cell.source]
    answer = notebook.cells[starts[0] + 1]
    assert len(starts) == 1 and "hide-cell" in answer.metadata.tags and "assert " in answer.source


@pytest.mark.parametrize("page", PHASES)
def test_pages_of_the_phases_have_three_questions_with_folded_answers(page):
    part = PROSE[page].split("## Test yourself")[1].split("## Summary")[0]
    assert len(re.findall(r"<details>|:::\{dropdown\}", part)) == 3
    questions = re.findall(r"^\*\*\d\. .*\?.*\*\*$|^:::\{dropdown\} .*\?.*$", part, re.MULTILINE)
    assert len(questions) == 3
