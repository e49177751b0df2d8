"""What the page "Performance" says of the stored measurements."""

import json

import pytest

from helpers.tracks import data_dir
from tools import measurements


def compared(*winners):
    """A phase with one comparison a winner, as bench_live.py writes it."""
    return {"1": {"differences": [{"better": winner} for winner in winners]}}


@pytest.mark.parametrize(
    ("small", "full", "said"),
    [
        (compared("a", "b"), compared("a", "b"), "2 of 2 comparisons of two methods"),
        (compared("a", "level"), compared("a", "b"), "the small data show no clear difference"),
        (compared("a", "b"), compared("level", "b"), "one of the two shows no clear difference"),
        (compared("a", "level"), compared("b", "b"), "In 1 of the others, the other method"),
    ],
)
def test_whether_small_data_answer_as_full_gtzan_is_counted(small, full, said):
    assert said in measurements._same_answers(small, full)


def test_the_question_on_small_data_is_answered_on_the_page():
    runs = json.loads((data_dir() / "results" / "bench" / "live.json").read_text())
    text = measurements._live(runs)
    question, answer = text.split("? ", 1)
    assert question.startswith("Do small data") and answer.startswith("On pieces of ten seconds")
    assert measurements._same_answers({}, runs["thirds"]) == ""
