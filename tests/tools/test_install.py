"""Setting up, as far as it goes without the world outside: what stops it is one sentence and leaves
no stamp; what pip is told about the network reaches uv."""

import functools
import hashlib
import http.server
import os
import shutil
import ssl
import subprocess
import sys
import threading
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.installed import make_venv
from tools import install, set_up

NOWHERE = {
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_FIND_LINKS": "",
    "PIP_RETRIES": "0",
    "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple",
    "UV_HTTP_RETRIES": "0",
}
UV = shutil.which("uv", path=Path(sys.executable).parent)
OLD = Path.home() / ".pyenv" / "versions"


def make_stamp(stamp, **environment):
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "install.py", stamp],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


# ---- the environment -----------------------------------------------------------------------------


def test_without_a_network_nothing_is_called_installed_and_nothing_is_lost(tmp_path):
    """In a folder that is no environment, and holds something of the user's."""
    (tmp_path / "letter").touch()
    stamp = tmp_path / ".stamp-1"
    done = make_stamp(stamp, **NOWHERE)
    assert done.returncode == 1 and not stamp.exists() and (tmp_path / "letter").exists()
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("installing uv failed: the package index could not be reached: look to ")
    assert last.endswith("Then run make again, it goes on from here")
    assert "Traceback" not in done.stderr


def test_half_an_environment_is_made_anew(tmp_path):
    """A python that does not start, as a cut-off set-up or an upgraded system leaves it."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(tmp_path / "gone")
    (venv / "pyvenv.cfg").write_text("home = /gone\n")
    done = make_stamp(venv / ".stamp-1", **NOWHERE)
    assert "installing uv failed" in done.stderr  # so the environment was made
    assert set_up.works(venv / "bin" / "python", "import pip")


def test_only_what_was_cut_off_here_is_cleared(tmp_path):
    venv = tmp_path / "venv"
    make_venv(venv, "pip")
    (venv / "mine").touch()
    assert make_stamp(venv / ".stamp-1", **NOWHERE).returncode == 1
    assert (venv / "mine").exists() and not (venv / ".unfinished").exists()
    (venv / ".unfinished").touch()
    assert make_stamp(venv / ".stamp-1", **NOWHERE).returncode == 1
    assert not (venv / "mine").exists() and (venv / ".unfinished").exists()


def test_old_versions_are_refused():
    assert install.refusal(sys.version_info) == ""
    assert install.refusal((3, 11, 4, "final", 0)) == (
        "Python 3.11.5 or newer is needed, and this is 3.11.4: name one, say make PYTHON=python3.12"
    )
    assert set_up.OLDEST == str(install.OLDEST)


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.8"])
def test_an_old_python_is_answered_in_one_sentence(version):
    folders = sorted(OLD.glob(f"{version}.*"))
    python = shutil.which(f"python{version}")
    if not folders and not python:
        pytest.skip(f"there is no Python {version} here")
    program = folders[0] / "bin" / "python" if folders else python
    done = subprocess.run(
        [program, ROOT / "tools" / "install.py", "venv/.stamp"], capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("Python 3.11.5 or newer is needed, and this is ")
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_interpreter_is_named(tmp_path):
    done = subprocess.run(
        ["make", "setup", "PYTHON=python9", f"VENV={tmp_path}/venv"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode and "there is no python9 here: name another" in done.stderr


# ---- reasons -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "advice"),
    [
        ("error: No space left on device (os error 28)", "a disk is full"),
        ("error: command 'gcc' failed: No such file or directory", "install a C compiler"),
        (
            "error: Request failed after 3 retries\n  cause: dns error",
            "the package index could not be reached",
        ),
        ("invalid peer certificate: UnknownIssuer", "the package index could not be reached"),
        (
            "The virtual environment was not created successfully because ensurepip is missing",
            "apt install",
        ),
        ("error: Hash mismatch for `numpy`", "not the one that requirements.lock names"),
        ("Permission denied", "cannot be written"),
        ("OSError: libcudnn.so.9: cannot open shared object file", "its last words are above"),
        (
            "error: timed out\n  hint: Try to set UV_HTTP_TIMEOUT\n    to a larger value.",
            r"could not be reached.* \(it adds: Try to set UV_HTTP_TIMEOUT to a larger value\)",
        ),
    ],
)
def test_reasons(printed, advice, capsys):
    command = [sys.executable, "-c", f"print({printed!r}); raise SystemExit(1)"]
    with pytest.raises(set_up.Failed, match=f"a step failed: .*{advice}.*run make again"):
        set_up.run("a step", command)
    assert printed in capsys.readouterr().err


@pytest.fixture
def full_disk(tmp_path):
    """A disk of 60 kB with a file that has filled it."""
    place = tmp_path / "full"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=60k", "none", place], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_the_disk_that_is_full_is_named(full_disk, tmp_path):
    """By the file that the message names, or, where it names none, by the room that is left."""
    places = [
        ("the environment", tmp_path / "venv", "make VENV=/other"),
        ("the cache", full_disk / "cache", "export UV_CACHE_DIR=/other"),
    ]
    for name in ("target", "None"):
        code = (
            f"target = {str(full_disk / 'cache')!r}\n"
            "try:\n    open(target, 'wb').write(bytes(200_000))\n"
            f"except OSError as error:\n    raise OSError(error.errno, error.strerror, {name})"
        )
        with pytest.raises(set_up.Failed) as failure:
            set_up.run("a step", [sys.executable, "-c", code], places)
        assert f"the disk of the cache, {full_disk / 'cache'}, is full" in str(failure.value)
        assert "export UV_CACHE_DIR=/other. Then run make again" in str(failure.value)


# ---- what pip knows about the network, for uv ----------------------------------------------------


def write_wheel(folder: Path, code: str = "") -> str:
    """A package `odd-one` 1.0 of one line of code at most; returns the name of its file."""
    folder.mkdir(parents=True)
    files = {
        "odd_one.py": code.encode(),
        "odd_one-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: odd-one\nVersion: 1.0\n",
        "odd_one-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
        b"Tag: py3-none-any\n",
    }
    record = ["odd_one-1.0.dist-info/RECORD,,"]
    name = "odd_one-1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        for path, data in files.items():
            wheel.writestr(path, data)
            digest = urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            record.append(f"{path},sha256={digest},{len(data)}")
        wheel.writestr("odd_one-1.0.dist-info/RECORD", "\n".join(record) + "\n")
    return name


def write_certificates(folder: Path) -> Path:
    """An authority and a certificate that it has signed for 127.0.0.1; returns the authority's."""
    authority, server = folder / "authority", folder / "server"

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    new = ["req", "-newkey", "rsa:2048", "-nodes", "-subj"]
    openssl(*new, "/CN=ours", "-x509", "-keyout", f"{authority}.key", "-out", f"{authority}.pem")
    openssl(*new, "/CN=127.0.0.1", "-keyout", f"{server}.key", "-out", f"{server}.csr")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    by = ["-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial"]
    names = ["-extfile", folder / "names"]
    openssl("x509", "-req", "-in", f"{server}.csr", *by, *names, "-out", f"{server}.pem")
    return Path(f"{authority}.pem")


class Index(http.server.SimpleHTTPRequestHandler):
    """A package index, and a proxy for an address that only it knows."""

    def do_GET(self):  # noqa: N802 (the name that the base class asks for)
        self.path = self.path.removeprefix("http://packages.invalid")
        super().do_GET()

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """{kind: address} of an index with one package, of an empty one, and of one behind TLS, whose
    certificate's file is "cert"."""
    place = tmp_path_factory.mktemp("index")
    name = write_wheel(place / "full" / "simple" / "odd-one")
    (place / "full" / "simple" / "odd-one" / "index.html").write_text(
        f"<a href='{name}'>{name}</a>"
    )
    (place / "empty" / "simple").mkdir(parents=True)
    addresses, servers = {}, []
    if shutil.which("openssl"):
        addresses["cert"] = str(write_certificates(place))
    for kind in ("full", "empty", "tls"):
        folder = place / ("empty" if kind == "empty" else "full")
        handler = functools.partial(Index, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        scheme = "http"
        if kind == "tls" and "cert" in addresses:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(place / "server.pem", place / "server.key")
            server.socket = context.wrap_socket(server.socket, server_side=True)
            scheme = "https"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        addresses[kind] = f"{scheme}://127.0.0.1:{server.server_port}"
    yield addresses
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """An environment with pip, and with the uv of this one."""
    if UV is None:
        pytest.skip("uv is not installed")
    venv = tmp_path_factory.mktemp("fresh") / "venv"
    make_venv(venv, "pip", "uv")
    (venv / "bin" / "uv").symlink_to(UV)
    return venv


def settings_for(kind: str, index: dict) -> dict[str, str]:
    """pip's settings under which `odd-one` can be had, each by another one."""
    if kind in ("cert", "trusted-host") and "cert" not in index:
        pytest.skip("there is no openssl here")
    simple = {name: f"{address}/simple" for name, address in index.items()}
    return {
        "index-url": {"INDEX_URL": simple["full"]},
        "extra-index-url": {"INDEX_URL": simple["empty"], "EXTRA_INDEX_URL": simple["full"]},
        "find-links": {
            "INDEX_URL": simple["empty"],
            "FIND_LINKS": f"{simple['full']}/odd-one/index.html",
        },
        "cert": {"INDEX_URL": simple["tls"], "CERT": index.get("cert", "")},
        "trusted-host": {"INDEX_URL": simple["tls"], "TRUSTED_HOST": "127.0.0.1"},
        "proxy": {"INDEX_URL": "http://packages.invalid/simple", "PROXY": index["full"]},
    }[kind]


@pytest.fixture
def clean(fresh, monkeypatch, tmp_path):
    """The fresh environment without the package, and a process without settings of the network."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "SSL_CERT")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("SSL_CERT_FILE", "")  # that Installer sets; monkeypatch takes it back
    for targets in set_up.FOR_UV.values():
        for target in (*targets, "UV_INDEX_STRATEGY", "UV_NO_INDEX"):
            monkeypatch.setenv(target, "")
            monkeypatch.delenv(target)
    python = fresh / "bin" / "python"
    subprocess.run(
        [python, "-m", "uv", "pip", "uninstall", "-q", "--python", python, "odd-one"], check=True
    )
    return fresh


@pytest.mark.parametrize(
    "kind", ["index-url", "extra-index-url", "find-links", "cert", "trusted-host", "proxy"]
)
def test_uv_does_what_pip_is_set_to_do(kind, clean, index, monkeypatch, capsys):
    for name, value in settings_for(kind, index).items():
        monkeypatch.setenv(f"PIP_{name}", value)
    python = clean / "bin" / "python"
    installer = set_up.Installer(python, clean)
    installer.install("installing", [*installer.links, "odd-one"])
    assert set_up.works(python, "import odd_one")
    assert "pip tries" not in capsys.readouterr().out


def test_an_extra_index_hides_no_file_of_the_main_one(clean, index, monkeypatch, tmp_path):
    """The same version lies in both, and only the main one's works here."""
    page = tmp_path / "simple" / "odd-one"
    name = write_wheel(page, "raise ImportError('for another machine')")
    (page / "index.html").write_text(f"<a href='{name}'>{name}</a>")
    monkeypatch.setenv("PIP_INDEX_URL", f"{index['full']}/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", page.parent.as_uri())
    python = clean / "bin" / "python"
    set_up.Installer(python, clean).install("installing", ["odd-one"])
    assert set_up.works(python, "import odd_one")


@pytest.mark.parametrize("kind", ["extra-index-url", "trusted-host", "proxy"])
def test_settings_in_a_file_of_pip_do_as_well(kind, clean, index, monkeypatch, tmp_path):
    lines = ["[global]"]
    for name, value in settings_for(kind, index).items():
        lines.append(f"{name.lower().replace('_', '-')} = {value}")
    (tmp_path / "pip.conf").write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    python = clean / "bin" / "python"
    installer = set_up.Installer(python, clean)
    installer.install("installing", [*installer.links, "odd-one"])
    assert set_up.works(python, "import odd_one")


def test_what_uv_cannot_reach_pip_installs(clean, index, monkeypatch, capsys):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_INDEX_URL", f"{index['full']}/simple")
    python = clean / "bin" / "python"
    set_up.Installer(python, clean).install("installing", ["odd-one"], ["--torch-backend=cpu"])
    assert set_up.works(python, "import odd_one")
    assert "pip tries" in capsys.readouterr().out


def test_neither_reaches_it(clean, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(set_up.Failed, match="the package index could not be reached"):
        set_up.Installer(clean / "bin" / "python", clean).install("installing", ["odd-one"])
