"""The stored comparison of audits on planted and honest tables, and what an audit costs.

`bench/bench_audit.py` and `bench/bench_audit_peers.py` make `data/results/bench/audit.json`. Page
"Audit".
"""

from __future__ import annotations

import json

import pandas as pd

from helpers.tracks import data_dir
from musicbook.named_values import Value

OURS = "leakaudit"
FOUND = "found"
TOO_MANY, A_PART, OTHERS, ERROR = "found, and others", "a part", "others only", "error"
MISSED, ASKS = "missed", "asks"
OTHER_KINDS = {  # how the page calls the kinds that only the audit itself is tested on
    "planted, before": "planted, other kinds",
    "honest, before": "honest, other kinds",
}
EARLIER = "accused by an earlier version"
IN_WORDS = {
    "guilty only": FOUND,
    "guilty and others": TOO_MANY,
    "some of the guilty": A_PART,
    "others only": OTHERS,
    "silent": MISSED,
    "accused": "accused",
    "cannot tell": ASKS,
}
MEANINGS = {  # of the words in `matrix`
    FOUND: "it accuses exactly the planted columns (or rows)",
    TOO_MANY: "it accuses some of them, and others",
    A_PART: "it accuses some of them, and no others",
    OTHERS: "it accuses only what is honest",
    MISSED: "it says nothing about a leak",
    ASKS: "its verdict is *cannot tell*",
    "accused": "it accuses an honest table",
    "silent": "it says nothing about an honest table",
    ERROR: "it stopped with an error",
}


def stored_bench() -> dict:
    """What the two programs of the bench wrote."""
    return json.loads((data_dir() / "results" / "bench" / "audit.json").read_text())


def honest_tables() -> list[str]:
    """The names of the tables without a leak."""
    return [name for name, answer in stored_bench()["guilty"].items() if not answer]


def matrix() -> pd.DataFrame:
    """Rows are tables, columns tools: the answer of each to the first draw, in a word."""
    bench = stored_bench()
    columns = {OURS: bench["first"]}
    for tool, row in bench["peers"].items():
        columns[tool] = row["tables"]
    table = pd.DataFrame(columns).reindex(list(bench["first"])).rename_axis("table")
    table = table.map(lambda answer: IN_WORDS.get(answer, ERROR))
    honest = table.index.isin(honest_tables())
    return table.mask(table.eq(MISSED) & honest[:, None], "silent")


def matrix_legend() -> str:
    """What the words in `matrix` say of a tool, a line each for those that occur."""
    shown = set(matrix().to_numpy().ravel())
    lines = [f"- *{word}*: {meaning}." for word, meaning in MEANINGS.items() if word in shown]
    return "\n".join(lines)


def tools_table() -> pd.DataFrame:
    """For each tool: leaks that it finds, names in part or with others, asks about, and misses;
    honest tables that it accuses and asks about; and how many leaks it accused in an earlier
    comparison, on other tables with the same kinds of leak."""
    bench, table = stored_bench(), matrix()
    planted, honest = table.drop(index=honest_tables()), table.loc[honest_tables()]
    rows = {}
    for tool in table:
        version = bench["peers"][tool]["version"] if tool in bench["peers"] else ""
        before = bench["before"]["tools"].get(tool)
        rows[f"{tool} {version}".strip()] = {
            "leaks found": (planted[tool] == FOUND).sum(),
            "in part, or with others": planted[tool].isin([TOO_MANY, A_PART, OTHERS]).sum(),
            "leaks, asks": (planted[tool] == ASKS).sum(),
            "leaks missed": planted[tool].isin([MISSED, ERROR]).sum(),
            "honest accused": (honest[tool] == "accused").sum(),
            "honest, asks": (honest[tool] == ASKS).sum(),
            _earlier_column(): "" if before is None else before,
        }
    return pd.DataFrame(rows).T.rename_axis("tool").sort_values("leaks found", ascending=False)


def _earlier_column() -> str:
    """What heads the column of the earlier comparison, with the number of its leaks."""
    before = pd.DataFrame(stored_bench()["before"]["audit"])
    return f"leaks accused earlier, of {before.loc[before['set'] == 'planted', 'draws'].sum()}"


def leaks_found() -> tuple[int, int]:
    """How many leaks the audit finds in `matrix`, with the guilty columns and no others, of how
    many."""
    planted = matrix().drop(index=honest_tables())
    return int((planted[OURS] == FOUND).sum()), len(planted)


def matrix_sentence() -> str:
    """How often the audit and the best other tool find a planted leak, and what each misses."""
    table = matrix()
    planted, honest = table.drop(index=honest_tables()), table.loc[honest_tables()]
    exact, n_planted = leaks_found()
    others = (planted.drop(columns=OURS) == FOUND).sum()
    missed = list(planted.index[planted[OURS] != FOUND])
    accused, asked = (int((honest[OURS] == word).sum()) for word in ("accused", ASKS))
    found = f"The audit finds **{exact} of {n_planted}** leaks, with the guilty columns"
    found += " and no others. "
    if missed:
        found += f"It does not find: {', '.join(missed)}. "
    return (
        f"{found}It accuses {accused} of {len(honest)} honest tables, and asks about {asked} of "
        f"them. Of {len(others)} other "
        f"tools, the best finds {others.max()} ({others.idxmax()})."
    )


def audit_values() -> dict[str, Value]:
    """`audit_leaks_found`, of the planted leaks in the comparison of tools. Opening page."""
    exact, n_planted = leaks_found()
    words = "planted leaks that the audit finds, with the guilty columns and no others"
    place = "data/results/bench/audit.json"
    return {"audit_leaks_found": Value(f"{exact} of {n_planted}", words, place)}


def draws_table() -> pd.DataFrame:
    """For every kind of table, over draws: how often the audit accuses, names the guilty columns
    and no others, cannot tell, finds nothing; and how often an earlier version of it accused."""
    bench = stored_bench()
    rows = pd.DataFrame(bench["draws"]).set_index(["set", "name"])
    before = pd.DataFrame(bench["before"]["audit"]).set_index(["set", "name"])
    shown = rows[["draws", "findings", "guilty columns only", "cannot tell", "nothing found"]]
    shown = shown.rename(columns={"findings": "accused"})
    earlier = before["findings"].astype(str) + " of " + before["draws"].astype(str)
    earlier = earlier.reindex(shown.index, fill_value="")
    shown, earlier = (part.rename(OTHER_KINDS, level="set") for part in (shown, earlier))
    return shown.assign(**{EARLIER: earlier}).rename_axis(["kind", "table"])


def draws_sentence() -> str:
    """The least that a planted kind was found, and the most that an honest one was accused."""
    rows = pd.DataFrame(stored_bench()["draws"])
    honest = rows["set"].str.startswith("honest")
    planted, fine = rows[~honest], rows[honest]
    worst = planted["guilty columns only"].min()
    weakest = list(planted.loc[planted["guilty columns only"] == worst, "name"])
    named = f"For the kind that is hardest to find, called *{weakest[0]}*,"
    if len(weakest) > 1:
        named = f"For the {len(weakest)} kinds that are hardest to find ({', '.join(weakest)})"
    if worst == planted["draws"].max():
        named = "For every kind"
    accused = fine[fine["findings"] > 0]
    said = "No honest table is accused."
    if len(accused):
        said = f"Some honest tables are accused, of the kinds {', '.join(accused['name'])}."
    return (
        f"We made each of {len(planted)} kinds of planted leak {planted['draws'].min()} times. The "
        f"audit finds each kind at least {planted['findings'].min()} times. {named} it names "
        f"exactly the guilty columns in {worst} of {planted['draws'].min()} tables. {said}"
    )


def cost_table() -> pd.DataFrame:
    """CPU seconds and memory of large tables, each in a process of its own."""
    rows = pd.DataFrame(stored_bench()["cost"]["sizes"])
    names = {
        "rows": "rows",
        "columns": "columns",
        "cpu_s": "CPU seconds",
        "peak_mb": "most memory, MB",
        "table_mb": "the table itself, MB",
    }
    return rows[list(names)].rename(columns=names).set_index("rows")


def real_table() -> pd.DataFrame:
    """What the audit says of real tables, with the first sentence of its first reason."""
    rows = []
    for one in stored_bench()["real"]:
        reason = one["reasons"][0].split(". ")[0].removesuffix(".") if one["reasons"] else ""
        rows.append((one["table"], one["rows"], one["verdict"], reason))
    columns = ["table", "rows", "verdict", "first reason"]
    return pd.DataFrame(rows, columns=columns).set_index("table")
