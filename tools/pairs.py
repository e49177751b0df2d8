"""Check that every notebook is a pair: the .py is the source, the .ipynb says the same.

An .ipynb holds no outputs. `make sync` rewrites it by jupytext; this module changes nothing and
exits 1 where a pair has drifted apart."""

import sys
from pathlib import Path

import jupytext
import nbformat

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def cells(notebook: nbformat.NotebookNode) -> list[tuple[str, str, tuple[str, ...]]]:
    """What both files of a pair must agree on: type, source and tags of each cell."""
    pairs = []
    for cell in notebook.cells:
        tags = tuple(cell.metadata.get("tags", ()))
        pairs.append((cell.cell_type, cell.source.rstrip(), tags))
    return pairs


def faults(script: Path) -> list[str]:
    """What is wrong with the pair of `script`, in words; empty when all is well."""
    page = script.with_suffix(".ipynb")
    if not page.exists():
        return [f"{page.name} is missing"]
    ours, theirs = jupytext.read(script), nbformat.read(page, as_version=4)
    result = []
    if len(ours.cells) != len(theirs.cells):
        result.append(f"{script.name} has {len(ours.cells)} cells, {page.name} {len(theirs.cells)}")
    for number, (one, other) in enumerate(zip(cells(ours), cells(theirs), strict=False), 1):
        if one != other:
            begins = repr(other[1][:60])
            result.append(f"cell {number} of {page.name} differs from {script.name}: {begins}")
    code = [cell for cell in theirs.cells if cell.cell_type == "code"]
    if any(cell.outputs or cell.execution_count for cell in code):
        result.append(f"{page.name} holds outputs")
    if theirs.metadata.get("kernelspec", {}).get("name") != "python3":
        result.append(f"{page.name} does not name the kernel python3")
    return result


def main() -> int:
    """Print what is wrong with the pairs of the book; returns the exit code."""
    scripts = sorted(NOTEBOOKS.glob("*.py"))
    wrong = [fault for script in scripts for fault in faults(script)]
    names = {script.stem for script in scripts}
    for page in sorted(NOTEBOOKS.glob("*.ipynb")):
        if page.stem not in names:
            wrong.append(f"notebooks/{page.name} has no .py")
    if wrong:
        print("\n".join([*wrong, "the .py is the source: run `make sync`"]))
        return 1
    print(f"{len(scripts)} pairs are in step")
    return 0


if __name__ == "__main__":
    sys.exit(main())
