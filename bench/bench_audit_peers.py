r"""What other public tools say of the planted and honest tables of the page "Audit".

The tools want packages that the book does not: run it in an environment of its own, on tables that
`python bench/bench_audit_peers.py export FOLDER` has written in the book's environment. Then, in
two environments, since deepchecks 0.19.1 asks scikit-learn when it is imported for a scorer,
`max_error`, that newer versions do not have:

    pip install "pandas<3" cleanlab datasets ppscore targetleak tabaudit leakprofiler leaklens \
        leakhound-ml
    python bench/bench_audit_peers.py FOLDER peers.json

    pip install deepchecks "scikit-learn<1.6" "numpy<2" "pandas<2.3" "setuptools<80"
    python bench/bench_audit_peers.py FOLDER peers.json deepchecks

Either adds its tools to peers.json. For each tool and table: the columns it accuses of knowing the
label, and "rows" where it finds rows that repeat or depend on each other. Warnings that do not
speak of either are not counted.
"""

import contextlib
import io
import json
import sys
import warnings
from importlib import metadata
from pathlib import Path

import pandas as pd

ROWS = "rows"
Y = "label"


def export(folder: Path) -> None:
    """Write the tables of one seed, and which columns are guilty."""
    from musicbook.chapters.audit import planted

    folder.mkdir(parents=True, exist_ok=True)
    guilty = {}
    for name, make in {**planted.PLANTED, **planted.HONEST}.items():
        one = make(0)
        guilty[name] = list(one.guilty)
        one.table.assign(**{Y: one.labels}).to_csv(folder / f"{name}.csv", index=False)
    (folder / "guilty.json").write_text(json.dumps(guilty))


def targetleak(table: pd.DataFrame) -> set[str]:
    import targetleak as tool

    accused = set()
    for one in tool.analyse(table, Y):
        if one.severity == "critical":
            accused |= {str(one.column)} & set(table)
            if "dupl" in one.kind:
                accused.add(ROWS)
    return accused - {Y}


def tabaudit(table: pd.DataFrame) -> set[str]:
    from tabaudit import run_audit

    accused = set()
    for one in run_audit(table, target=Y).sorted_findings():
        text = f"{one.title} {getattr(one, 'check', '')}".lower()
        if one.severity.value in ("critical", "high", "medium"):
            if "duplicate" in text and "row" in text:
                accused.add(ROWS)
            elif "leak" in text or "target" in text or "predict" in text or "missing" in text:
                accused |= set(one.columns or ()) & set(table)
    return accused - {Y}


def leaklens(table: pd.DataFrame) -> set[str]:
    from leaklens import LeakLens

    accused = set()
    for one in LeakLens(table, target=Y).run().issues:
        if "Leakage" in one.title and one.column in table:
            accused.add(one.column)
        if "Duplicate Rows" in one.title:
            accused.add(ROWS)
    return accused - {Y}


def leakprofiler(table: pd.DataFrame) -> set[str]:
    from LeakProfiler import run_leakprofiler

    path = Path("leakprofiler.tmp.csv")
    codes = pd.factorize(table[Y], sort=True)[0]
    table.assign(**{Y: codes}).to_csv(path, index=False)
    try:
        payload = run_leakprofiler(str(path), target_column=Y, return_payload=True)
    finally:
        path.unlink()
    accused = set()
    for one in payload.get("findings", []):
        text = json.dumps(one, default=str)
        if "uplicate" in text and "row" in text:
            accused.add(ROWS)
        accused |= {column for column in table if f'"{column}"' in text or f"'{column}'" in text}
    return accused - {Y}


def leakhound(table: pd.DataFrame) -> set[str]:
    """It looks at a training and a test set: a random split. Asked with the label as words and as
    numbers, since it compares columns of words and of numbers differently."""
    from leakhound import audit, infer_roles

    accused = set()
    codes = pd.factorize(table[Y], sort=True)[0]
    for asked in (table, table.assign(**{Y: codes})):
        test = asked.sample(frac=0.3, random_state=0)
        train = asked.drop(index=test.index)
        group = infer_roles(asked.drop(columns=Y))["group_col"]
        for one in audit(train, test, target=Y, group_col=group).leaks:
            if "duplicates" in one.check:
                accused.add(ROWS)
            accused |= {one.evidence.get("feature"), one.evidence.get("group_col")} - {None}
    return accused


def ppscore(table: pd.DataFrame) -> set[str]:
    import ppscore as tool

    scores = tool.predictors(table, Y)
    return set(scores[scores["ppscore"] >= 0.8]["x"])


def deepchecks(table: pd.DataFrame) -> set[str]:
    from deepchecks.tabular import Dataset
    from deepchecks.tabular.checks import DataDuplicates, FeatureLabelCorrelation

    data = Dataset(table, label=Y, cat_features=[])
    scores = FeatureLabelCorrelation().run(data).value
    accused = {column for column, score in scores.items() if score >= 0.8}
    if DataDuplicates().run(data).value > 0.02:
        accused.add(ROWS)
    return accused


def cleanlab(table: pd.DataFrame) -> set[str]:
    from cleanlab import Datalab

    numbers = table.drop(columns=Y)
    numbers = ((numbers - numbers.mean()) / numbers.std()).fillna(0.0)  # it measures distances
    lab = Datalab(table, label_name=Y, verbosity=0)
    lab.find_issues(features=numbers.to_numpy(), issue_types={"near_duplicate": {}, "non_iid": {}})
    counts = lab.get_issue_summary().set_index("issue_type")["num_issues"]
    duplicates = counts.get("near_duplicate", 0) >= 0.02 * len(table)
    return {ROWS} if duplicates or counts.get("non_iid", 0) > 0 else set()


TOOLS = {
    "deepchecks": deepchecks,
    "cleanlab": cleanlab,
    "ppscore": ppscore,
    "targetleak": targetleak,
    "tabaudit": tabaudit,
    "leakprofiler": leakprofiler,
    "leaklens": leaklens,
    "leakhound": leakhound,
}
PACKAGES = {"leakhound": "leakhound-ml"}  # where the package is called otherwise
LIBRARIES = ("scikit-learn", "pandas")  # on which the tools stand


def outcome(accused: set[str], guilty: set[str]) -> str:
    """How an answer compares with the truth."""
    if not guilty:
        return "accused" if accused else "silent"
    if not accused:
        return "silent"
    if accused == guilty:
        return "guilty only"
    if accused & guilty:
        return "guilty and others" if accused - guilty else "some of the guilty"
    return "others only"


def main() -> None:
    if sys.argv[1] == "export":
        export(Path(sys.argv[2]))
        return
    warnings.simplefilter("ignore")
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    guilty = json.loads((folder / "guilty.json").read_text())
    answers = json.loads(out.read_text()) if out.exists() else {}
    for tool in sys.argv[3:] or [tool for tool in TOOLS if tool != "deepchecks"]:
        answers[tool] = answers_of(tool, folder, guilty)
    out.write_text(json.dumps(answers, indent=1) + "\n")


def answers_of(tool: str, folder: Path, guilty: dict[str, list[str]]) -> dict:
    """The version of a tool, and its answer to each table."""
    row: dict = {
        "version": metadata.version(PACKAGES.get(tool, tool)),
        "with": {name: metadata.version(name) for name in LIBRARIES},
        "tables": {},
    }
    for name, columns in guilty.items():
        table = pd.read_csv(folder / f"{name}.csv")
        quiet = io.StringIO()
        try:
            with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
                row["tables"][name] = outcome(TOOLS[tool](table), set(columns))
        except Exception as error:  # a tool that fails is part of the answer
            row["tables"][name] = f"failed: {type(error).__name__}"
            print(f"{tool}, {name}: {error}", file=sys.stderr)
    return row


if __name__ == "__main__":
    main()
