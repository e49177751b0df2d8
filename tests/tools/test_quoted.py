"""The registry of named values: what prose quotes comes from one row of one table, and no number
that a guard refuses is quoted."""

import json
from dataclasses import replace

import pytest

from musicbook import named_values
from musicbook.named_values import REFUSED, Value, ValueRefused
from tests.conftest import ROOT
from tools import quoted
from tools.run_notebooks import Run


@pytest.fixture(scope="module")
def values():
    return quoted.registry([])


def run_of(name: str = "page", numbers: dict | None = None, notebook: str = "") -> Run:
    parameters = {"dataset": "gtzan-mini", "protocol": "controlled", "seeds": 3}
    return Run(name, notebook, parameters, 1.0, "2026-01-01", True, numbers or {})


def test_closed_forms_and_paper_values_are_there(values):
    assert values["paper_2_dbscan_nmi"].text == "0.807"
    assert values["paper_3_beta_vae_purity"].text == "0.738"
    assert values["nmi_of_thirty_pure_clusters"].text == "0.807"


def test_every_value_says_where_it_comes_from(values):
    for name, value in values.items():
        assert value.text and value.words and value.table, name
        if value.table.startswith(("data/", "src/")):
            assert (ROOT / value.table).exists(), f"{name}: {value.table}"


def test_scores_of_a_leaky_input_say_so(values):
    assert "LEAKY" in values["gtzan_released_3_beta_vae_nmi"].guard
    assert values["gtzan_controlled_3_audio_alone_input_k_means_nmi"].guard == ""


def test_the_pages_quote_only_what_is_there_and_not_refused(values):
    names = quoted.substitutions(ROOT, values | quoted.build_values([run_of()]))
    assert len(names) > 50


def test_a_refused_number_stops_the_build(values):
    name = "gtzan_released_3_beta_vae_nmi"
    refused = replace(values[name], guard=f"{REFUSED} by the scale guard")
    with pytest.raises(ValueRefused, match=f"{name} must not be quoted: refused by the scale"):
        named_values.quote({name: refused}, name)


def test_an_unknown_name_is_reported_with_its_page(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "some.md").write_text("It is {{ nobody }}.")
    with pytest.raises(ValueError, match=r"nobody \(book/some.md\)"):
        quoted.substitutions(tmp_path, {})


def test_two_numbers_may_not_share_their_words():
    one = Value("0.001", "gain side by side", "a.csv")
    with pytest.raises(ValueError, match="describe them by different words"):
        named_values.check_words({"a": one, "b": replace(one, text="−0.056")})
    named_values.check_words({"a": one, "b": one})


def test_two_notebooks_may_not_print_one_number():
    with pytest.raises(ValueError, match="notebooks/two prints the number best"):
        quoted.build_values([run_of("one", {"best": "1"}), run_of("two", {"best": "2"})])


def test_what_a_notebook_marks_is_listed(values):
    marked = named_values.quote(values, "paper_2_dbscan_nmi")
    run = run_of(notebook=json.dumps({"text": marked}))
    rows = json.loads(quoted.listing(values, ["segments"], [run]))
    assert rows.keys() == {"segments", "paper_2_dbscan_nmi"}
    assert rows["paper_2_dbscan_nmi"]["table"] == "data/paper_tables.csv"
    with pytest.raises(ValueError, match="notebooks/page quotes paper_2"):
        quoted.listing({}, [], [run])


def test_differences_have_a_sign_and_no_minus_zero():
    assert [named_values.signed(x) for x in (0.0131, -0.0563, -0.0001)] == [
        "+0.013",
        "−0.056",
        "0.000",
    ]
    assert named_values.interval_words(0.06, 0.2) == "0.06 to 0.20"
    assert named_values.interval_words(-0.004, 0.006, 3, sign=True) == "−0.004 to +0.006"
    assert named_values.slug("PCA + K-Means", "nmi") == "pca_k_means_nmi"
