"""Make a release: check everything, write the version, commit and tag it, then point back to the
branch.

    make release VERSION=1.2.0

The tagged commit names its own tag as the reference, so its buttons, its Colab cells and its
package are of one commit for ever; the commit after it names the branch again. Nothing is pushed;
the last line says what to push."""

import argparse
import re
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools import address  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = {"pyproject.toml": 'version = "{}"', "CITATION.cff": "version: {}"}


def git(root: Path, *arguments: str) -> str:
    """What git answers; CalledProcessError where it refuses."""
    return subprocess.run(
        ["git", *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


def version(root: Path = ROOT) -> str:
    """The version that pyproject.toml declares."""
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]


def faults(root: Path, new: str) -> list[str]:
    """Why `new` cannot be released from the tree at `root`, in words; empty when it can."""
    found = []
    if not re.fullmatch(r"\d+\.\d+\.\d+", new):
        found.append(f"{new!r} is no version: three numbers with dots are needed, say 1.2.0")
    elif tuple(map(int, new.split("."))) < tuple(map(int, version(root).split("."))):
        found.append(f"{new} is older than {version(root)}, which pyproject.toml declares")
    if git(root, "status", "--porcelain"):
        found.append("there are changes that are not committed")
    if git(root, "tag", "--list", f"v{new}"):
        found.append(f"the tag v{new} is there already")
    branch = git(root, "rev-parse", "--abbrev-ref", "HEAD")
    if branch != address.reference(root):
        found.append(f"a release is made on {address.reference(root)}, and this is {branch}")
    if not re.search(rf"^## {re.escape(new)}$", (root / "CHANGELOG.md").read_text(), re.MULTILINE):
        found.append(f"CHANGELOG.md has no section ## {new}")
    for name, line in VERSIONS.items():
        if line.format(version(root)) not in (root / name).read_text():
            found.append(f"{name} does not say {line.format(version(root))}")
    return found


def release(root: Path, new: str) -> None:
    """Two commits and a tag between them."""
    branch, old = address.reference(root), version(root)
    for name, line in VERSIONS.items():
        path = root / name
        path.write_text(path.read_text().replace(line.format(old), line.format(new), 1))
    citation = root / "CITATION.cff"
    dated = re.sub(
        r"^date-released: .*",
        f"date-released: {date.today()}",
        citation.read_text(),
        flags=re.MULTILINE,
    )
    citation.write_text(dated)
    address.point(root, address.repository(root), f"v{new}")
    git(root, "commit", "--all", "--message", f"Release {new}")
    git(root, "tag", "--annotate", f"v{new}", "--message", f"Release {new}")
    address.point(root, address.repository(root), branch)
    git(root, "commit", "--all", "--message", f"After {new}: buttons and cells name {branch} again")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("version")
    new = parser.parse_args().version
    if found := faults(ROOT, new):
        sys.exit("not released: " + "; ".join(found))
    release(ROOT, new)
    print(f"v{new} is made; publish it: git push origin {address.reference(ROOT)} v{new}")


if __name__ == "__main__":
    main()
