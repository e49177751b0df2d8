"""The survey of fifty projects and the game: counts add up, and the page works as tables too."""

import json
import re

import pandas as pd

from musicbook.chapters.fifty_projects import findings, game, rebuilt, survey


def test_the_survey_counts_every_project_once():
    table = survey.projects()
    assert len(table) == 53 and table["project"].is_unique
    counts = survey.mechanism_counts(table)
    named = table["mechanism"].str.split(";").explode()
    assert counts.sum() == (named != "").sum()
    winners = survey.winner_counts(table)
    assert winners.to_numpy().sum() == (table["pca_or_vae"] != "not compared").sum()
    leaky = (table["label_in_input"] == "yes").sum()
    said = survey.survey_sentence(table)
    assert f"We read {len(table)} public" in said and f"**{leaky} of them**" in said
    compared = table[table["pca_or_vae"] != "not compared"]
    given = (compared["label_in_input"] == "yes").sum()
    assert f"and in {given} of all comparisons." in said  # beside that of the VAE's wins


def test_a_rebuilt_mistake_is_found():
    assert rebuilt.answer_in_short(rebuilt.one_live_dimension().report).startswith(
        "dead dimensions"
    )
    assert rebuilt.thirty_songs().report.exit_code == 7


def test_the_game_is_two_tables_without_its_script():
    doses = pd.DataFrame(
        [["a</script>", 0.3, 0.5, "x"]], columns=["leak", "dose", "NMI", "the audit says"]
    )
    results = pd.DataFrame(
        [["b", 0.5, True, "y"]], columns=["what went in", "NMI", "leaky", "the audit says"]
    )
    page = game.game(doses, results).data
    assert page.count("<table") == 2 and "a&lt;/script&gt;" in page
    data = json.loads(re.search(r'application/json">(.*?)</script>', page)[1])
    assert data["results"][0]["leaky"] is True and data["doses"][0]["leak"] == "a</script>"


def test_the_legend_of_the_game_explains_every_finding_and_the_limit_is_read_off_the_doses():
    """A leak of which the audit says nothing, or only names a fault of another kind, is
    overlooked."""
    doses = pd.DataFrame(
        [
            ["a", 0.0, 0.1, "nothing found"],
            ["a", 0.3, 0.2, "nothing found"],
            ["a", 0.6, 0.3, "few distinct rows"],
            ["a", 1.0, 0.4, "copy of the label; few distinct rows"],
            ["b", 0.0, 0.1, "nothing found"],
            ["b", 0.3, 0.2, "stands out"],
        ],
        columns=["leak", "dose", "NMI", "the audit says"],
    )
    results = pd.DataFrame({"the audit says": ["missing by class", "cannot tell: x"]})
    answers = [*doses["the audit says"], *results["the audit says"]]
    lines = findings.legend(answers).splitlines()
    assert {line.split("*")[1] for line in lines} == {
        "few distinct rows",
        "copy of the label",
        "stands out",
        "missing by class",
    }
    said = game.limit_sentence(doses)
    assert "It does not find the leak *a* at 30% and 60% of the songs." in said
    assert "There it notes *few distinct rows* at most" in said and "*b*" not in said
    found = doses[doses["leak"] == "b"]
    assert "in every share" in game.limit_sentence(found)


def test_every_finding_of_the_tables_on_the_page_has_a_meaning():
    """`legend` raises KeyError for a finding without one."""
    for table in (game.planted_doses(), game.six_results(), rebuilt.rebuilt_table()):
        assert findings.legend(table["the audit says"]).count("\n") >= 1
