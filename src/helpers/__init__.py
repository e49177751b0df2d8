"""Unsupervised multi-modal music clustering with variational autoencoders: the helpers of the book."""

import os
import tempfile

if not os.access(os.path.expanduser("~"), os.W_OK) and "NUMBA_CACHE_DIR" not in os.environ:
    # a user without a home: numba, in librosa and umap, refuses to be imported without a place for compiled code
    os.environ["NUMBA_CACHE_DIR"] = os.environ.get("HELPERS_CACHE") or tempfile.mkdtemp(prefix="numba-")
