"""The figures' surroundings: what every page sets before it draws or computes."""

import os
import subprocess
import sys


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
