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

from helpers import store  # noqa: E402

STORE = store.cache_dir().resolve()  # before a test names another


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
def shared_store() -> Path:
    """The checkout's own store, for all tests that do not test the store: what `make book`, a page
    or another test has trained is not trained again."""
    return STORE
