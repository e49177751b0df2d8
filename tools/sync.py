"""Rewrite every notebooks/*.ipynb from the .py beside it: outputs stripped, cell ids kept.

The .py is the source. `--check` changes nothing and exits 1 where a pair has drifted apart.
"""

import argparse
import os
import sys
from pathlib import Path

import jupytext
import nbformat
from jupytext.combine import combine_inputs_with_outputs

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
METADATA = {"jupytext": {"formats": "ipynb,py:percent"},
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"}}


def cells(notebook: nbformat.NotebookNode) -> list[tuple[str, str, tuple[str, ...]]]:
    """What both files of a pair must agree on: type, source and tags of each cell."""
    return [(c.cell_type, c.source.rstrip(), tuple(c.metadata.get("tags", ()))) for c in notebook.cells]


def faults(script: Path) -> list[str]:
    """What is wrong with the pair of `script`, in words; empty when all is well."""
    page = script.with_suffix(".ipynb")
    if not page.exists():
        return [f"{page.name} is missing"]
    ours, theirs = jupytext.read(script), nbformat.read(page, as_version=4)
    found = []
    if len(ours.cells) != len(theirs.cells):
        found.append(f"{script.name} has {len(ours.cells)} cells, {page.name} {len(theirs.cells)}")
    for number, (a, b) in enumerate(zip(cells(ours), cells(theirs)), 1):
        if a != b:
            found.append(f"cell {number} of {page.name} differs from {script.name}: {b[1][:60]!r}")
    if any(c.cell_type == "code" and (c.outputs or c.execution_count) for c in theirs.cells):
        found.append(f"{page.name} holds outputs")
    if theirs.metadata.get("kernelspec", {}).get("name") != "python3":
        found.append(f"{page.name} does not name the kernel python3")
    return found


def sync(script: Path) -> bool:
    """Write the .ipynb of `script`; True if that changed the file."""
    page = script.with_suffix(".ipynb")
    notebook = jupytext.read(script)
    if page.exists():  # take the ids (and nothing else) from the file that is there
        notebook = combine_inputs_with_outputs(notebook, nbformat.read(page, as_version=4), "py:percent")
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("execution", None)
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    text = nbformat.writes(notebook) + "\n"
    if page.exists() and page.read_text() == text:
        return False
    part = page.with_suffix(".ipynb.part")
    part.write_text(text)
    os.replace(part, page)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say what differs")
    parser.add_argument("scripts", nargs="*", type=Path, help="default: all of notebooks/*.py")
    options = parser.parse_args()
    scripts = options.scripts or sorted(NOTEBOOKS.glob("*.py"))
    if options.check:
        found = [fault for script in scripts for fault in faults(script)]
        orphans = {p.stem for p in NOTEBOOKS.glob("*.ipynb")} - {p.stem for p in NOTEBOOKS.glob("*.py")}
        found += [f"notebooks/{name}.ipynb has no .py" for name in sorted(orphans)]
        print("\n".join(found) if found else f"{len(scripts)} pairs are in step")
        sys.exit("run `make sync`" if found else 0)
    changed = [script.stem for script in scripts if sync(script)]
    print(f"wrote {', '.join(changed)}" if changed else f"{len(scripts)} pairs were in step")


if __name__ == "__main__":
    main()
