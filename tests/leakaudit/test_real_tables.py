"""The audit on real tables, whose faults are known: GTZAN, sets that come with scikit-learn, and
the inputs of the paper."""

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from helpers import inputs
from leakaudit import examine, open_table
from leakaudit.kinds import LABEL
from musicbook.chapters.leakage import duplicates
from musicbook.corpus import sources


def kinds(report) -> set[str]:
    return {one.kind for one in report.findings}


def areas(report) -> set[str]:
    return {one.area for one in report.findings}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("iris", set()),
        ("wine", {"row order"}),  # within a class the rows are sorted: by year, it seems
        ("breast_cancer", set()),
        ("digits", {"row order"}),  # of one writer after the other
    ],
)
def test_sets_of_scikit_learn_as_they_come(name, expected):
    """Strong columns, that only their owners know to be measured."""
    whole = getattr(datasets, f"load_{name}")(as_frame=True)
    report = examine(whole.data, whole.target.to_numpy())
    assert kinds(report) == expected, str(report)
    assert report.questions and "--measured" in report.questions[-1]


def test_gtzan_with_and_without_its_artists(shared):
    table = open_table(shared / "gtzan_68.csv")
    features, genres = table.drop(columns=["track_id", "genre"]), table["genre"].to_numpy(str)
    alone = examine(features, genres)
    assert kinds(alone) == {"repeated rows", "row order"}  # its replicas, and artists in a row
    artist = table["track_id"].map(duplicates.artists(shared / "gtzan_meta")).to_numpy(object)
    assert "families" in kinds(examine(features, genres, groups=artist))
    assert LABEL not in areas(alone)


@pytest.mark.parametrize("phase", [2, 3])
def test_released_inputs_hold_the_label_and_controlled_ones_do_not(phase):
    tracks = sources.load("gtzan-mini-thirds")
    for protocol, leaks in {"released": True, "controlled": False, "written": False}.items():
        made = inputs.prepare(tracks, protocol, phase, guard=False)
        names = np.empty(made.X.shape[1], dtype=object)
        for block, where in made.blocks.items():
            here = np.arange(made.X.shape[1])[where]
            names[here] = [f"{block}_{i}" for i in range(len(here))]
        report = examine(
            pd.DataFrame(made.X, columns=list(names)), tracks.genres, groups=tracks.groups
        )
        assert (LABEL in areas(report)) == leaks, f"{protocol}: {report}"


def test_a_text_that_the_segments_of_a_song_share_is_no_template():
    rng = np.random.default_rng(0)
    song = np.repeat(np.arange(80), 5)
    table = pd.DataFrame(rng.normal(size=(400, 12))).add_prefix("sound_")
    text = pd.DataFrame(rng.normal(size=(80, 24))[song]).add_prefix("text_")
    report = examine(pd.concat([table, text], axis=1), song % 8, groups=song)
    assert areas(report) <= {"rows that belong together"}, str(report)
