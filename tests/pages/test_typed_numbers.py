"""No result is typed by hand: a number in the Markdown of a page is of a kind that needs no source,
or a setting, which is compared with the code.

Results reach a page as named values ({{ name }}, `quote`), or the page's cells print them."""

import math
import re
import tomllib

import pytest

from helpers import features, lyrics, models, protocols
from leakaudit.kinds import EXIT_CODES
from musicbook.chapters.audit import planted, specimens
from musicbook.chapters.cluster_well import grid, stable_groups, vae_uses
from musicbook.chapters.collapse import grids, study
from musicbook.chapters.collapse import planted as collapse_planted
from musicbook.chapters.fifty_projects import survey
from musicbook.chapters.own_words import songs
from musicbook.chapters.raw_sound import networks
from musicbook.collection import commands
from musicbook.corpus import pretrained, sources
from tests.conftest import ROOT
from tests.pages.written import PAGES, PROSE

NOT_PROSE = re.compile(
    r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\{\{.*?\}\}|\]\([^)]*\)|<[^>]*>|"
    r"^\|[^\n]*$|^    [^\n]*$",
    re.DOTALL | re.MULTILINE,
)
NUMBER = re.compile(r"(?<![\w.,])[−+-]?\d+(?:[ ,]\d{3})*(?:\.\d+)*(?: ?%)?(?!\w)")
ENDS = {"0", "1"}  # of a scale; mean and variance of a standardised column

# a kind of number that may stand in any text -> what it looks like there
KINDS = {
    "the year of a source": r"\[[^]\d]*{n}|[A-Z]\w+ \({n}\)",
    "which table, figure, phase or section it is": r"\b(?:Table|Figure|[Pp]hase|section) {n}",
    "its place in a list": r"(?:^|\n)\s*(?:\*\*)?{n}\. ",
    "how sure an interval is": r"{n} (?:prediction )?intervals?\b",
}

CASE = "a case that the page makes up"
SIZE = "what an installation takes, rounded"
PAPER = "what the paper says"
PHYSICS = "true by definition"


def settings() -> dict[str, dict[str, float | str]]:
    """The other numbers of each page, {page: {number: the setting in the code, or why nothing in
    the code has it}}."""
    sound_weight, words_weight = protocols.get("controlled").weights[2]
    betas = sorted(recipe.beta for recipe, _ in collapse_planted.CASES.values())
    size = {"68": len(features.FEATURES)}
    nats = {"1.44": round(1 / math.log(2), 2)}
    returns = {"0.6": stable_groups.RETURNS}
    exits = {str(code): code for code in EXIT_CODES.values() if code}
    made_up = specimens.CLEAN["sound alone"](0)
    audit = {
        "53": len(survey.projects()),
        "10": specimens.GENRES,
        "40": specimens.SONGS,
        "24": made_up.table.shape[1],
        "1,000": planted.ROWS,
        "8": planted.K,
        "12": planted.COLUMNS,
    }
    return {
        "00_sound": size
        | {
            "93": round(1000 * features.N_FFT / features.SR),
            "23": round(1000 * features.HOP / features.SR),
        },
        "01_audio_baseline": nats | {"0.05": models.ACTIVE_KL},
        "02_hybrid_features": {"384": lyrics.DIMS, "0.6": sound_weight, "0.4": words_weight},
        "03_advanced_vaes": {"60": CASE, "0.5": CASE, "0.6": CASE},
        "04_cvae_collapse": {
            "0.05": models.ACTIVE_KL,
            "4": betas[-2],
            "200": betas[-1],
            "40": study.DEAD,
            "0.02": CASE,
            "32": CASE,
        },
        "08_raw_sound": size
        | {
            "64": models.BANDS,
            "200": musicnn_columns(),
            "32": networks.RECIPE.latent,
            "100 %": PHYSICS,
        },
        "09_cluster_well": size
        | returns
        | {
            "2": min(grid.MANY),
            "30": max(grid.MANY),
            "80 %": 100 * grid.SHARE,
            "30 %": 100 * vae_uses.MISSING,
            "0.5": PHYSICS,
            "500": CASE,
            "15": songs.least_songs(sources.load("paired").n),
        },
        "10_collection": size | returns,
        "11_audit": exits | audit,
        "A1_collapse_in_depth": {
            "200": betas[-1],
            "0.1": min(stored_betas()),
            "40": max(stored_betas()),
            "4": PAPER,
        },
        "data": {"32": PAPER, "95 %": PAPER},
        "limits": {"95 %": PHYSICS, "5 %": PHYSICS},
        "method": size
        | nats
        | {
            "22 050": features.SR,
            "384": lyrics.DIMS,
            "32": PAPER,
            "95 %": PAPER,
            "2": PHYSICS,
        },
        "reproduce": {
            **dict.fromkeys(("0.7", "3", "3.2", "6", "29"), SIZE),
            "3.11.5": oldest_python(),
            "20,000": commands.PAGE_LIMIT,
        },
    }


def musicnn_columns() -> int:
    """How many numbers musicnn gives of a track."""
    return pretrained.committed("MSD").shape[1]


def stored_betas() -> set[float]:
    """The values of β in the published sweep."""
    return set(grids.published_grid("gtzan", "beta").beta)


def oldest_python() -> str:
    """The oldest Python that the package accepts."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project["requires-python"].removeprefix(">=")


def typed(text: str) -> list[tuple[str, str]]:
    """The numbers of a text that are of none of the KINDS, each with the words around it."""
    text = NOT_PROSE.sub(" ", text)
    found = []
    for match in NUMBER.finditer(text):
        number = match[0].strip()
        before, after = text[max(0, match.start() - 60) : match.start()], text[match.end() :][:40]
        around = before + match[0] + after
        of_a_kind = (re.search(kind.format(n=re.escape(number)), around) for kind in KINDS.values())
        if number not in ENDS and not any(of_a_kind):
            found.append((number, " ".join(around.split())))
    return found


SETTINGS = settings()


@pytest.mark.parametrize("page", PAGES)
def test_every_number_that_is_typed_is_of_a_kind_or_a_setting(page):
    allowed = SETTINGS.get(page.split("/")[1], {})
    assert [around for number, around in typed(PROSE[page]) if number not in allowed] == []


def test_settings_that_are_typed_are_those_of_the_code():
    wrong = {}
    for page, numbers in SETTINGS.items():
        for number, fact in numbers.items():
            value = number.replace(",", "").replace(" ", "").rstrip("%")
            if isinstance(fact, str):
                right = fact in (CASE, SIZE, PAPER, PHYSICS) or fact == number
            else:
                right = abs(float(value) - fact) < 1e-9
            if not right:
                wrong[page, number] = fact
    assert wrong == {}


def test_no_setting_is_listed_that_no_page_has():
    pages = {page.split("/")[1]: PROSE[page] for page in PAGES}
    unused = {
        page: set(numbers) - {number for number, _ in typed(pages[page])}
        for page, numbers in SETTINGS.items()
    }
    assert {page: numbers for page, numbers in unused.items() if numbers} == {}


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("The VAE scores 0.31, and PCA +0.7.", ["0.31", "+0.7"]),
        ("It wins in 12 of 17 cases, or 71 %.", ["12", "17", "71 %"]),
        ("Of 1,000 songs, 978 have words.", ["1,000", "978"]),
        ("See [Karim 2026](x.md), Table 3, `k=4`, $x^2$ and {{ paper_value }}.", []),
        ("Run:\n\n    songs 5\n\nThis takes 12 minutes.\n\n| a | 7 |\n\nOr 13.", ["12", "13"]),
        ("1. The first\n2. The second; 95 % intervals; from 0 to 1.", []),
    ],
)
def test_a_typed_result_is_found(text, numbers):
    assert [number for number, _ in typed(text)] == numbers
