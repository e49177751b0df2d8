"""Unsupervised multi-modal music clustering with variational autoencoders: the helpers of the
book."""

import atexit
import os
import shutil
import tempfile
import warnings

# None says anything that a reader could act on: our pages have no widgets, on purpose, joblib
# starts a new worker for one that ended, and a code that collapsed is one point, which pages show.
warnings.filterwarnings("ignore", message="IProgress not found")
warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
warnings.filterwarnings("ignore", message="Number of distinct clusters .* found smaller than")


def _writable(folder: str) -> bool:
    """Whether a folder can be written, or made."""
    folder = os.path.abspath(os.path.expanduser(folder))
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK)


def _give_places() -> None:
    """Places for what others keep, where the user has none: no home, or one of another user.

    numba, in librosa and umap, refuses to be imported without a place for compiled code, and
    matplotlib warns without one for its settings. A folder made for this goes when we end."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    settings = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    wanted = {
        "NUMBA_CACHE_DIR": [f"{cache}/numba"],
        "MPLCONFIGDIR": [f"{cache}/matplotlib", f"{settings}/matplotlib"],
    }
    for variable, folders in wanted.items():
        if variable in os.environ or all(_writable(folder) for folder in folders):
            continue
        place = os.environ.get("HELPERS_CACHE")
        if not place:
            place = tempfile.mkdtemp(prefix="helpers-")
            atexit.register(shutil.rmtree, place, ignore_errors=True)
        os.environ[variable] = place


_give_places()
