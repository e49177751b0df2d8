"""The lock, pyproject.toml, environment.yml and what is installed tell one story."""

import re
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = {canonicalize_name(r.name): r for line in (ROOT / "requirements.lock").read_text().splitlines()
        if "==" in line and not line.startswith((" ", "#")) for r in [Requirement(line.rstrip("\\ "))]}
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
TORCH = re.search(r"^TORCH\s*\?=\s*(\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]


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
    assert [b.split(maxsplit=1)[0] for b in blocks if "==" in b.splitlines()[0] and "--hash=sha256:" not in b] == []
    assert not re.search(r"^--|file:|https?:", "\n".join(blocks), re.MULTILINE), "an index or a path slipped in"


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


def test_conda_brings_the_lock_and_owns_nothing_of_it():
    pip = next(entry["pip"] for entry in CONDA if isinstance(entry, dict))
    options = [entry for entry in pip if entry.startswith("-")]
    pins = {canonicalize_name(r.name): r for entry in pip if entry not in options for r in [Requirement(entry)]}
    assert options == ["--extra-index-url https://download.pytorch.org/whl/cpu", "-e ."]
    assert str(pins.pop("torch")) == TORCH
    assert pins == LOCK
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
    assert set(workflow["jobs"]["test"]["strategy"]["matrix"]["python"]) == versions
    assert next(s for s in CONDA if s.startswith("python=")).removeprefix("python=") in versions
