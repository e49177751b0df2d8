"""Run every notebook as Colab would: its versions, an empty folder, and the first cell installing this commit.

Builds a virtual environment from tools/colab.txt (Python 3.13, as Colab has), points the Colab cell at an archive of
the committed tree instead of the tagged release, and runs the notebooks with COLAB_RELEASE_TAG set. Exits 1 where one
fails.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNNER = """
import os, sys, nbformat
from nbclient import NotebookClient
page = nbformat.read(sys.argv[1], as_version=4)
for cell in page.cells:
    cell.metadata.pop("tags", None)  # nothing is skipped here
    cell.source = cell.source.replace("{REPOSITORY}/archive/refs/tags/{TAG}.zip", sys.argv[2])
NotebookClient(page, timeout=1800, kernel_name="colab", resources={"metadata": {"path": os.getcwd()}}).execute()
outputs = [o for c in page.cells if c.cell_type == "code" for o in c.outputs]
print("".join(o.text for o in outputs if o.get("name") == "stderr")[-2000:])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=ROOT / "_build" / "colab" / "venv")
    parser.add_argument("--pins", type=Path, default=ROOT / "tools" / "colab.txt")
    parser.add_argument("--extra-index-url", help="where pip also looks, say for the CPU build of torch")
    parser.add_argument("--find-links", help="a folder of wheels, the same")
    parser.add_argument("notebooks", nargs="*", type=Path)
    options = parser.parse_args()
    python = options.venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", options.venv], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for flag in ("extra_index_url", "find_links"):
        if value := getattr(options, flag):
            pip += [f"--{flag.replace('_', '-')}", value]
    subprocess.run([*pip, "-r", options.pins], check=True)
    subprocess.run([*pip, "nbclient", "nbformat", "--constraint", options.pins], check=True)

    with tempfile.TemporaryDirectory() as place:
        archive = Path(place) / "release.zip"
        pack = ["git", "archive", "--format=zip", "--prefix=release/", "-o", archive, "HEAD"]
        subprocess.run(pack, cwd=ROOT, check=True)
        kernel = Path(place) / "jupyter" / "kernels" / "colab"
        kernel.mkdir(parents=True)
        argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Colab", "language": "python"}))
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "HELPERS_DATA", "GTZAN_FEATURES")}
        environment |= {"JUPYTER_PATH": f"{place}/jupyter", "COLAB_RELEASE_TAG": "test", "TQDM_DISABLE": "1",
                        "HELPERS_CACHE": str(ROOT / "_build" / "colab" / "cache"), "OMP_NUM_THREADS": "1"}
        failed = []
        for notebook in options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
            empty = Path(place) / notebook.stem
            empty.mkdir()
            done = subprocess.run([python, "-c", RUNNER, notebook.resolve(), archive], cwd=empty, env=environment)
            print(f"{notebook.stem}: {'failed' if done.returncode else 'ran'}", flush=True)
            failed += [notebook.stem] * bool(done.returncode)
    sys.exit(f"failed in Colab's environment: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
