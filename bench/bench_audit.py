"""How often the audit finds planted leaks, how often it accuses honest tables, and what it costs.

`python bench/bench_audit.py draws 20 audit.jsonl` adds one line a table and draw to the file:
verdict, kinds of finding, whether the guilty columns and no others are accused. What
the file has already is not computed again. `... cost` prints CPU seconds and the peak of memory for
large tables, each in a process of its own. `... real` prints what the audit says of real tables,
with its reasons. `... table audit.jsonl peers=FILE cost=FILE real=FILE` writes
data/results/bench/audit.json: counts over draws, the matrix beside other tools
(`bench/bench_audit_peers.py`), and what was given; parts that are not given stay as they are.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from leakaudit import Report, examine, open_table, score_checks
from musicbook.chapters.audit import planted, specimens

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "data" / "results" / "bench" / "audit.json"
SHARED = ROOT.parent / "shared" / "data"
SIZES = ((1000, 500), (100_000, 100), (100_000, 500), (1_000_000, 50))
SETS = {
    "planted": planted.PLANTED,
    "honest": planted.HONEST,
    "planted, before": specimens.LEAKS,
    "honest, before": specimens.CLEAN,
}


def one_draw(group: str, name: str, seed: int) -> dict:
    """What the audit says of one table."""
    table = SETS[group][name](seed)
    report = examine(table.table, table.labels, groups=table.groups, seed=seed)
    accused = {column for one in report.findings for column in one.columns}
    rows = any(one.where == "rows" for one in report.findings)
    guilty = set(table.guilty) - {"rows"}
    return {
        "set": group,
        "name": name,
        "seed": seed,
        "verdict": report.verdict,
        "kinds": [one.kind for one in report.findings],
        "guilty_only": accused == guilty and (bool(guilty) or rows),
    }


def draws(n: int, path: Path) -> None:
    """All kinds, draw after draw, so that an interrupted run has few draws of all kinds."""
    warnings.simplefilter("ignore")
    # What a report tells beside its verdict, and half of its time, decides nothing here.
    for told in ("compare_without", "smallest_dose"):
        setattr(score_checks, told, lambda *_: "")
    known = set()
    if path.exists():
        lines = map(json.loads, path.read_text().splitlines())
        known = {(one["set"], one["name"], one["seed"]) for one in lines}
    with path.open("a") as file:
        for seed in range(n):
            for group, makers in SETS.items():
                for name in makers:
                    if (group, name, seed) not in known:
                        file.write(json.dumps(one_draw(group, name, seed)) + "\n")
                        file.flush()


def one_cost(n: int, d: int) -> dict:
    """CPU seconds and the peak of memory of one table, in this process."""
    rng = np.random.default_rng(0)
    codes = rng.integers(10, size=n)
    values = np.empty((n, d))
    for column in range(d):  # so that making the table needs no more memory than the table
        values[:, column] = 0.3 * rng.normal(size=10)[codes] + rng.normal(size=n)
    names = [f"part{'abcdefghij'[i * 10 // d]}_{i}" for i in range(d)]
    table = pd.DataFrame(values, columns=names, copy=False)
    megabyte = 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // megabyte
    began = time.process_time()
    report = examine(table, codes)
    return {
        "rows": n,
        "columns": d,
        "cpu_s": round(time.process_time() - began, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // megabyte,
        "before_mb": before,
        "table_mb": round(values.nbytes / 2**20, 1),
        "verdict": report.verdict,
        "sampled": [note for note in report.notes if "drawn" in note],
    }


def cost() -> dict:
    """`one_cost` of all sizes, each in a process of its own, and the machine."""
    rows = []
    for n, d in SIZES:
        arguments = [sys.executable, __file__, "cost", str(n), str(d)]
        done = subprocess.run(arguments, check=True, capture_output=True, text=True)
        rows.append(json.loads(done.stdout))
    return {
        "machine": platform.machine(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "sizes": rows,
    }


def _said(name: str, rows: int, report: Report) -> dict:
    """A verdict with its reasons."""
    reasons = [f"{one.kind}: {one.says}" for one in report.findings]
    return {
        "table": name,
        "rows": rows,
        "verdict": report.verdict,
        "kinds": [one.kind for one in report.findings],
        "reasons": reasons + report.questions,
    }


def real() -> list[dict]:
    """What the audit says of real tables: those that scikit-learn brings, and GTZAN."""
    from sklearn import datasets

    from musicbook.chapters.leakage import duplicates

    warnings.simplefilter("ignore")
    said = []
    for name in ("iris", "wine", "breast_cancer", "digits"):
        whole = getattr(datasets, f"load_{name}")(as_frame=True)
        said.append(_said(name, len(whole.data), examine(whole.data, whole.target.to_numpy())))
    diabetes = datasets.load_diabetes(as_frame=True)
    thirds = pd.qcut(diabetes.target, 3, labels=["low", "middle", "high"]).to_numpy(str)
    said.append(
        _said("diabetes, target in thirds", len(diabetes.data), examine(diabetes.data, thirds))
    )
    gtzan = open_table(SHARED / "gtzan_68.csv")
    genres, features = gtzan["genre"].to_numpy(str), gtzan.drop(columns=["track_id", "genre"])
    said.append(_said("GTZAN, 68 features", len(gtzan), examine(features, genres)))
    known = duplicates.artists(SHARED / "gtzan_meta")
    artist = gtzan["track_id"].map(known).to_numpy(object)
    with_artists = examine(features, genres, groups=artist)
    said.append(_said("GTZAN, with artists as groups", len(gtzan), with_artists))
    segments = open_table(SHARED / "inputs" / "03_segments_shuffled" / "segments.csv")
    for name, dropped in (("with file names", []), ("without file names", ["filename"])):
        rest = segments.drop(columns=["label", *dropped])
        report = examine(rest, segments["label"].to_numpy(str))
        said.append(_said(f"shuffled segments, {name}", len(segments), report))
    return said


def counts(path: str) -> list[dict]:
    """For every kind: draws, verdicts, how often the guilty columns and no others are accused."""
    lines = pd.DataFrame([json.loads(line) for line in Path(path).read_text().splitlines()])
    rows = []
    for (group, name), part in lines.groupby(["set", "name"], sort=False):
        verdicts = part["verdict"].value_counts()
        rows.append(
            {
                "set": group,
                "name": name,
                "draws": len(part),
                "findings": int(verdicts.get("findings", 0)),
                "cannot tell": int(verdicts.get("cannot tell", 0)),
                "nothing found": int(verdicts.get("nothing found", 0)),
                "guilty columns only": int(part["guilty_only"].sum()),
                "kinds": part["kinds"].explode().value_counts().to_dict(),
            }
        )
    return rows


def first_draw(path: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The answer to each of the 22 tables in the words of the other tools, and who is guilty."""
    answers, guilty = {}, {}
    for line in Path(path).read_text().splitlines():
        one = json.loads(line)
        if one["seed"] or one["set"] not in ("planted", "honest"):
            continue
        name, verdict = one["name"], one["verdict"]
        guilty[name] = list(SETS[one["set"]][name](0).guilty)
        answers[name] = "cannot tell" if verdict == "cannot tell" else "silent"
        if verdict == "findings":
            answers[name] = "guilty and others" if guilty[name] else "accused"
        if one["guilty_only"]:
            answers[name] = "guilty only"
    return answers, guilty


def main() -> None:
    task, *rest = sys.argv[1:] or ["draws"]
    if task == "draws":
        draws(int(rest[0]), Path(rest[1]))
    elif task == "cost" and rest:
        print(json.dumps(one_cost(*map(int, rest))))
    elif task == "cost":
        print(json.dumps(cost(), indent=1))
    elif task == "real":
        print(json.dumps(real(), indent=1))
    else:
        whole = json.loads(OUT.read_text())
        whole["first"], whole["guilty"] = first_draw(rest[0])
        whole["draws"] = counts(rest[0])
        for part in rest[1:]:
            name, _, file = part.partition("=")
            whole[name] = json.loads(Path(file).read_text())
        OUT.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
