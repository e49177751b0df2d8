"""Rules that every notebook page keeps, and the addresses that several files repeat."""

import ast
import re

import nbformat
import pytest
import yaml

from tests.conftest import ROOT
from tools import quoted
from tools.run_notebooks import PARAMETERS, defaults

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
REPOSITORY = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda p: p.stem)
def page(request):
    return nbformat.read(request.param, as_version=4)


def tagged(page, tag):
    return [cell for cell in page.cells if tag in cell.metadata.get("tags", ())]


def test_one_parameters_cell(page):
    values = defaults(page, "the page")
    assert set(values) == set(PARAMETERS)
    assert isinstance(values["seeds"], int) and values["seeds"] >= 3


def test_the_colab_cell_comes_first_and_is_the_same_everywhere(page):
    code = [cell for cell in page.cells if cell.cell_type == "code"]
    assert tagged(page, "colab") == [code[0]]
    first = nbformat.read(NOTEBOOKS[0], as_version=4)
    assert code[0].source == tagged(first, "colab")[0].source
    assert {"remove-cell", "skip-execution"} <= set(code[0].metadata.tags)
    assert f'REPOSITORY, TAG = "{REPOSITORY}"' in code[0].source


def test_the_title_is_a_question_or_names_its_subject(page):
    assert page.cells[0].cell_type == "markdown" and page.cells[0].source.startswith("# ")


def test_cells_are_short_and_nothing_needs_a_notebook_server(page):
    code = [cell.source for cell in page.cells if cell.cell_type == "code"]
    assert max(len([line for line in source.splitlines() if line.strip()]) for source in code) <= 20
    assert not re.search(r"tqdm\.notebook|ipywidgets|^\s*[%!]", "\n".join(code), re.MULTILINE)


def test_figures_have_a_caption_a_name_and_alt_text(page):
    names = []
    for cell in page.cells:
        figure = cell.metadata.get("mystnb", {}).get("figure")
        if figure:
            assert figure.get("caption") and figure.get("name"), cell.source[:80]
            assert cell.metadata["mystnb"].get("image", {}).get("alt"), f"{figure['name']} has no alt text"
            names.append(figure["name"])
    assert len(names) == len(set(names))


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


def test_the_repository_has_one_address():
    pattern = re.compile(r"github\.com/[\w.-]+/vae-music-clustering")
    places = [ROOT / name for name in ("README.md", "CITATION.cff", "CONTRIBUTING.md", "_config.yml", "pyproject.toml")]
    places += sorted((ROOT / "book").rglob("*.md")) + NOTEBOOKS
    found = {hit: path.name for path in places for hit in pattern.findall(path.read_text())}
    assert set(found) == {REPOSITORY.removeprefix("https://")}, found
    owner, name = REPOSITORY.split("/")[-2:]
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert config["html"]["baseurl"] == f"https://{owner}.github.io/{name}/"
    assert config["sphinx"]["config"]["html_theme_options"]["repository_url"] == REPOSITORY


def test_the_version_is_the_same_everywhere():
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text()
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()
    assert f'"v{version}"' in NOTEBOOKS[0].read_text().replace('\\"', '"')


def test_closed_forms_and_paper_values_are_there_to_quote():
    found = quoted.paper()
    assert found["paper_2_dbscan_nmi"] == "0.807" and found["paper_3_beta_vae_purity"] == "0.738"
    assert quoted.slug("PCA + K-Means", "nmi") == "pca_k_means_nmi"


def test_the_api_page_has_every_module():
    shown = set(re.findall(r"automodule:: helpers\.(\w+)", (ROOT / "book" / "api.md").read_text()))
    assert shown == {path.stem for path in (ROOT / "src/helpers").glob("*.py") if not path.stem.startswith("__")}
