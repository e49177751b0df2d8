"""Set up the virtual environment of every `make` command: torch, requirements.lock, this package; then import them.

Only the standard library, and no syntax that an old Python does not know: this runs before anything is installed. A
step that fails ends in one sentence. What is installed by then stays, and the next `make` goes on from there.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV = "uv==0.13.9"
OLDEST = (3, 11, 5)
# torch, this package, and something of each extra: what cannot be imported is not installed
IMPORTS = "torch helpers librosa av sentence_transformers distributed papermill jupyter_book pytest selenium hatchling"
REASONS = (  # (what the failing program said, what to do about it)
    (r"No space left|disk quota|os error 28", "the disk is full: about 3 GB are needed, 6 GB with CUDA; make room, or "
     "put the environment elsewhere with make VENV=/other/disk/venv"),
    (r"ensurepip|No module named '?venv", "this Python lacks venv: install it (Debian, Ubuntu: apt install "
     "python3-venv), or name another Python, make PYTHON=python3.12"),
    (r"command '?\S*(gcc|cc|clang)|[Cc]ompiler|Python\.h|build backend", "a package has no ready-made wheel for this "
     "platform and could not be compiled: take a platform that README.md names, or install a C compiler and the Python "
     "headers (Debian, Ubuntu: apt install build-essential python3-dev)"),
    (r"dns error|[Cc]onnect|timed? ?out|Failed to (fetch|download)|resolution|No matching distribution|unreachable",
     "the package index could not be reached: look to the network or the proxy"),
    (r"[Hh]ash mismatch", "a downloaded file is not the one that requirements.lock names"),
    (r"[Pp]ermission denied|Read-only", "the folder cannot be written: choose another with make VENV=/other/venv"),
)


class Failed(Exception):
    """A step failed; the message is for the reader."""


def run(step, command):
    """Run one step and pass on what it says of its progress; raises Failed with the reason, as far as it is known."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.lstrip().startswith(("Downloading", "Downloaded", "Building")):
            print("  " + line.strip(), flush=True)
    if process.wait():
        text = "".join(lines[-40:])
        sys.stderr.write(text)
        known = (advice for pattern, advice in REASONS if re.search(pattern, text))
        reason = next(known, "its last words are above; mend what they name")
        raise Failed(f"{step} failed: {reason}. Then run make again, it goes on from here")


def works(python, code):
    """Whether `python` is there and runs `code`."""
    try:
        return subprocess.run([str(python), "-c", code], capture_output=True).returncode == 0
    except OSError:
        return False


def pip_setting(python, name):
    """One of pip's settings, which uv does not read: empty where it is not set."""
    value = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    return value or subprocess.run([str(python), "-m", "pip", "config", "get", "global." + name], capture_output=True,
                                   text=True).stdout.strip()


def torch_build(install, torch):
    """Flags for the build of torch that suits the machine: CPU or CUDA by the driver that uv finds, or none, for that
    of the package index, where the index of builds cannot be reached. Asking takes some ten seconds at most."""
    quick = dict(os.environ, UV_HTTP_RETRIES="0", UV_HTTP_TIMEOUT="10", UV_HTTP_CONNECT_TIMEOUT="5")
    asked = [str(part) for part in [*install, "--dry-run", "--torch-backend=auto", torch]]
    if subprocess.run(asked, env=quick, capture_output=True).returncode == 0:
        return ["--torch-backend=auto"]
    print("  torch's own index cannot be reached: taking the package index's build (on Linux with CUDA, 3 GB)")
    return []


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stamp", type=Path, help="file to write, in the environment's folder, when all is well")
    parser.add_argument("--torch-flags", default="", help="flags for the installation of torch, instead of a choice")
    options = parser.parse_args()
    if sys.version_info < OLDEST:
        needed, found = (".".join(map(str, version[:3])) for version in (OLDEST, sys.version_info))
        raise Failed(f"Python {needed} or newer is needed, and this is {found}: name one, say make PYTHON=python3.12")
    import tomllib

    settings = tomllib.loads((ROOT / "tools" / "lock.toml").read_text())
    venv, torch = options.stamp.parent, settings["constraint-dependencies"][0]
    python = venv / "bin" / "python"
    print(f"setting up {venv} (a few minutes the first time)", flush=True)
    unfinished, stamps = venv / ".unfinished", list(venv.glob(".stamp-*"))
    if unfinished.exists() or not works(python, f"import pip, sys; sys.exit(sys.version_info < {OLDEST})"):
        # what was cut off is not trusted: uv's cache has what was downloaded; no other folder is ever cleared
        clear = ["--clear"] if (venv / "pyvenv.cfg").exists() else []
        run("making the environment", [sys.executable, "-m", "venv", *clear, venv])
        unfinished.touch()
    elif stamps:  # made here: an environment of yours is added to, but never cleared
        unfinished.touch()
    for old in stamps:
        old.unlink(missing_ok=True)
    if not works(python, f"import sys, uv, importlib.metadata as m; sys.exit(m.version('uv') != {UV[4:]!r})"):
        run("installing uv", [python, "-m", "pip", "install", "--disable-pip-version-check", "--force-reinstall", UV])
    install = [python, "-m", "uv", "pip", "install", "--python", python, "--compile-bytecode"]
    index = pip_setting(python, "index-url")
    if index:
        os.environ.setdefault("UV_DEFAULT_INDEX", index)
    links = [f"--find-links={place}" for place in pip_setting(python, "find-links").split()]
    flags = shlex.split(options.torch_flags) or torch_build([*install, *links], torch)
    run("installing torch", [*install, *links, *flags, torch])
    run("installing the packages", [*install, "--require-hashes", "--no-deps", "-r", ROOT / "requirements.lock"])
    run("installing this package", [*install, "--no-deps", "--no-build-isolation", "-e", ROOT])
    run("importing what was installed", [python, "-c", "import " + IMPORTS.replace(" ", ", ")])
    options.stamp.touch()
    unfinished.unlink(missing_ok=True)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        sys.exit("\ninterrupted: the next make goes on from here")
