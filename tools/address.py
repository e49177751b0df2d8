"""The repository's address and reference: pyproject.toml holds them, all copies follow.

    make address REPOSITORY=https://github.com/you/your-fork    # by default: the address of the
    remote `origin` python tools/address.py --open                              # open what is
    published, exit 1 where something is gone

The reference (a branch or a tag) is what the buttons for Colab and Binder open and what the
notebooks' first cell installs, so a reader's page and its package are of one commit."""

import argparse
import re
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIES = (
    "pyproject.toml",
    "_config.yml",
    "CITATION.cff",
    "README.md",
    "book/cite.md",
    "book/reproduce.md",
    "notebooks/*.py",
    "notebooks/*.ipynb",
    "src/leakaudit/README.md",
)
ADDRESS = re.compile(r"https://github\.com/[\w.-]+/[\w-]+(?:\.[\w-]+)*")


def repository(root: Path = ROOT) -> str:
    """The address of the repository, as https://github.com/owner/name."""
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]["urls"]["Repository"]


def reference(root: Path = ROOT) -> str:
    """The branch or tag that the buttons open and the Colab cell installs."""
    return tomllib.loads((root / "pyproject.toml").read_text())["tool"]["book"]["reference"]


def site(address: str) -> str:
    """Where the repository at `address` publishes its pages."""
    owner, name = address.split("/")[-2:]
    return f"https://{owner}.github.io/{name}/"


def copies(root: Path = ROOT) -> list[Path]:
    """The files that hold the address."""
    return [path for pattern in COPIES for path in sorted(root.glob(pattern))]


def plain(address: str) -> str:
    """`address` as https://github.com/owner/name, whatever form git gave it; ValueError for one
    that is elsewhere."""
    text = re.sub(r"^(?:ssh://)?git@github\.com[:/]", "https://github.com/", address.strip())
    text = text.removesuffix("/").removesuffix(".git")
    if not ADDRESS.fullmatch(text):
        raise ValueError(
            f"{address!r}: an address like https://github.com/owner/name is needed; "
            "Colab opens no other"
        )
    return text


def point(root: Path, address: str, target: str) -> list[Path]:
    """Write `address` and the reference `target` into every copy; returns the files that
    changed."""
    old, old_target = repository(root), reference(root)
    changed = []
    for path in copies(root):
        text = path.read_text()
        new = text.replace(f"{old}@{old_target}", f"{old}@{target}").replace(
            site(old), site(address)
        )
        new = re.sub(rf"{re.escape(old)}(?![\w-])", address, new)
        new = re.sub(
            rf'^(  branch: |reference = "){re.escape(old_target)}\b',
            rf"\g<1>{target}",
            new,
            flags=re.M,
        )
        if new != text:
            path.write_text(new)
            changed.append(path)
    return changed


def published(root: Path) -> list[str]:
    """The addresses that readers use: the site, each of its pages, and each notebook at the
    reference."""
    address, target = repository(root), reference(root)
    raw = address.replace("https://github.com", "https://raw.githubusercontent.com")
    pages = re.findall(r"(?:root|file): (\S+)", (root / "_toc.yml").read_text())
    found = [address, f"{address}/tree/{target}", site(address), f"{site(address)}sitemap.xml"]
    found += [f"{site(address)}{page}.html" for page in pages]
    return found + [
        f"{raw}/{target}/notebooks/{path.name}"
        for path in sorted((root / "notebooks").glob("*.ipynb"))
    ]


def missing(addresses: list[str]) -> dict[str, str]:
    """Those of `addresses` that do not open, with the reason."""
    faults = {}
    for address in addresses:
        try:
            with urllib.request.urlopen(
                urllib.request.Request(address, headers={"User-Agent": "book"}), timeout=30
            ):
                pass
        except (urllib.error.URLError, OSError) as error:
            faults[address] = str(error)
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repository", nargs="?", help="default: the address of the remote `origin`")
    parser.add_argument("--open", action="store_true", help="open the published addresses instead")
    options = parser.parse_args()
    if options.open:
        addresses = published(ROOT)
        faults = missing(addresses)
        print(
            "\n".join(f"{address}: {fault}" for address, fault in faults.items())
            or f"{len(addresses)} open"
        )
        sys.exit(bool(faults))
    given = options.repository
    if not given:
        given = subprocess.run(
            ["git", "remote", "get-url", "origin"], cwd=ROOT, capture_output=True, text=True
        ).stdout
        if not given:
            sys.exit(
                "there is no remote `origin`: name the address, make address REPOSITORY=https://github.com/owner/name"
            )
    try:
        changed = point(ROOT, plain(given), reference())
    except ValueError as error:
        sys.exit(str(error))
    print(
        f"{repository()}, {site(repository())}, reference {reference()}: "
        f"{len(changed)} files changed"
    )


if __name__ == "__main__":
    main()
