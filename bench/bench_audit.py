"""How many planted leaks the audit finds, how many clean tables it accuses, at which dose it begins to find one, and
what it costs: `python bench/bench_audit.py [DRAWS]` (20 draws take ten minutes of one core)."""

import resource
import sys
import time

import numpy as np
import pandas as pd

from helpers.audit import examine, specimens

DOSES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def verdicts(make, draws: int, **options) -> pd.Series:
    """How often each verdict is given over `draws` seeds, and by which findings."""
    found = []
    for seed in range(draws):
        one = make(seed, **options)
        report = examine(one.table, one.labels, groups=one.groups, seed=seed)
        found += [report.verdict, *{f"({finding['kind']})" for finding in report.findings}]
    return pd.Series(found).value_counts()


def main() -> None:
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    print(f"planted leaks and clean tables, {draws} draws each: verdicts, (kinds of findings)")
    for part in (specimens.LEAKS, specimens.CLEAN):
        for name, make in part.items():
            print(f"  {name:24s} " + ", ".join(f"{what} {n}" for what, n in verdicts(make, draws).items()), flush=True)
    print(f"draws of {max(1, draws // 4)} in which a leak of that dose is found:")
    print("  " + " " * 24 + " ".join(f"{dose:5.1f}" for dose in DOSES))
    for name, make in specimens.LEAKS.items():
        counts = [verdicts(make, max(1, draws // 4), dose=dose).get("findings", 0) for dose in DOSES]
        print(f"  {name:24s} " + " ".join(f"{n:5d}" for n in counts), flush=True)
    print("CPU seconds, and the peak of memory so far in MB:")
    for n, d in ((1000, 500), (100_000, 100)):
        rng = np.random.default_rng(0)
        codes = rng.integers(10, size=n)
        values = 0.3 * rng.normal(size=(10, d))[codes] + rng.normal(size=(n, d))
        table = pd.concat([specimens.named(f"part{'abcdefghij'[i]}", part)
                           for i, part in enumerate(np.array_split(values, 10, axis=1))], axis=1)  # fmt: skip
        began = time.process_time()
        verdict = examine(table, codes).verdict
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"  {n} x {d}: {time.process_time() - began:.1f} s, {peak} MB, {verdict}", flush=True)


if __name__ == "__main__":
    main()
