"""Write requirements.lock: every package of every extra, with hashes, for Python 3.11 and newer; and environment.yml.

torch is left out: it is installed first, since the right build depends on the machine. In environment.yml pip gets the
same versions without hashes, because pip accepts no editable package beside hashes.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = """\
# The conda and Binder twin of requirements.lock, with the same versions. Written by `make lock`; do not edit.
name: vae-music-clustering
channels:
  - conda-forge
dependencies:
  - python=3.12
  - pip
  - make
  - git
  - pip:
      - --extra-index-url https://download.pytorch.org/whl/cpu
      - torch==2.13.0
"""
HEADER = "# The exact set that `make` installs after torch. Written by `make lock`; do not edit.\n"


def twin(lock: str) -> str:
    """environment.yml for the packages of `lock`."""
    pins = [line.rstrip(" \\") for line in lock.splitlines() if "==" in line and line[0] not in " #"]
    entries = [json.dumps(pin) if ";" in pin else pin for pin in pins]  # quoted where YAML would stumble
    return ENVIRONMENT + "".join(f"      - {entry}\n" for entry in [*entries, "-e ."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take newer versions where the bounds allow")
    parser.add_argument("--constraints", help="a file of versions to prefer")
    options = parser.parse_args()
    lock, new = ROOT / "requirements.lock", ROOT / "requirements.lock.tmp"
    if lock.exists() and not options.upgrade:
        new.write_text(lock.read_text())  # uv keeps the versions it finds in its output file
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--config-file", "tools/lock.toml",
               "--all-extras", "--universal",
XX, "3.11.5", "--fork-strategy", "fewest", "--generate-hashes", "--no-annotate",
               "--no-header", "--quiet", "--no-emit-package", "torch", "--output-file", new.name]
    command += ["--upgrade"] if options.upgrade else []
    command += ["--constraints", options.constraints] if options.constraints else []
    try:
        subprocess.run(command, cwd=ROOT, check=True)
        lines = [line for line in new.read_text().splitlines() if not line.startswith(("#", "-"))]
        new.write_text(HEADER + "\n".join(lines) + "\n")
        os.replace(new, lock)
        (ROOT / "environment.yml").write_text(twin(lock.read_text()))
    finally:
        new.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
