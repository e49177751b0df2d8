"""The audit on tables whose leak is known and on clean ones, on bad input, and as a command."""

import json

import numpy as np
import pandas as pd
import pytest

from helpers import leaks
from helpers.__main__ import main
from helpers.audit import columns, examination, examine, rows, specimens

COPY, SAYS, ROWS = "copy of the label", "says the label", "repeated rows"
KIND = {
    "one hot": COPY, "one hot and noise": COPY, "one hot with errors": COPY, "year": COPY, "track order": COPY,
    "loudness of noise": "spread by class", "three sentences": SAYS, "sentences with errors": COPY,
    "constant for half": SAYS, "hidden in a block": SAYS, "gaps": "missing by class", "copies": ROWS,
    "segments": "row order", "segments named": "groups",
}  # fmt: skip


def audited(specimen, **options):
    return examine(specimen.table, specimen.labels, groups=specimen.groups, **options)


def kinds(report):
    return {finding["kind"] for finding in report.findings}


@pytest.mark.parametrize("name", specimens.LEAKS)
def test_every_planted_leak_is_found_by_its_name_and_none_without_its_dose(name):
    make = specimens.LEAKS[name]
    report = audited(make(1))
    assert KIND[name] in kinds(report) and report.verdict == "findings"
    assert audited(make(1, dose=0.0)).verdict != "findings"


@pytest.mark.parametrize("name", specimens.CLEAN)
def test_no_clean_table_is_accused(name):
    report = audited(specimens.CLEAN[name](1))
    assert report.findings == []


def test_what_is_found_explains_what_the_table_scores():
    table = audited(specimens.one_hot(2)).table("without").set_index("input")
    alone, rest, lot = (table.loc[name] for name in
                        ("what was found alone", "without what was found", "columns dealt out anew"))  # fmt: skip
    assert alone["K-Means NMI"] > 0.99 > rest["K-Means NMI"] + 0.2 and alone.probe == 1 > rest.probe + 0.1
    assert lot["K-Means NMI"] < 0.15 and lot.probe < 0.2
    (found,) = audited(specimens.three_sentences(2)).findings
    assert found["where"] == "text"  # and not the sound, which it is compared with


def test_the_null_is_kept_for_rows_that_belong_together():
    found = []
    for seed in range(40):  # noise that is a group's own, labels by group: nothing to be read
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(30), 4)
        X = rng.normal(size=(30, 6))[groups] + 0.1 * rng.normal(size=(120, 6))
        found.append(leaks.effect(X, (np.arange(30) % 3)[groups], groups, 39, seed).p)
    assert np.mean(np.array(found) <= 0.05) <= 0.15 and 0.3 < np.mean(found) < 0.7


def test_one_columns_numbers_by_hand():
    codes = np.repeat([0, 1, 2], 40)
    X = np.column_stack([codes == 2, np.random.default_rng(0).random(120), codes]).astype(float)
    told = columns.by_column(X, codes, np.arange(120))
    assert told.one[0] == pytest.approx(1) and told.labels[0] == pytest.approx(0.5)  # (2/3 - 1/3) * 3/2
    assert told.labels[2] == pytest.approx(1) and told.p[2] == 0.05 and told.p[1] > 0.05
    assert told.sure[0] == pytest.approx(leaks.at_least(np.array(40.0), np.array(40.0))) == pytest.approx(40 / 43.8416)


def test_measured_columns_vary_together_within_a_class_and_copies_do_not():
    rng = np.random.default_rng(0)
    codes, cause = np.repeat([0, 1], 100), rng.normal(size=200)
    measured, copy = 8 * codes + cause, 8 * codes + rng.normal(size=200)
    others = np.column_stack([cause + rng.normal(size=200), rng.normal(size=200)])
    own, rest = columns.owners(codes, np.arange(200)), columns.within(others, codes, np.arange(200))
    alone = columns.within(np.column_stack([measured, copy, codes]), codes, np.arange(200), None)
    p = columns.alive(alone, rest, own)
    assert p[0] <= 0.01 < p[1] and p[2] == 1
    table = pd.DataFrame(np.column_stack([measured, copy, others]), columns=["spread", "year", "loud", "bright"])
    (found,) = examine(table, codes).findings
    assert found["where"] == "year"


def test_copies_are_told_from_values_that_few_rows_can_have():
    rng = np.random.default_rng(0)
    few = pd.DataFrame(rng.integers(3, size=(400, 3)), columns=["key", "mode", "metre"])
    assert examine(few).findings == []  # 27 possible rows: repeating is no wonder
    own = pd.DataFrame(rng.normal(size=(400, 5)))
    own.iloc[:20] = own.iloc[200:220].to_numpy()
    report = examine(own)
    assert kinds(report) == {ROWS} and "exactly (40)" in report.findings[0]["says"]
    assert kinds(examine(own, groups=np.arange(400) % 200)) == {"groups"}  # named: they must stay together


def test_texts_in_a_column_of_words_are_looked_at():
    rng, codes = np.random.default_rng(0), np.repeat(np.arange(5), 60)
    table, _ = specimens.sound(rng, codes)
    report = examine(table.assign(lyrics=[f"sentence {c} {i % 3}" for i, c in enumerate(codes)],
                                  title=[f"song {i}" for i in range(300)]), codes)  # fmt: skip
    assert "repeated by class" in kinds(report) or COPY in kinds(report)
    assert any("title" in note and "give vectors" in note for note in report.notes)


def test_nothing_is_dropped_in_silence():
    rng, codes = np.random.default_rng(0), np.repeat(np.arange(4), 50).astype(object)
    table, _ = specimens.sound(rng, np.repeat(np.arange(4), 50))
    table.iloc[3, 2], table.iloc[5, 3] = np.nan, np.inf
    codes[:7], codes[7] = np.nan, "alone"
    told = " ".join(examine(table.assign(flat=1.0), codes).notes)
    for part in ("2 values are missing, in sound_2, sound_3", "Constant, and left out: flat", "7 rows have no label",
                 "1 classes have rows of one group only", "sorted by label"):  # fmt: skip
        assert part in told
    assert "Taken as measured, and not judged: sound" in " ".join(examine(table, codes, measured=["sound"]).notes)


def test_large_tables_are_sampled_and_say_so(monkeypatch):
    monkeypatch.setattr(rows, "MAX_ROWS", 300)
    rng = np.random.default_rng(0)
    codes = rng.integers(5, size=30_000)
    table = specimens.named("sound", rng.normal(size=(30_000, 8))).assign(year=1950 + 5 * codes)
    report = examine(table, codes)
    assert kinds(report) == {COPY} and any("on 300 rows" in note or "on 30" in note for note in report.notes)


def test_what_cannot_be_told_is_not_called_clean():
    one = np.repeat(np.arange(4), 30)
    table, _ = specimens.sound(np.random.default_rng(0), one)
    assert examine(table, one, groups=one).verdict == "cannot tell"  # each class one artist
    far, _ = specimens.sound(np.random.default_rng(0), one, apart=4)
    report = examine(far, one)
    assert report.verdict == "cannot tell" and "too little else in the table" in report.open[0]
    assert examine(far, one, measured=["sound"]).verdict == "clean"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": ["a"] * 40}, "fewer than two values"),
        ({"labels": [None] * 40}, "fewer than two values"),
        ({"labels": ["a", "b"]}, "2 labels for 40 rows"),
        ({"groups": [1]}, "1 groups for 40 rows"),
        ({"X": np.ones((40, 3))}, "0 columns that vary"),
        ({"X": np.zeros((4, 3)), "labels": list("abab")}, "needs at least 10 rows"),
        ({"measured": ["mfcc"]}, "no block 'mfcc'"),
        ({"blocks": {"a": ["loud"]}}, "no column 'loud'"),
    ],
)
def test_bad_input_ends_in_one_sentence(change, words):
    given = {"X": np.random.default_rng(0).normal(size=(40, 3)), "labels": ["a", "b"] * 20} | change
    with pytest.raises(ValueError, match=words) as error:
        examine(given.pop("X"), given.pop("labels"), **given)
    assert "\n" not in str(error.value)


def test_rare_classes_and_few_groups_do_not_stop_it():
    table, _ = specimens.sound(np.random.default_rng(0), np.arange(40) % 2)
    labels = np.array(["a", "b"] * 20, dtype=object)
    labels[:3] = ["once", "c", "c"]
    report = examine(table, labels)
    assert report.verdict in ("clean", "cannot tell") and "1 classes" in " ".join(report.notes)


def test_the_page_and_the_dict_say_what_was_found(tmp_path):
    one = specimens.year(0)
    report = audited(specimens.Specimen(one.table.rename(columns={"year": "<year>"}), one.labels))
    page = report.to_html(tmp_path / "audit.html")
    assert (tmp_path / "audit.html").read_text() == page and "<svg" in page and "&lt;year&gt;" in page
    assert "<year>" not in page
    again = json.loads(json.dumps(report.to_dict()))
    assert again["verdict"] == "findings" and again["findings"][0]["where"] == "<year>"
    assert "<year>" in str(report)


def test_the_command_says_by_its_exit_code(tmp_path, capsys):
    leak, clean = specimens.one_hot(0), specimens.CLEAN["sound alone"](0)
    for name, one in {"leak": leak, "clean": clean}.items():
        one.table.assign(genre=one.labels).to_csv(tmp_path / f"{name}.csv", index=False)
    assert main(["audit", str(tmp_path / "clean.csv"), "--labels", "genre"]) == 0
    assert main(["audit", str(tmp_path / "leak.csv"), "--labels", "genre", "--html", str(tmp_path / "a.html")]) == 4
    assert (tmp_path / "a.html").exists() and COPY in capsys.readouterr().out
    assert main(["audit", str(tmp_path / "leak.csv"), "--labels", "genre", "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["verdict"] == "findings"
    assert main(["audit", str(tmp_path / "leak.csv"), "--labels", "genre", "--groups", "genre"]) == 5
    capsys.readouterr()
    for wrong, words in (("--labels kind", "no column 'kind'"), ("--labels sound_0", "")):
        code = main(["audit", str(tmp_path / "clean.csv"), *wrong.split()])
        said = capsys.readouterr().err
        assert (code == 1 and words in said and said.count("\n") == 1) or (not words and code in (0, 4, 5))
    (tmp_path / "empty.csv").write_text("")
    assert main(["audit", str(tmp_path / "empty.csv")]) == 1 and "empty.csv" in capsys.readouterr().err
    assert main(["audit", str(tmp_path / "none.csv")]) == 1


def test_blocks_are_taken_from_names():
    table = pd.DataFrame({"mfcc1_mean": [0.1, 0.2], "mfcc2_mean": [0.3, 0.1], "genre_pop": [1, 0],
                          "genre_rock": [0, 1], "tempo": [90.0, 100.0], "mood=sad": [1, 0], "mood=glad": [0, 1],
                          "x9": [0.2, 0.3]})  # fmt: skip
    assert examination._by_name(table) == {
        "mfcc": ["mfcc1_mean", "mfcc2_mean"], "genre": ["genre_pop", "genre_rock"], "other columns": ["tempo", "x9"],
        "mood": ["mood=sad", "mood=glad"],
    }  # fmt: skip
