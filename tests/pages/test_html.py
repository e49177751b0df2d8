"""The built pages are valid HTML: checked by the Nu validator (`npm install --no-save vnu-jar`,
needs Java)."""

import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools import browser

HTML = Path(os.environ.get("BOOK_HTML", ROOT / "_build" / "html"))
JAR = Path(
    os.environ.get("VNU_JAR", ROOT / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar")
)

pytestmark = [
    pytest.mark.skipif(
        not (HTML / "index.html").exists(), reason="no book in _build/html: run `make book` first"
    ),
    pytest.mark.skipif(
        not shutil.which("java"),
        reason="no java on the path; on Debian: apt-get install default-jre",
    ),
    pytest.mark.skipif(
        not JAR.exists(), reason="no validator: `npm install --no-save vnu-jar`, or set VNU_JAR"
    ),
]
PAGES = [*browser.pages(HTML), "index.html", "404.html"] if (HTML / "index.html").exists() else []
IGNORED = {  # pattern of a message -> why it stays
    r"Element “p” not allowed as child of element “summary”": "how myst-nb folds a cell away",
}


@pytest.fixture(scope="module")
def faults():
    """{page: messages of the validator that are not ignored}."""
    command = [
        "java",
        "-Xss4m",
        "-jar",
        JAR,
        "--errors-only",
        "--exit-zero-always",
        "--format",
        "json",
    ]
    done = subprocess.run(
        [*command, *(HTML / page for page in PAGES)], capture_output=True, text=True, timeout=600
    )
    found = defaultdict(list)
    for entry in json.loads(done.stderr)["messages"]:
        if not any(re.search(pattern, entry["message"]) for pattern in IGNORED):
            page = Path(entry["url"].removeprefix("file:")).relative_to(HTML.resolve()).as_posix()
            found[page].append(
                f"line {entry.get('lastLine')}: {entry['message']} "
                f"{entry.get('extract', '')[:160]!r}"
            )
    return found


@pytest.mark.parametrize("page", PAGES)
def test_page_is_valid(page, faults):
    assert faults[page] == []
