"""What importing our code does to a terminal and to the temporary folder: nothing. And a command
starts at once."""

import os
import subprocess
import sys

import pytest

from tests.material import AS_ANOTHER_USER, open_to_all


@pytest.mark.parametrize(
    "text",
    [
        "IProgress not found. Please update jupyter and ipywidgets.",
        "A worker stopped while some jobs were given to the executor. This can be caused by a too "
        "short worker timeout or by a memory leak.",
        "Number of distinct clusters (1) found smaller than n_clusters (10). Possibly due to "
        "duplicate points in X.",
    ],
)
def test_warnings_of_others_stay_away(text):
    code = f"import warnings, helpers; warnings.warn({text!r}); warnings.warn('another')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert text[:20] not in done.stderr and "another" in done.stderr


KEEP = {
    key: value
    for key, value in os.environ.items()
    if not key.startswith(("HELPERS_", "NUMBA_", "MPL", "XDG_"))
}


def quiet(code: str, **given) -> str:
    """What a process prints to stdout, which prints nothing else."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=KEEP | given)
    assert done.stderr == "" and done.returncode == 0
    return done.stdout.strip()


@pytest.mark.parametrize("home", ["no folder", "no folder/home"])
def test_a_user_without_a_home_is_warned_of_nothing_and_leaves_nothing(tmp_path, home):
    """Places for what libraries keep are made, and go with the process."""
    (tmp_path / "no folder").touch()
    (tmp_path / "temporary").mkdir()
    given = {"HOME": str(tmp_path / home), "TMPDIR": str(tmp_path / "temporary")}
    code = "import helpers, os, matplotlib; print(os.path.isdir(os.environ['NUMBA_CACHE_DIR']), "
    code += "matplotlib.get_configdir() == os.environ['MPLCONFIGDIR'])"
    assert quiet(code, **given) == "True True"
    assert quiet("import leakaudit, os; print('MPLCONFIGDIR' in os.environ)", **given) == "True"
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_cache_folder_of_another_user_is_left_alone(tmp_path):
    """The home is fine, what lies in it for caches belongs to another one."""
    home = tmp_path / "home"
    for name in (".cache", ".config"):
        (home / name).mkdir(parents=True)
        (home / name).chmod(0o555)
    open_to_all(home)
    code = f"import atexit, shutil, tempfile, warnings\n{AS_ANOTHER_USER}import helpers, os\n"
    code += "print('NUMBA_CACHE_DIR' in os.environ, 'MPLCONFIGDIR' in os.environ)"
    assert quiet(code, HOME=str(home)) == "True True"


@pytest.mark.parametrize("command", ["musicbook.__main__", "leakaudit.cli"])
def test_a_command_loads_nothing_that_takes_seconds_before_it_knows_what_to_do(command):
    """Help, and a sentence on a wrong name, come at once. `musicbook` once loaded the whole audit,
    with scikit-learn and matplotlib, to know which files are tables."""
    heavy = {"torch", "sklearn", "scipy", "matplotlib", "numba", "librosa"}
    assert quiet(f"import {command}, sys; print({heavy} & set(sys.modules))") == "set()"
