"""The audit as a package of its own, installed from the repository into an empty environment."""

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from musicbook.chapters.audit import specimens
from tests.installed import lend, make_venv, needed

# Neither coerced to UTF-8 nor read as it: the plainest terminal that there is.
PLAIN = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def environment(**more: str) -> dict[str, str]:
    """This process's environment without the way to this repository's packages."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONIOENCODING", "LC_ALL", "LANG")
    return {name: value for name, value in os.environ.items() if name not in dropped} | more


@pytest.fixture(scope="module")
def alone(tmp_path_factory, root) -> Path:
    """The programs of an environment that holds the audit, what it declares, and no more.

    pip builds and installs the audit from the repository's address. What it declares is lent from
    this environment, since to download and unpack it again takes minutes and would test pip."""
    if shutil.which("git") is None or not (root / ".git").exists():
        pytest.skip("this is no checkout, from which git could install")
    folder = tmp_path_factory.mktemp("alone")
    python = make_venv(folder / "venv", "pip")
    pip = [python, "-m", "pip"]
    probe = [*pip, "download", "-q", "--no-deps", "-d", folder / "probe", "threadpoolctl"]
    if subprocess.run(probe, env=environment(), capture_output=True).returncode:
        pytest.skip("no index of packages can be reached from here")
    address = f"git+{root.as_uri()}#subdirectory=src/leakaudit"
    install = [*pip, "install", "-q", "--no-deps", address]
    done = subprocess.run(install, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    declared = tomllib.loads((root / "src" / "leakaudit" / "pyproject.toml").read_text())
    for name in needed(declared["project"]["dependencies"]):
        lend(name, folder / "venv")
    check = subprocess.run([*pip, "check"], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout
    return folder / "venv" / "bin"


def run(alone: Path, *arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [alone / arguments[0], *arguments[1:]],
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
    )


def test_it_brings_nothing_of_the_book(alone, tmp_path):
    code = """
import importlib.util, json, sys
import leakaudit
others = ("torch", "librosa", "helpers", "musicbook", "seaborn", "typer")
print(json.dumps([name for name in others if importlib.util.find_spec(name)]))
"""
    done = run(alone, "python", "-c", code, cwd=tmp_path)
    assert json.loads(done.stdout) == [], done.stderr


def test_help_and_a_report_on_the_plainest_terminal(alone, tmp_path):
    helped = run(alone, "leakaudit", "--help", cwd=tmp_path, **PLAIN)
    assert helped.returncode == 0 and b"exit codes" in helped.stdout, helped.stderr
    leak = specimens.year(0)
    table = leak.table.rename(columns={"year": "año “é” 年"}).assign(genre=leak.labels)[::2]
    table.to_csv(tmp_path / "música 音楽.csv", index=False)
    arguments = ("leakaudit", "música 音楽.csv", "--labels", "genre", "--html", "página.html")
    for settings in (PLAIN, {"PYTHONIOENCODING": "cp1252"}):
        done = run(alone, *arguments, cwd=tmp_path, **settings)
        assert done.returncode == 4 and not done.stderr, done.stderr
        assert b"copy of the label" in done.stdout
    named = run(alone, *arguments[:2], "--groups", "año “é” 年", cwd=tmp_path, LC_ALL="C")
    assert named.returncode == 5 and not named.stderr, named.stderr  # the column is there
    assert b"Cannot tell" in named.stdout
    assert "año “é” 年" in (tmp_path / "página.html").read_text(encoding="utf-8")
    missing = run(alone, "leakaudit", "mañana.csv", cwd=tmp_path, **PLAIN)
    assert missing.returncode == 1 and missing.stderr.count(b"\n") == 1, missing.stderr


def test_the_schema_comes_with_it(alone, tmp_path):
    leak = specimens.year(0)
    pd.DataFrame(leak.table).assign(genre=leak.labels)[::2].to_csv(tmp_path / "t.csv", index=False)
    done = run(alone, "leakaudit", "t.csv", "--labels", "genre", "--json", cwd=tmp_path)
    code = (
        "import leakaudit, pathlib;"
        "print(pathlib.Path(leakaudit.__file__).with_name('report.schema.json').read_text())"
    )
    schema = json.loads(run(alone, "python", "-c", code, cwd=tmp_path).stdout)
    report = json.loads(done.stdout)
    assert set(schema["required"]) == set(report)
    assert report["schema"] == schema["properties"]["schema"]["const"]
