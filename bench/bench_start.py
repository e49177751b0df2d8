"""How long a command takes to start: its help now, and with the whole audit loaded.

    python bench/bench_start.py [--repeats 5]

`musicbook` asks `leakaudit` which files are tables. It once loaded the whole audit for that, with
scikit-learn and matplotlib, and `leakaudit --help` did too. CPU seconds of new processes, the two
ways in turn, the least of some repeats. Writes data/results/bench/start.json and prints it."""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
from datetime import UTC, datetime

from helpers import store
from helpers.tracks import data_dir

COMMANDS = {"musicbook": "musicbook.__main__", "leakaudit": "leakaudit.cli"}
WHOLE_AUDIT = "import leakaudit.examination\n"


def cpu_seconds(code: str) -> float:
    """CPU seconds of a new process that runs a piece of code; its output is dropped."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(module: str, repeats: int) -> dict[str, float]:
    """The help of a command: CPU seconds alone, with the whole audit loaded, and their ratio."""
    help_of = f"import sys\nfrom {module} import main\ntry:\n    main(['--help'])\n"
    help_of += "except SystemExit as end:\n    sys.exit(end.code)"
    alone, whole = [], []
    for _ in range(repeats):
        alone.append(cpu_seconds(help_of))
        whole.append(cpu_seconds(WHOLE_AUDIT + help_of))
    return {
        "cpu_s": min(alone),
        "with_audit_cpu_s": min(whole),
        "ratio": min(whole) / min(alone),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    found: dict[str, object] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "commands": {name: measure(module, options.repeats) for name, module in COMMANDS.items()},
    }
    print(json.dumps(found, indent=1))
    path = data_dir() / "results" / "bench" / "start.json"
    store.write_atomically(path, lambda to: to.write_text(json.dumps(found, indent=1) + "\n"))
