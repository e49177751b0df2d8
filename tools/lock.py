"""Write requirements.lock: every package of every extra, with hashes, for Python 3.11 and newer;
and environment.yml.

torch is left out: it is installed first, since the right build depends on the machine;
tools/lock.toml has its version. environment.yml gets what running the notebooks takes, in the same
versions without hashes, because pip accepts no editable package beside hashes."""

import argparse
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = """\
# The conda and Binder set-up: what the notebooks need, in the versions of requirements.lock.
# Written by `make lock`; do not edit.
name: vae-music-clustering
channels:
  - conda-forge
dependencies:
  - python=3.12
  - pip
  - git
  - pip:
      - --extra-index-url https://download.pytorch.org/whl/cpu
      - {torch}
"""
READER = ("lyrics", "notebooks")  # the extras that running notebooks takes
HEADER = "# The exact set that `make` installs after torch. Written by `make lock`; do not edit.\n"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==[^\\\n]+", re.MULTILINE)


def resolve(*flags: str) -> None:
    """uv's resolution of pyproject.toml, for all platforms."""
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "pyproject.toml",
        "--config-file",
        "tools/lock.toml",
        "--universal",
        "--python-version",
        "3.11.5",
        "--fork-strategy",
        "fewest",
        "--no-annotate",
        "--no-header",
        "--quiet",
        "--no-emit-package",
        "torch",
        *flags,
    ]
    subprocess.run(command, cwd=ROOT, check=True)


def twin(lock: str, names: set[str]) -> str:
    """environment.yml for those packages of `lock` that are in `names`."""
    torch = tomllib.loads((ROOT / "tools" / "lock.toml").read_text())["constraint-dependencies"][0]
    pins = [pin[0].rstrip() for pin in PIN.finditer(lock) if pin[1] in names]
    entries = [
        json.dumps(pin) if ";" in pin else pin for pin in pins
    ]  # quoted where YAML would stumble
    return ENVIRONMENT.format(torch=torch) + "".join(
        f"      - {entry}\n" for entry in [*entries, "-e ."]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--upgrade", action="store_true", help="take newer versions where the bounds allow"
    )
    parser.add_argument("--constraints", help="a file of versions to prefer")
    options = parser.parse_args()
    lock, new, part = (
        ROOT / f"requirements.lock{ending}" for ending in ("", ".tmp", ".reader.tmp")
    )
    if lock.exists() and not options.upgrade:
        new.write_text(lock.read_text())  # uv keeps the versions it finds in its output file
    flags = ["--upgrade"] * options.upgrade
    flags += ["--constraints", options.constraints] if options.constraints else []
    try:
        resolve("--all-extras", "--generate-hashes", "--output-file", new.name, *flags)
        lines = [line for line in new.read_text().splitlines() if not line.startswith(("#", "-"))]
        new.write_text(HEADER + "\n".join(lines) + "\n")
        part.write_text("\n".join(pin[0].rstrip() for pin in PIN.finditer(new.read_text())))
        resolve("--output-file", part.name, *(f"--extra={extra}" for extra in READER))
        names = {pin[1] for pin in PIN.finditer(part.read_text())}
        os.replace(new, lock)
        (ROOT / "environment.yml").write_text(twin(lock.read_text(), names))
    finally:
        new.unlink(missing_ok=True)
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
