"""Write requirements.lock: every package of every extra, with hashes, for Python 3.11 and newer.

torch is left out: it is installed first, since the right build depends on the machine.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = "# The exact set that `make` installs after torch. Written by `make lock`; do not edit.\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take newer versions where the bounds allow")
    parser.add_argument("--constraints", help="a file of versions to prefer")
    options = parser.parse_args()
    lock, new = ROOT / "requirements.lock", ROOT / "requirements.lock.tmp"
    if lock.exists() and not options.upgrade:
        new.write_text(lock.read_text())  # uv keeps the versions it finds in its output file
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--all-extras", "--universal",
               "--python-version", "3.11.5", "--fork-strategy", "fewest", "--generate-hashes", "--no-annotate",
               "--no-header", "--quiet", "--no-emit-package", "torch", "--output-file", new.name]
    command += ["--upgrade"] if options.upgrade else []
    command += ["--constraints", options.constraints] if options.constraints else []
    try:
        subprocess.run(command, cwd=ROOT, check=True)
        lines = [line for line in new.read_text().splitlines() if not line.startswith(("#", "-"))]
        new.write_text(HEADER + "\n".join(lines) + "\n")
        os.replace(new, lock)
    finally:
        new.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
