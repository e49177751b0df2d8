"""Does a signal in the words still show after the words were prepared?

`inputs.scale_guard` asks this of the protocols' inputs; here it is asked of every way that the page
"Songs with their own words" prepares words, so that each row of its tables carries a verdict."""

from __future__ import annotations

import numpy as np

from helpers import inputs
from helpers.inputs import ScaleCheck
from musicbook.chapters.own_words.songs import remove

WORDS = "words"  # the one channel that is looked at


def guard_of(
    vectors: np.ndarray,
    language: np.ndarray | None,
    kept: int | float,
    removed: str = "",
    scaling: str = "blocks",
    seed: int = 0,
) -> ScaleCheck:
    """Plant a signal into whole vectors (n, d), prepare them as a way does, and look for it."""

    def prepared(raw: dict[str, np.ndarray]) -> tuple[np.ndarray, inputs.Columns]:
        words, _ = inputs.reduce_text(remove(raw[WORDS], language, removed), kept)
        return inputs.fuse({WORDS: words}, {WORDS: 1.0}, scaling)

    return inputs.check_scaling({WORDS: vectors}, WORDS, prepared, seed=seed, mixed_units=())


def guard_words(check: ScaleCheck) -> str:
    """ "passes", or a sentence on what is lost, as the stored tables hold it."""
    if not check.lost:
        return "passes"
    return (
        f"fails: a signal planted into the words, {inputs.SHARE:.0%} of their variance, shows in "
        f"two clusters at NMI {check.before:.2f} before the scaling and {check.after:.2f} after"
    )
