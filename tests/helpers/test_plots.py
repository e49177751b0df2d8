"""The figures' surroundings: what every page sets before it draws or computes."""

import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from helpers import plots

DARK = np.array(to_rgb("#121212"))
TURN = np.array([[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]])  # of the hue

LEAST = (
    1.6  # less than the 3 of WCAG for graphics: marks have a shape of their own beside the colour
)


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """Of two colours, as WCAG 2 has it: 1 for equal ones."""
    bright = []
    for colour in (one, other):
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        bright.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(bright) / min(bright)


def seen(colour: str) -> float:
    """The contrast of a colour on white, or on a dark page, whichever is less. A dark page inverts
    a figure, turns its hue back and lays it on its ground (book/_static/book.css)."""
    given = np.array(to_rgb(colour))
    turned = np.clip(TURN @ (1 - given), 0, 1)
    on_dark = 1 - (1 - turned) * (1 - DARK)
    return min(contrast(given, np.ones(3)), contrast(on_dark, DARK))


@pytest.mark.parametrize("colour", plots.COLOURS)
def test_a_colour_of_a_figure_is_seen_on_white_and_on_a_dark_page(colour):
    assert seen(colour) > LEAST


def test_the_yellow_that_the_palette_comes_with_is_too_pale():
    assert seen("#ece133") < LEAST


def test_a_page_computes_in_one_thread_whatever_the_environment_says():
    """Two kernels with two threads each on two cores took ten times longer; a seed gives equal
    numbers either way."""
    code = (
        "import numpy, sklearn.cluster, threadpoolctl, torch\nfrom helpers import "
        "plots\nplots.use_style()\n"
        "print({found['num_threads'] for found in threadpoolctl.threadpool_info()}, "
        "torch.get_num_threads())"
    )
    given = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=given
    )
    assert done.stdout.strip() == "{1} 1"
