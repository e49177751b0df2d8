"""The lock, pyproject.toml, environment.yml and what is installed tell one story."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from itertools import chain

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from tests.installed import needed
from tools import finding, install, set_up

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = {
    canonicalize_name(r.name): r
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if "==" in line and not line.startswith((" ", "#"))
    for r in [Requirement(line.rstrip("\\ "))]
}
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
LOCKING = tomllib.loads((ROOT / "tools" / "lock.toml").read_text())
(TORCH,) = LOCKING["constraint-dependencies"]


def declared() -> list[Requirement]:
    extras = [text for group in PROJECT["optional-dependencies"].values() for text in group]
    return [Requirement(text) for text in [*PROJECT["dependencies"], *extras]]


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_the_lock_satisfies_what_is_declared(requirement):
    if requirement.name == "torch":
        version = Requirement(TORCH).specifier
        assert requirement.specifier.contains(next(iter(version)).version)
        assert "torch" not in LOCK, "torch is installed before the lock and must stay out of it"
    else:
        version = next(iter(LOCK[canonicalize_name(requirement.name)].specifier)).version
        assert requirement.specifier.contains(version)


def test_every_locked_package_has_hashes():
    blocks = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text())
    assert [
        b.split(maxsplit=1)[0]
        for b in blocks
        if "==" in b.splitlines()[0] and "--hash=sha256:" not in b
    ] == []
    assert not re.search(r"^--|file:|https?:", "\n".join(blocks), re.MULTILINE), (
        "an index or a path slipped in"
    )


def test_installed_versions_are_the_locked_ones():
    installed = {canonicalize_name(d.name): d.version for d in metadata.distributions()}
    if "pytest" not in LOCK or installed["pytest"] != next(iter(LOCK["pytest"].specifier)).version:
        pytest.skip("another environment than the one `make` sets up")
    wrong = {}
    for name, requirement in LOCK.items():
        if requirement.marker is None or requirement.marker.evaluate():
            version = next(iter(requirement.specifier)).version
            if installed.get(name) != version:
                wrong[name] = (version, installed.get(name))
    assert wrong == {}


def needed_with(extras):
    """Names of all that is needed for the package with `extras`; without torch."""
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][e] for e in extras)]
    return needed(chain.from_iterable(lists), without="torch")


def test_conda_brings_what_a_reader_needs_and_no_more():
    pip = next(entry["pip"] for entry in CONDA if isinstance(entry, dict))
    options = [entry for entry in pip if entry.startswith("-")]
    pins = {
        canonicalize_name(r.name): r
        for entry in pip
        if entry not in options
        for r in [Requirement(entry)]
    }
    assert options == ["--extra-index-url https://download.pytorch.org/whl/cpu", "-e ."]
    assert str(pins.pop("torch")) == TORCH
    assert pins == {name: requirement for name, requirement in LOCK.items() if name in pins}
    assert needed_with(("lyrics", "notebooks")) <= pins.keys()
    tools = {
        canonicalize_name(Requirement(text).name)
        for extra in ("book", "test", "site", "dev")
        for text in PROJECT["optional-dependencies"][extra]
    } - needed_with(("lyrics", "notebooks"))
    assert {"ruff", "mypy", "selenium", "jupyter-book"} <= tools and not tools & pins.keys()
    specs = [entry for entry in CONDA if isinstance(entry, str)]
    for spec in specs:
        assert re.fullmatch(r"[a-z0-9_-]+([=<>!]=?[0-9.*]+)?", spec), spec
    names = {canonicalize_name(re.split(r"[=<>!]", spec)[0]) for spec in specs}
    assert not names & LOCK.keys()


def test_conda_specs_parse_strictly():
    rattler = pytest.importorskip("rattler", reason="py-rattler is not installed")
    for spec in (entry for entry in CONDA if isinstance(entry, str)):
        rattler.MatchSpec(spec, strict=True)


def test_python_versions_agree():
    versions = {c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)}
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    tried = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert versions <= set(tried)
    readme = (ROOT / "README.md").read_text()
    assert "run on Python " + ", ".join(sorted(versions)[:-1]) + f" and {max(versions)}" in readme
    assert all(
        f"for {version} every wheel" in " ".join(readme.split())
        for version in set(tried) - versions
    )
    assert next(s for s in CONDA if s.startswith("python=")).removeprefix("python=") in versions
    oldest = ".".join(map(str, install.OLDEST))
    assert PROJECT["requires-python"] == f">={oldest}" and f"Python {oldest} or newer" in readme


def test_torch_keeps_what_it_needs_outside_the_lock():
    """uv reads [tool.uv] in every call: there the needs that the lock sees would be those of the
    installation too."""
    assert "uv" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    (needs,) = LOCKING["dependency-metadata"]
    assert f"torch=={needs['version']}" == TORCH


def test_set_up_imports_something_of_the_package_and_of_every_extra():
    ours = dict.fromkeys(("helpers", "leakaudit", "musicbook"), [PROJECT["name"]])
    owners = dict(metadata.packages_distributions()) | ours  # editable, so not seen
    imported = {
        canonicalize_name(name) for module in set_up.IMPORTS.split() for name in owners[module]
    }
    core = {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
    assert {"torch", PROJECT["name"]} <= imported and len(imported & core) > 1
    for extra, texts in PROJECT["optional-dependencies"].items():
        assert imported & {canonicalize_name(Requirement(text).name) for text in texts}, extra


def test_what_notebooks_import_comes_with_the_package_alone():
    core = needed_with(()) | {"torch", PROJECT["name"]}
    ours = dict.fromkeys(("helpers", "leakaudit", "musicbook"), [PROJECT["name"]])
    owners = dict(metadata.packages_distributions()) | ours  # editable, so not seen
    for path in sorted((ROOT / "notebooks").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in (
                {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"IPython"}
            ):
                assert {canonicalize_name(owner) for owner in owners[name]} & core, (
                    f"{path.name} imports {name}"
                )


def workflow_commands(job: str) -> list[str]:
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    return [step["run"] for step in workflow["jobs"][job]["steps"] if "run" in step]


def test_ci_runs_the_commands_that_the_readme_prints():
    readme = (ROOT / "README.md").read_text()
    block = readme.partition("**Without make**")[2].partition("\n\n")[2].partition("\n\n")[0]
    printed = [line.strip() for line in block.splitlines()]
    assert len(printed) == 3 and printed == workflow_commands("plain-pip")


def test_ci_tries_the_lowest_versions_of_every_extra():
    (install_line,) = [c for c in workflow_commands("lowest") if "lowest-direct" in c]
    extras = re.search(r"\[(.*)\]", install_line)[1].split(",")
    assert set(extras) == set(PROJECT["optional-dependencies"])


def test_ci_takes_every_upper_bound_away(tmp_path):
    (edit,) = [c for c in workflow_commands("newest") if c.startswith("sed")]
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    subprocess.run(edit, shell=True, cwd=tmp_path, check=True)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *chain.from_iterable(extras)]
    assert not [text for text in requirements if "<" in text]
    assert len(requirements) > 30 and "librosa>=0.11" in requirements


def test_the_pictures_of_the_readme_are_there():
    """In the repository, or among those that the build draws for the site."""
    readme = (ROOT / "README.md").read_text()
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme)
    (site,) = re.findall(r"\[Read the book\]\((https:[^)]+/)\)", readme)
    drawn = {f"{site}_static/{finding.CARD}"}
    ours = [path for path in pictures if not re.match(r"https://(?:github|img)\.", path)]
    assert len(ours) == 2
    assert [p for p in ours if p not in drawn and not (ROOT / p).is_file()] == []


def test_the_readme_links_to_built_pages():
    """Not to their sources, in which numbers are still names in braces."""
    readme = (ROOT / "README.md").read_text()
    targets = re.findall(r"\]\((?!http)([^)]+)\)", readme)
    assert targets and not [t for t in targets if t.startswith("book/") and t.endswith(".md")]
