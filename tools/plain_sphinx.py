"""Build the staged book by Sphinx alone and compare: every page must say what jupyter-book's says.

jupyter-book 1 writes Sphinx a configuration and calls it. This is the way out when it ends, and CI tries it: take the
generated conf.py into the repository, and let tools/build_book.py call sphinx-build. Run `make book` first.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[1]


def texts(html: Path) -> dict[str, str]:
    """What stands in the articles of the pages below `html`, by path."""
    found = {}
    for path in sorted(html.rglob("*.html")):
        page = BeautifulSoup(path.read_text(), "html.parser")
        article = page.find("article") or page.body
        if "_static" not in path.parts:
            found[path.relative_to(html).as_posix()] = " ".join(article.get_text(" ").split())
    return found


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """The pages that are in one set only, or say something else."""
    alone = [
        f"{page}: only by {'jupyter-book' if page in one else 'Sphinx'}" for page in sorted(one.keys() ^ other.keys())
    ]
    return alone + [f"{page}: another text" for page in sorted(one.keys() & other.keys()) if one[page] != other[page]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT)
    root = parser.parse_args().root.resolve()
    stage, built = root / "_build" / "stage", root / "_build" / "sphinx" / "_build" / "html"
    if not (built / "book" / "index.html").exists():
        raise SystemExit(f"{built}: nothing there yet; run `make book`")
    environment = os.environ | {"PYTHONPATH": str(stage / "tools")}
    program = Path(sys.executable)
    with TemporaryDirectory() as out:
        try:
            subprocess.run(
                [program.with_name("jupyter-book"), "config", "sphinx", stage], check=True, stdout=subprocess.DEVNULL
            )
            command = [program, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", stage, out]
            subprocess.run(command, check=True, cwd=stage, env=environment)
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"plain Sphinx: {Path(error.cmd[0]).name} stopped with {error.returncode}") from None
        finally:
            (stage / "conf.py").unlink(missing_ok=True)
        one, other = texts(built), texts(Path(out))
    if found := differences(one, other):
        raise SystemExit("plain Sphinx makes another book:\n" + "\n".join(found))
    print(f"plain Sphinx: {len(one)} pages, word for word those of jupyter-book")


if __name__ == "__main__":
    main()
