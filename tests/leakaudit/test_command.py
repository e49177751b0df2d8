"""The command, the reader and the report: what a user gives and what he gets."""

import gzip
import json
import pickle
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

import leakaudit
from leakaudit import examine, open_table
from leakaudit.cli import main, parser
from leakaudit.kinds import KINDS
from leakaudit.prepared import blocks_by_name
from musicbook.chapters.audit import planted, specimens

SHARED = Path(__file__).parents[3] / "shared" / "data"
SCHEMA = json.loads(Path(leakaudit.__file__).with_name("report.schema.json").read_text())


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A leaky and an honest table as files."""
    folder = tmp_path_factory.mktemp("tables")
    for name, one in {
        "leak": specimens.one_hot(0),
        "fine": specimens.CLEAN["sound alone"](0),
    }.items():
        one.table.assign(genre=one.labels).to_csv(folder / f"{name}.csv", index=False)
    return folder


def test_the_command_says_by_its_exit_code(tables, tmp_path, capsys):
    leak, fine = str(tables / "leak.csv"), str(tables / "fine.csv")
    assert main([fine, "--labels", "genre"]) == 0
    text = capsys.readouterr().out
    assert "clean" not in text and "looked for" in text and "cannot be seen" in text
    assert "would have been found" in text
    page = tmp_path / "a.html"
    assert main([leak, "--labels", "genre", "--html", str(page)]) == 4
    text = capsys.readouterr().out
    assert "copy of the label" in text and "table = table.drop(columns=" in text
    assert page.read_text().count("<svg") == 2
    assert main([leak, "--labels", "genre", "--ignore", "copy-of-the-label"]) == 0
    assert "ignored" in capsys.readouterr().out
    assert main([leak, "--labels", "genre", "--groups", "genre"]) == 5


def test_a_job_that_forgets_the_labels_does_not_stay_green(tables, capsys):
    assert main([str(tables / "fine.csv")]) == 5
    text = capsys.readouterr().out
    assert "No labels were given" in text and "--labels genre" in text


def test_json_follows_its_schema(tables, capsys):
    assert main([str(tables / "leak.csv"), "--labels", "genre", "--json"]) == 4
    report = json.loads(capsys.readouterr().out)
    jsonschema.validate(report, SCHEMA)
    assert report["findings"][0]["columns"] == [f"tag_{i}" for i in range(10)]
    assert main([str(tables / "fine.csv"), "--json"]) == 5
    jsonschema.validate(json.loads(capsys.readouterr().out), SCHEMA)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.csv"], "no such file"),
        (["fine.csv", "--labels", "kind"], "no column 'kind'"),
        (["fine.csv", "--labels", "genre", "--ignore", "nonsense"], "neither a kind of finding"),
        (["fine.csv", "--labels", "genre", "--measured", "mfcc"], "no block 'mfcc'"),
        (["empty.csv"], "not a readable"),
        (["model.pkl"], "can run any code"),
        (["objects.npy"], "pickle"),
        (["song.mp3"], "cannot read this kind of file"),
    ],
)
def test_what_cannot_be_used_ends_in_one_sentence(tables, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tables)
    Path("empty.csv").write_text("")
    Path("model.pkl").write_bytes(pickle.dumps([1]))
    Path("song.mp3").write_bytes(b"")
    np.save("objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert main(arguments) == 1
    message = capsys.readouterr().err
    assert (
        words in message
        and message.count("\n") == 1
        and arguments[0] in message
        or words in message
    )


@pytest.mark.parametrize("kind", ["semicolon", "tab", "bar", "gz", "parquet", "npz", "npy"])
def test_one_reader_for_every_usual_file(tmp_path, kind):
    table = pd.DataFrame(
        {"z_0": [0.5, 1.25, -3.0], "z_1": [1.0, 2.0, 3.0], "y": ["a", "b", "None"]}
    )
    path = tmp_path / f"t.{ {'gz': 'csv.gz'}.get(kind, kind) }"
    marks = {"semicolon": ";", "tab": "\t", "bar": "|"}
    if kind in marks:
        path = tmp_path / "t.csv"
        table.to_csv(
            path, sep=marks[kind], index=False, decimal="," if kind == "semicolon" else "."
        )
    elif kind == "gz":
        path.write_bytes(gzip.compress(table.to_csv(index=False).encode()))
    elif kind == "parquet":
        table.to_parquet(path)
    elif kind == "npz":
        np.savez(path, z=table[["z_0", "z_1"]].to_numpy(), y=table["y"].to_numpy(str), other=[1.0])
    else:
        np.save(path, table[["z_0", "z_1"]].to_numpy())
        table = table[["z_0", "z_1"]].rename(columns=lambda c: c.replace("z", "t"))
    pd.testing.assert_frame_equal(open_table(path), table, check_dtype=False)


def test_labels_may_stand_in_a_file_of_their_own(tmp_path, capsys):
    one = specimens.one_hot(0)
    np.save(tmp_path / "z.npy", one.table.to_numpy())
    np.save(tmp_path / "y.npy", one.labels)
    assert main([str(tmp_path / "z.npy"), "--labels", str(tmp_path / "y.npy")]) == 4
    np.save(tmp_path / "y.npy", one.labels[:-1])
    assert main([str(tmp_path / "z.npy"), "--labels", str(tmp_path / "y.npy")]) == 1
    assert "it needs one column" in capsys.readouterr().err


def test_segments_are_found_with_and_without_their_file_names(tmp_path, capsys):
    path = SHARED / "inputs" / "03_segments_shuffled" / "segments.csv"
    if not path.exists():
        pytest.skip("../shared/data/inputs is not there")
    assert main([str(path), "--labels", "label"]) == 6
    text = capsys.readouterr().out
    assert "the stem of filename" in text and "Next: leakaudit" in text
    without = tmp_path / "no_names.csv"
    pd.read_csv(path).drop(columns="filename").to_csv(without, index=False)
    assert main([str(without), "--labels", "label"]) == 6
    assert "Rows come in families" in capsys.readouterr().out


def test_a_numeric_song_id_is_a_name_and_the_next_command_is_printed(tmp_path, capsys):
    one = planted.segments_with_an_id(0)
    path = tmp_path / "songs.csv"
    one.table.assign(genre=one.labels).to_csv(path, index=False)
    assert main([str(path), "--labels", "genre"]) == 6
    text = capsys.readouterr().out
    assert "Taken as names of rows, not as features: song_id" in text
    assert f"Next: leakaudit {path} --labels genre --groups song_id" in text
    assert "another group" not in text


def test_latents_are_audited_with_their_input(tmp_path, capsys):
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.arange(400) % 8)
    sound = planted.measured(rng, codes, apart=0.4)
    fed = np.column_stack([sound, 3 * np.eye(8)[codes]])
    latents = (fed - fed.mean(0)) / fed.std(0) @ rng.normal(size=(20, 6))
    latents += 0.5 * rng.normal(size=latents.shape)
    pd.DataFrame(sound).add_prefix("sound_").to_csv(tmp_path / "input.csv", index=False)
    table = pd.DataFrame(latents).add_prefix("z_").assign(genre=codes)
    table.to_csv(tmp_path / "z.csv", index=False)
    main([str(tmp_path / "z.csv"), "--labels", "genre"])
    assert "Audit the input as well, with --derived-from" in " ".join(
        capsys.readouterr().out.split()
    )
    arguments = ["--labels", "genre", "--derived-from", str(tmp_path / "input.csv")]
    assert main([str(tmp_path / "z.csv"), *arguments]) == 4
    assert "made with the label" in capsys.readouterr().out


def test_predictions_are_scored_beside_chance(tmp_path, capsys):
    one = planted.HONEST["measured alone"](0)
    table = one.table.assign(genre=one.labels, cluster=0)
    table.to_csv(tmp_path / "t.csv", index=False)
    arguments = [str(tmp_path / "t.csv"), "--labels", "genre", "--predictions", "cluster"]
    assert main(arguments) == 7
    assert "All predictions are the same" in " ".join(capsys.readouterr().out.split())
    table.assign(cluster=one.labels).to_csv(tmp_path / "t.csv", index=False)
    assert main(arguments) == 0
    assert "NMI 1.00 (chance 0.0" in " ".join(capsys.readouterr().out.split())


def test_help_names_every_exit_code_and_kind():
    text = parser().format_help()
    for part in (*(f"  {code}  " for code in range(8) if code != 3), *KINDS):
        assert part.replace(" ", "-") in text or part in text


def test_texts_and_names_are_used_before_they_are_dropped():
    rng, codes = np.random.default_rng(0), np.repeat(np.arange(5), 60)
    table, _ = specimens.sound(rng, codes)
    genres = np.array(["blues", "disco", "metal", "opera", "rock"])[codes]
    words = np.array("love night road fire water stone bird rain city heart".split())
    lyrics = [
        f"{g} song number {i} " + " ".join(rng.choice(words, 6)) for i, g in enumerate(genres)
    ]
    report = examine(table.assign(lyrics=lyrics, title=[f"title {i}" for i in range(300)]), genres)
    assert report.findings[0].kind == "label in a text"
    assert report.findings[0].columns == ["lyrics"]
    assert "Taken as names of rows, not as features: title" in " ".join(report.notes)


def test_texts_of_templates_in_a_column_of_words():
    rng, codes = np.random.default_rng(0), np.repeat(np.arange(5), 60)
    table, _ = specimens.sound(rng, codes)
    texts = [f"sentence {c} {i % 3}" for i, c in enumerate(codes)]
    report = examine(table.assign(lyrics=texts), codes)
    assert report.exit_code == 4 and report.findings[0].columns == ["lyrics"]


def test_nothing_is_dropped_in_silence():
    rng, codes = np.random.default_rng(0), np.repeat(np.arange(4), 50).astype(object)
    table, _ = specimens.sound(rng, np.repeat(np.arange(4), 50))
    table.iloc[3, 2], table.iloc[5, 3] = np.nan, np.inf
    codes[:7], codes[7] = np.nan, "alone"
    notes = " ".join(examine(table.assign(flat=1.0), codes).notes)
    for part in (
        "2 values are missing, in sound_2, sound_3",
        "Constant, and left out: flat",
        "7 rows have no label",
        "1 classes have rows of one group only",
        "sorted by label",
    ):
        assert part in notes


def test_large_tables_are_sampled_and_say_so(monkeypatch):
    monkeypatch.setattr("leakaudit.examination.MOST_ROWS", 300)
    rng = np.random.default_rng(0)
    codes = rng.integers(5, size=20_000)
    values = rng.normal(size=(20_000, 8))
    table = specimens.named("sound", values).assign(year=1950 + 5 * codes)
    report = examine(table, codes)
    assert report.findings[0].columns == ["year"]
    assert any("on 300 rows" in note or "on 30" in note for note in report.notes)


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
        ({"predictions": [1]}, "1 predictions for 40 rows"),
        ({"derived_from": np.random.default_rng(0).normal(size=(30, 2))}, "has 30 rows"),
    ],
)
def test_bad_input_ends_in_one_sentence(change, words):
    given = {"X": np.random.default_rng(0).normal(size=(40, 3)), "labels": ["a", "b"] * 20} | change
    with pytest.raises(ValueError, match=words) as error:
        examine(given.pop("X"), given.pop("labels"), **given)
    assert "\n" not in str(error.value)


def test_what_cannot_be_told_is_not_called_found_or_fine():
    one = np.repeat(np.arange(4), 30)
    table, _ = specimens.sound(np.random.default_rng(0), one)
    assert examine(table, one, groups=one).verdict == "cannot tell"  # each class is one artist


def test_the_page_escapes_names(tmp_path):
    one = specimens.year(0)
    report = examine(one.table.rename(columns={"year": "<year>$x$"}), one.labels)
    page = report.to_html(tmp_path / "audit.html")
    assert (tmp_path / "audit.html").read_text() == page and "&lt;year&gt;" in page
    assert "<year>" not in page and "<year>" in str(report)


def test_blocks_are_taken_from_names():
    columns = ["mfcc1_mean", "mfcc2_mean", "genre_pop", "genre_rock", "tempo", "mood=sad", "x9"]
    table = pd.DataFrame(
        [[0.1, 0.3, 1, 0, 90.0, 1, 0.2], [0.2, 0.1, 0, 1, 100.0, 0, 0.3]], columns=columns
    )
    assert blocks_by_name(table, {"mood=sad": "mood"}) == {
        "mfcc": ["mfcc1_mean", "mfcc2_mean"],
        "genre": ["genre_pop", "genre_rock"],
        "other columns": ["tempo", "mood=sad", "x9"],
    }


def test_it_works_alone(tables, tmp_path):
    """From a copy of its folder, in a process that can import none of ours and no torch."""
    source = Path(leakaudit.__file__).parent
    (tmp_path / "leakaudit").mkdir()
    for path in source.glob("*.py"):
        (tmp_path / "leakaudit" / path.name).write_bytes(path.read_bytes())
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import leakaudit
from leakaudit.cli import main
assert leakaudit.__file__.startswith({str(tmp_path)!r})
code = main([{str(tables / "leak.csv")!r}, "--labels", "genre"])
assert not {{"helpers", "musicbook", "torch", "librosa", "seaborn", "typer"}} & set(sys.modules)
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 4, done.stderr
