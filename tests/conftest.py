"""What all tests share: the repository's root, and `tools` to import from."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STARTED_IN = Path.cwd()
sys.path.insert(0, str(ROOT))

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch: threads cost more than they save on networks this small
os.environ.setdefault("TQDM_DISABLE", "1")


@pytest.fixture(scope="session", autouse=True)
def scratch(tmp_path_factory) -> None:
    """What dask and torch put into the temporary folder goes with the tests' own."""
    folder = tmp_path_factory.mktemp("scratch")
    for variable in ("DASK_TEMPORARY_DIRECTORY", "TORCHINDUCTOR_CACHE_DIR"):
        os.environ.setdefault(variable, str(folder))


def pytest_runtest_teardown() -> None:
    """A test that worked in a folder of its own takes joblib's idle workers with it: pytest deletes
    the folder, and in a deleted folder torch cannot load its libraries."""
    if Path.cwd() != STARTED_IN:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; a test that needs it is skipped where it is
    absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(
            "../shared/data is absent: this test needs real data that the project "
            "does not distribute"
        )
    return folder


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory) -> Path:
    """One store for all tests that do not test the store, whichever process runs them: equal fits
    are trained once."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return tmp_path_factory.mktemp("store")
    store = tmp_path_factory.getbasetemp().parent / "store"
    store.mkdir(exist_ok=True)
    return store
