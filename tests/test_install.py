"""Setting up, as far as it goes without a network: what stops it is said in one sentence, and leaves no stamp."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tools import install

NOWHERE = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "",
           "PIP_RETRIES": "0", "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}


def set_up(stamp, **environment):
    return subprocess.run([sys.executable, ROOT / "tools" / "install.py", stamp], cwd=ROOT, capture_output=True,
                          text=True, env=os.environ | environment)


def test_without_a_network_nothing_is_called_installed(tmp_path):
    stamp = tmp_path / "venv" / ".stamp-1"
    done = set_up(stamp, **NOWHERE)
    assert done.returncode == 1 and not stamp.exists()
    last = done.stderr.strip().splitlines()[-1]
    assert last == ("installing uv failed: the package index could not be reached: look to the network or the proxy. "
                    "Then run make again, it goes on from here")
    assert "Traceback" not in done.stderr


def test_half_an_environment_is_made_anew(tmp_path):
    """A python that does not start, as a cut-off set-up or an upgraded system leaves it."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(tmp_path / "gone")
    (venv / "pyvenv.cfg").write_text("home = /gone\n")
    done = set_up(venv / ".stamp-1", **NOWHERE)
    assert "installing uv failed" in done.stderr  # so the environment was made
    assert install.works(venv / "bin" / "python", "import pip")


def test_a_folder_that_is_no_environment_loses_nothing(tmp_path):
    (tmp_path / "letter").touch()
    set_up(tmp_path / ".stamp-1", **NOWHERE)
    assert (tmp_path / "letter").exists()


def test_only_what_was_cut_off_here_is_cleared(tmp_path):
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    (venv / "mine").touch()
    assert set_up(venv / ".stamp-1", **NOWHERE).returncode == 1
    assert (venv / "mine").exists() and not (venv / ".unfinished").exists()
    (venv / ".unfinished").touch()
    assert set_up(venv / ".stamp-1", **NOWHERE).returncode == 1
    assert not (venv / "mine").exists() and (venv / ".unfinished").exists()


def test_an_old_python_is_told(monkeypatch):
    monkeypatch.setattr(install, "OLDEST", (4, 0, 0))
    monkeypatch.setattr(sys, "argv", ["install.py", "venv/.stamp"])
    with pytest.raises(install.Failed, match=r"Python 4.0.0 or newer is needed, and this is 3.*make PYTHON="):
        install.main()


@pytest.mark.parametrize(("said", "advice"), [
    ("error: No space left on device (os error 28)", "the disk is full"),
    ("error: command 'gcc' failed: No such file or directory", "install a C compiler"),
    ("error: Request failed after 3 retries\n  cause: dns error", "the package index could not be reached"),
    ("The virtual environment was not created successfully because ensurepip is not available", "apt install"),
    ("error: Hash mismatch for `numpy`", "not the one that requirements.lock names"),
    ("Permission denied", "cannot be written"),
    ("OSError: libcudnn.so.9: cannot open shared object file", "its last words are above"),
])
def test_reasons(said, advice, capsys):
    with pytest.raises(install.Failed, match=f"a step failed: .*{advice}.*run make again"):
        install.run("a step", [sys.executable, "-c", f"print({said!r}); raise SystemExit(1)"])
    assert said in capsys.readouterr().err


def test_a_missing_interpreter_is_told(tmp_path):
    done = subprocess.run(["make", "setup", "PYTHON=python9", f"VENV={tmp_path}/venv"], cwd=ROOT, capture_output=True,
                          text=True)
    assert done.returncode and "there is no python9 here: name another" in done.stderr
