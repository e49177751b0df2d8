"""Rules that every notebook page keeps."""

import ast
import csv
import io
import json
import os
import re
import subprocess
import sys
import zipfile

import nbformat
import pandas as pd
import pytest
import yaml

from helpers import tables
from tests.conftest import ROOT
from tests.pages.written import PROSE
from tools import address, measurements, page_tables, pages, quoted, release
from tools.run_notebooks import PARAMETERS, Run, defaults

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda p: p.stem)
def page(request):
    return nbformat.read(request.param, as_version=4)


def tagged(page, tag):
    return [cell for cell in page.cells if tag in cell.metadata.get("tags", ())]


# What these train would take minutes three times over; they show the spread of published runs.
ONE_SEED = {
    "02_hybrid_features": "full_gtzan.compare_with_full",
    "03_advanced_vaes": "full_gtzan.compare_with_full",
    "04_cvae_collapse": "grids.published_grid",
    "A1_collapse_in_depth": "grids.published_grid",
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_one_parameters_cell(path):
    page = nbformat.read(path, as_version=4)
    values = defaults(page, "the page")
    assert set(values) == set(PARAMETERS)
    fewest = 1 if path.stem in ONE_SEED else 3
    assert isinstance(values["seeds"], int) and values["seeds"] >= fewest
    if path.stem in ONE_SEED:
        assert any(ONE_SEED[path.stem] in cell.source for cell in page.cells)


def test_parameters_are_checked_at_once(page):
    code = [cell for cell in page.cells if cell.cell_type == "code"]
    after = code[code.index(tagged(page, "parameters")[0]) + 1]
    assert after.source.splitlines()[-1] == "protocols.check(dataset, protocol, seeds)"
    assert "remove-cell" in after.metadata.tags


def test_the_colab_cell_comes_first_and_is_the_same_everywhere(page):
    code = [cell for cell in page.cells if cell.cell_type == "code"]
    assert tagged(page, "colab") == [code[0]]
    first = nbformat.read(NOTEBOOKS[0], as_version=4)
    assert code[0].source == tagged(first, "colab")[0].source
    assert {"remove-cell", "skip-execution"} <= set(code[0].metadata.tags)


def test_the_colab_cell_ends_in_a_sentence_where_its_reference_is_gone(tmp_path):
    """The cell's own text; git looks for the address in an empty folder."""
    cell = tagged(nbformat.read(NOTEBOOKS[0], as_version=4), "colab")[0].source
    environment = os.environ | {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_VALUE_0": address.repository(),
        "GIT_CONFIG_KEY_0": f"url.{(tmp_path / 'empty').as_uri()}.insteadOf",
    }
    idle = subprocess.run(
        [sys.executable, "-c", cell], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (idle.returncode, idle.stderr) == (0, "")  # nothing happens elsewhere
    environment["COLAB_RELEASE_TAG"] = "test"
    done = subprocess.run(
        [sys.executable, "-c", cell], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    last = done.stderr.strip().splitlines()[-1]
    source = f"git+{address.repository()}@{address.reference()}"
    assert done.returncode == 1 and last.startswith(f"{source} cannot be installed")
    assert (
        "run this cell again, or open the page from its book anew" in last
        and "Traceback" not in done.stderr
    )


def test_the_title_is_a_question_or_names_its_subject(page):
    assert page.cells[0].cell_type == "markdown" and page.cells[0].source.startswith("# ")


def test_cells_are_short_and_nothing_needs_a_notebook_server(page):
    code = [cell.source for cell in page.cells if cell.cell_type == "code"]
    assert max(len([line for line in source.splitlines() if line.strip()]) for source in code) <= 30
    assert not re.search(r"tqdm\.notebook|ipywidgets|^\s*[%!]", "\n".join(code), re.MULTILINE)


def test_code_that_is_shown_fits_its_column(page):
    """Longer lines would end behind the edge of the page's column."""
    shown = [
        c
        for c in page.cells
        if c.cell_type == "code"
        and not {"remove-cell", "remove-input"} & set(c.metadata.get("tags", ()))
    ]
    assert [line for cell in shown for line in cell.source.splitlines() if len(line) > 79] == []


def test_figures_have_a_caption_a_name_and_alt_text(page):
    names = []
    for cell in page.cells:
        figure = cell.metadata.get("mystnb", {}).get("figure")
        if figure:
            assert figure.get("caption") and figure.get("name"), cell.source[:80]
            assert cell.metadata["mystnb"].get("image", {}).get("alt"), (
                f"{figure['name']} has no alt text"
            )
            names.append(figure["name"])
    assert len(names) == len(set(names))


def test_phase_pages_have_an_exercise_whose_answer_is_folded_and_run(page, request):
    stem = request.node.callspec.id
    answers = tagged(page, "hide-cell")
    if re.match("0[1-4]_", stem):
        before = page.cells[page.cells.index(answers[0]) - 1]
        assert before.source.startswith("## Exercise") and "?" in before.source
        assert all(
            "assert " in cell.source and cell.metadata.mystnb.code_prompt_show for cell in answers
        )


def test_pages_import_helpers_and_nothing_of_each_other(page):
    stems = {path.stem for path in NOTEBOOKS}
    for cell in page.cells:
        if cell.cell_type == "code":
            for node in ast.walk(ast.parse(cell.source)):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not stems & set(names)


def test_every_page_is_in_the_table_of_contents():
    listed = set(re.findall(r"file: (\S+)", (ROOT / "_toc.yml").read_text()))
    assert {f"notebooks/{path.stem}" for path in NOTEBOOKS} <= listed
    for name in listed:
        assert (ROOT / f"{name}.md").exists() or (ROOT / f"{name}.ipynb").exists(), name


def test_the_version_is_the_same_everywhere():
    assert f"version: {release.version()}" in (ROOT / "CITATION.cff").read_text()
    assert f"## {release.version()}" in (ROOT / "CHANGELOG.md").read_text()


def test_a_page_has_one_answer_which_its_code_prints(page):
    """The build puts the cell tagged `answer` under the title; its sentences come from the run."""
    (answer,) = tagged(page, "answer")
    last = ast.parse(answer.source).body[-1]
    assert isinstance(last, ast.Expr) and isinstance(last.value, ast.Call)
    assert last.value.func.id == "Markdown" and "remove-input" in answer.metadata.tags
    constants = [node for node in ast.walk(last) if isinstance(node, ast.Constant)]
    typed = " ".join(str(node.value) for node in constants)
    assert not re.search(r"[.\d]\d", typed), "a number in the answer is typed by hand"


def test_a_page_begins_with_its_title_and_one_question(page):
    title, *rest = [line for line in page.cells[0].source.splitlines() if line]
    question = " ".join(rest)
    assert title.startswith("# ") and re.match(r"\*[^*]*\?\*", question), question


def test_shown_code_is_short(page):
    shown = [
        c.source
        for c in page.cells
        if c.cell_type == "code"
        and not set(c.metadata.get("tags", ())) & {"remove-cell", "remove-input", "hide-cell"}
    ]  # folded are answers to exercises
    lines = [line for source in shown for line in source.splitlines() if line.strip()]
    assert len(lines) <= 160, "a page shows at most about 150 lines of code"


def test_the_papers_numbers_are_looked_up_by_a_key_that_is_unique(page):
    """pandas 2 gives a Series, not the number, where the index of a table holds any key twice."""
    key = ["phase", "method", "metric"]
    assert not tables.paper_tables().duplicated(key).any()
    looked_up = re.findall(
        r"paper_tables\(\)\.set_index\((.*?)\)", "\n".join(cell.source for cell in page.cells)
    )
    assert [found for found in looked_up if found != str(key).replace("'", '"')] == []


def test_every_public_module_class_and_function_says_what_it_is():
    silent = []
    for path in (ROOT / "src").rglob("*.py"):
        tree = ast.parse(path.read_text())
        if tree.body and ast.get_docstring(tree) is None:
            silent.append(str(path))
        for node in tree.body:
            public = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_"
            if public and ast.get_docstring(node) is None:
                silent.append(f"{path}: {node.name}")
    assert not silent


@pytest.mark.parametrize(
    ("table", "head"),
    [
        (pd.DataFrame({"A": [1]}, index=pd.Index(["x"], name="Method")), [["Method", "A"]]),
        (
            pd.DataFrame({"A": [1]}).rename_axis("Seed").rename_axis("measure", axis=1),
            [["Seed", "A"]],
        ),
        (pd.DataFrame({"A": [1]}), [["", "A"]]),
        (
            pd.DataFrame(
                {"A": [1]}, index=pd.MultiIndex.from_tuples([("a", "b")], names=["K", "L"])
            ),
            [["K", "L", "A"]],
        ),
        (
            pd.DataFrame({("p", "A"): [1], ("p", "B"): [2]}).rename_axis("K"),
            [["", "p"], ["K", "A", "B"]],
        ),
    ],
    ids=["one name", "columns named", "no name", "two names", "two heads"],
)
def test_tables_have_no_head_line_of_row_names_alone(table, head):
    shown, _ = page_tables.render(table.to_html(), "t.csv", "a table")
    rows = re.findall(r"<tr.*?</tr>", re.search("<thead>.*?</thead>", shown, re.S)[0], re.S)
    assert [re.findall("<th[^>]*>(.*?)</th>", row) for row in rows] == head


def test_a_table_has_its_csv_and_folds_when_it_is_long():
    index = pd.MultiIndex.from_product(
        [["K-Means", "Beta-VAE, α < β"], ["ari", "nmi"]], names=["Method", "Metric"]
    )
    table = pd.DataFrame(
        {("paper", "Value"): ["0.1", "", "0.3", "0.4"], ("ours", "Value"): ["1", "2", "a, b", "4"]},
        index,
    )
    shown, text = page_tables.render(table.to_html(), "../t.csv", "a table")
    assert list(csv.reader(text.splitlines())) == [
        ["Method", "Metric", "paper, Value", "ours, Value"],
        ["K-Means", "ari", "0.1", "1"],
        ["K-Means", "nmi", "", "2"],
        ["Beta-VAE, α < β", "ari", "0.3", "a, b"],
        ["Beta-VAE, α < β", "nmi", "0.4", "4"],
    ]
    assert 'href="../t.csv" download' in shown and "<details" not in shown
    assert (
        shown.count('<td data-label="ours, Value">') == 4
        and "halign" not in shown
        and "border" not in shown
    )
    assert "K\u2011Means" in shown and "K\u2011Means" not in text
    empty, text = page_tables.render(pd.DataFrame({"A": []}).to_html(), "t.csv", "a table")
    assert text == ",A\n" and "0 rows" in empty
    long, text = page_tables.render(pd.DataFrame({"A": range(13)}).to_html(), "t.csv", "a table")
    assert (
        long.startswith('<details class="table-fold"><summary>The table, 13 rows')
        and len(text.splitlines()) == 14
    )


def test_every_table_of_a_page_is_found():
    two = pd.DataFrame({"A": [1]}).to_html() + "<p>between</p>" + pd.DataFrame({"B": [2]}).to_html()
    assert [len(found) > 40 for found in page_tables.TABLE.findall(two)] == [True, True]


def test_the_measurements_are_told():
    text = measurements.markdown(ROOT / "data" / "results" / "bench")
    assert [line for line in text.splitlines() if line.startswith("### ")] == [
        f"### {title}" for title, _ in measurements.SECTIONS.values()
    ]
    found = {name: value.text for name, value in quoted.measured_values().items()}
    assert (
        f"| {found['bench_extract_ratio']} |" in text
        and found["bench_lyrics_scan_ways_1_seconds"] in text
    )


def test_without_measurements_the_page_says_so(tmp_path):
    assert "make bench" in measurements.markdown(tmp_path)


def test_the_archive_holds_every_notebook_and_is_the_same_each_time():
    packed = pages.archive(ROOT / "notebooks")
    assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == [path.name for path in NOTEBOOKS]
    assert packed == pages.archive(ROOT / "notebooks")


def test_a_page_begins_with_its_answer_its_picture_and_the_time_it_takes():
    page = nbformat.v4.new_notebook()
    answer = nbformat.v4.new_code_cell("x", metadata={"tags": ["answer", "remove-input"]})
    figure = {"figure": {"name": "fig-y"}}
    picture = nbformat.v4.new_code_cell("y", metadata={"tags": ["picture"], "mystnb": figure})
    picture.outputs = [nbformat.v4.new_output("display_data", data={"text/plain": "bars"})]
    page.cells = [
        nbformat.v4.new_markdown_cell("# Why?"),
        nbformat.v4.new_markdown_cell("## Overview\n" + "word " * 400),
        picture,
        answer,
    ]
    used = {"dataset": "/home/me/songs", "protocol": "written", "seeds": 3}
    run = Run("05_leakage", nbformat.writes(page), used, 200.0, "2026-01-01", True)
    cells = nbformat.reads(pages.arranged(ROOT, run), as_version=4).cells
    assert "{index} ! leakage" in cells[1].source
    assert [cell.source for cell in cells[2:4]] == ["x", "y"]
    assert cells[4].source == (
        "*Reading time: 2 minutes. The page ran in about 3 minutes, on the data songs "
        "([protocol](../book/glossary.md) written, 3 seeds).*"
    )
    assert cells[5].source.startswith("## Overview")
    code = cells[6]  # where the picture was: what draws it, and neither the picture nor its name
    assert code.source.endswith("\ny") and not code.outputs and not code.metadata
    assert cells[3].outputs and "remove-input" in cells[3].metadata.tags
    assert len(cells) == 7


def test_pages_of_prose_say_how_long_they_take_to_read():
    text = pages.completed(ROOT, "limits", "# Limits\n\n" + "word " * 790)
    assert "*Reading time: 4 minutes.*" in text and "{index} ! limitations" in text
    assert "Reading time" not in pages.completed(ROOT, "api", "# API\n\ntext\n")
    asked = pages.completed(ROOT, "limits", "# Limits\n\n*Is it so?*\n\nNo.\n")
    assert [line for line in asked.splitlines() if line][-3:] == [
        "*Is it so?*",
        "*Reading time: 1 minute.*",
        "No.",
    ]


def test_the_citation_files_agree():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    zenodo = json.loads((ROOT / ".zenodo.json").read_text())
    assert cff["title"] == zenodo["title"] == cff["preferred-citation"]["title"]
    assert [a["name"] for a in cff["authors"]] == [a["name"] for a in zenodo["creators"]] and cff[
        "license"
    ] == zenodo["license"]
    assert (
        re.fullmatch(r"\d{4}-\d\d-\d\d", str(cff["date-released"]))
        and cff["title"] in (ROOT / "book/cite.md").read_text()
    )


PATHS = {  # reader -> pages that the opening page names, with a mark of what he needs there
    "A student of VAEs": {
        "notebooks/00_sound": "## The recipe",
        "book/method": "$$",
        "book/glossary": "posterior collapse",
    },
    "A reviewer of a clustering paper": {
        "notebooks/05_leakage": "## The controls",
        "notebooks/06_results": "## Ten claims",
        "notebooks/11_audit": "## Your table",
        "book/reproduce": "make book",
    },
    "Somebody with a music folder": {
        "notebooks/10_collection": "musicbook map",
        "notebooks/09_cluster_well": "## Groups that return",
        "book/reproduce": "git clone",
    },
}


@pytest.mark.parametrize("reader", PATHS)
def test_the_path_of_each_reader_leads_to_pages_that_hold_what_he_needs(reader):
    (path,) = re.findall(rf"- \*\*{reader}:\*\*(.*?)(?=\n- |\n\n)", PROSE["book/index"], re.DOTALL)
    links = re.findall(r"\]\(([^)#]+)\.(?:ipynb|md)\)|\{doc\}`(\w+)`", path)
    named = {f"book/{name}" if name else os.path.normpath(f"book/{link}") for link, name in links}
    assert named == set(PATHS[reader])
    for page, mark in PATHS[reader].items():
        assert mark in PROSE[page], page


QUESTIONS = {  # what a visitor asks -> the page that answers at length
    "Was the network told the genre, and how much did that give?": "05_leakage",
    "Do lyrics help?": "07_own_words",
    "Has the paper's conditional VAE (CVAE) collapsed?": "04_cvae_collapse",
    "What should I use for my own music?": "10_collection",
    "Is my own table safe?": "11_audit",
}


def test_the_opening_page_answers_each_question_with_a_named_value_and_a_page():
    """A number in an answer is quoted, so that the guards have judged it."""
    parts = PROSE["book/index"].split("\n## Five questions\n")[1].split("\n## ")[0]
    answers = dict(part.split("\n", 1) for part in parts.split("\n### ")[1:])
    assert list(answers) == list(QUESTIONS)
    for question, page in QUESTIONS.items():
        assert re.search(r"\{\{ \w+ \}\}", answers[question]), question
        assert f"(../notebooks/{page}.ipynb)" in answers[question], question
        without = re.sub(r"\{\{.*?\}\}|\(\.\./.*?\)|95 % interval", "", answers[question])
        assert not re.search(r"\d", without), question
