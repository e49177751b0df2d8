"""The stored bench of the audit: what it claims, and what the page "Audit" says of it."""

import pandas as pd

from musicbook.chapters.audit import bench_tables, planted, specimens

BENCH = bench_tables.stored_bench()
DRAWS = pd.DataFrame(BENCH["draws"]).set_index(["set", "name"])
HONEST = DRAWS.index.get_level_values("set").str.startswith("honest")


def test_every_kind_is_drawn_and_every_tool_has_answered_for_every_table():
    kinds = [*planted.PLANTED, *planted.HONEST, *specimens.LEAKS, *specimens.CLEAN]
    assert sorted(DRAWS.index.get_level_values("name")) == sorted(kinds)
    tables = {*planted.PLANTED, *planted.HONEST}
    assert set(BENCH["first"]) == tables
    for tool, row in BENCH["peers"].items():
        assert set(row["tables"]) == tables and row["version"], tool


def test_guilty_columns_are_columns_of_their_table():
    for name, make in {**planted.PLANTED, **specimens.LEAKS}.items():
        one = make(0)
        assert one.guilty, name
        assert set(one.guilty) <= {"rows", *one.table.columns}, name


def test_planted_leaks_are_found_and_honest_tables_are_not_accused():
    planted_draws, honest = DRAWS[~HONEST], DRAWS[HONEST]
    assert DRAWS["draws"].min() >= 20
    assert (planted_draws["findings"] >= 0.95 * planted_draws["draws"]).all()
    assert (honest["findings"] == 0).all()
    table = bench_tables.matrix()
    ours = table["leakaudit"].drop(bench_tables.honest_tables())
    assert (ours == bench_tables.MISSED).sum() <= 2
    assert (ours == bench_tables.FOUND).sum() >= 12


def test_the_cost_is_bounded():
    sizes = {(one["rows"], one["columns"]): one for one in BENCH["cost"]["sizes"]}
    assert sizes[1000, 500]["cpu_s"] <= 30
    assert sizes[100_000, 100]["cpu_s"] <= 120 and sizes[100_000, 100]["peak_mb"] <= 2000
    assert {(100_000, 500), (1_000_000, 50)} <= set(sizes)
    assert all(one["sampled"] for (rows, _), one in sizes.items() if rows > 2000)


def test_the_size_of_a_table_grows_with_its_cells():
    """It was printed without a decimal: 3 MB for 1000 x 500, but 381 for a hundred times more."""
    shown = bench_tables.cost_table().reset_index().set_index(["rows", "columns"])
    size = shown["the table itself, MB"]
    assert abs(size[100_000, 500] / size[1000, 500] - 100) < 1


def test_every_miss_stands_in_a_table_of_the_page():
    table, tools = bench_tables.matrix(), bench_tables.tools_table()
    planted_rows = table.drop(bench_tables.honest_tables())
    missed = planted_rows.isin([bench_tables.MISSED, bench_tables.ERROR]).sum()
    assert tools["leaks missed"].sum() == missed.sum()
    assert len(tools) == table.shape[1] == 1 + len(BENCH["peers"])
    assert f"{len(planted.PLANTED)}** leaks" in bench_tables.matrix_sentence()


def test_the_legend_of_the_answers_explains_the_words_that_occur_and_no_others():
    shown = set(bench_tables.matrix().to_numpy().ravel())
    lines = bench_tables.matrix_legend().splitlines()
    assert {line.split("*")[1] for line in lines} == shown


def test_the_earlier_comparison_is_counted_from_its_own_rows():
    """The table of tools and the table of draws show one earlier comparison: the leaks that
    `leakaudit` accused there are those of the kinds that both tables have."""
    tools, shown = bench_tables.tools_table(), bench_tables.draws_table()
    (column,) = [name for name in tools if "earlier" in name]
    earlier = shown.loc["planted", bench_tables.EARLIER].str.split(" of ", expand=True).astype(int)
    assert tools.loc["leakaudit", column] == earlier[0].sum()
    assert column.endswith(f"of {earlier[1].sum()}")
    assert set(shown.loc["planted"].index) == set(planted.PLANTED)


def test_the_sentences_of_the_bench_name_what_falls_short(monkeypatch):
    rows = [
        {"set": "planted", "name": "a", "draws": 20, "findings": 19, "guilty columns only": 18},
        {"set": "honest", "name": "b", "draws": 20, "findings": 1, "guilty columns only": 0},
    ]
    monkeypatch.setattr(bench_tables, "stored_bench", lambda: {"draws": rows})
    said = bench_tables.draws_sentence()
    assert "called *a*, it names exactly the guilty columns in 18 of 20 tables" in said
    assert "at least 19 times" in said
    assert said.endswith("Some honest tables are accused, of the kinds b.")
