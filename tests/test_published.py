"""Every number that the pages derive is recomputed here from the stored labels."""

import numpy as np
import pytest

from helpers import datasets, metrics, tables
from helpers.published import duplicates, leakage, store, verdicts
from helpers.phases import METHODS
from tools import quoted

pytestmark = pytest.mark.skipif(
    not (store.published() / "scores.csv.gz").exists(), reason="no published runs in this copy (make results)"
)


@pytest.fixture(scope="module")
def runs():
    return store.Published()


@pytest.mark.parametrize("protocol", ["released", "written", "controlled"])
@pytest.mark.parametrize("phase", [1, 2, 3])
def test_scores_follow_from_the_stored_labels(runs, protocol, phase):
    for method in METHODS[phase]:
        stored = runs.run(protocol, phase)
        stored = stored[stored.method == method].pivot_table(
            index="seed", columns="metric", values="value", dropna=False
        )
        labels = runs.labels(protocol, phase, method)
        assert len(labels) == runs.record["seeds"] == len(stored) and labels.shape[1] == runs.record["n"] == len(
            runs.ids
        )
        for seed, found in enumerate(labels):
            kept = found != -1
            again = metrics.external(runs.genres[kept], found[kept])
            for name in ("nmi", "ari", "purity", "accuracy"):
                assert again[name] == pytest.approx(stored[name][seed], abs=1e-5)
            assert stored.k[seed] == len(np.unique(found[kept]))
            assert stored.noise_share[seed] == pytest.approx(1 - kept.mean(), abs=1e-6)


def test_at_least_ten_seeds(runs):
    full = runs.scores[runs.scores.variant == "full"]
    assert full.groupby(["protocol", "phase", "method"]).seed.nunique().min() >= 10


def test_the_guard_flags_every_released_text_run_and_no_controlled_one(runs):
    leaky = runs.scores[runs.scores.variant == "full"].groupby(["protocol", "phase"]).leaky.all()
    assert leaky["released"].to_dict() == {1: False, 2: True, 3: True}
    assert not runs.scores[runs.scores.protocol == "controlled"].leaky.any()
    assert not runs.scores[runs.scores.protocol == "written"].leaky.any()


def test_dbscan_found_the_thirty_sentences(runs):
    table = leakage.pure_clusters(runs)
    assert table.k.between(28, 34).all() and table.NMI.mean() >= 0.79
    by_hand = 2 * np.log(10) / (np.log(10) + np.log(table.k))
    np.testing.assert_allclose(table["NMI by arithmetic"], by_hand)
    np.testing.assert_allclose(table.NMI, table["NMI by arithmetic"], atol=0.02)


@pytest.mark.parametrize("headline", list(leakage.LADDERS))
def test_ladders(runs, headline):
    phase, method, steps = leakage.LADDERS[headline]
    table = leakage.ladder(runs, headline)
    assert len(table) == len(steps) and table.leaky[0] and not table.leaky.iloc[-1]
    assert (table.low <= table["mean"]).all() and (table["mean"] <= table.high).all()
    for row, (_, protocol, variant) in zip(table.itertuples(), steps, strict=True):
        labels = runs.labels(protocol, phase, method, variant)
        nmi = [metrics.external(runs.genres[found != -1], found[found != -1])["nmi"] for found in labels]
        assert row.mean == pytest.approx(np.mean(nmi), abs=1e-5)


@pytest.mark.parametrize(("protocol", "phase"), [("released", 2), ("released", 3), ("controlled", 2)])
def test_controls_have_their_interval(runs, protocol, phase):
    table = leakage.controls(runs, protocol, phase)
    wanted = {"full", "lyrics shuffled", "lyrics alone", "audio alone"}
    wanted |= {"one-hot alone", "one-hot removed"} if phase == 3 else set()
    assert wanted <= {name.removesuffix(" (LEAKY)") for name in table.index}
    for name, text in table.NMI.items():
        mean = float(text.split()[0])
        low, high = (float(v) for v in text.split("[")[1].rstrip("]").split(","))
        assert low - 0.006 <= mean <= high + 0.006  # two decimals are shown
        labels = runs.labels(protocol, phase, "Input + K-Means", name.removesuffix(" (LEAKY)"))
        again = np.mean([metrics.external(runs.genres, one)["nmi"] for one in labels])
        assert mean == pytest.approx(again, abs=6e-4)


def test_the_comparison_has_every_value_of_the_paper(runs):
    words = set()
    for phase in (1, 2, 3):
        table = verdicts.compare(runs, phase)
        assert len(table) == len(tables.paper_tables().query("phase == @phase"))
        words |= set(table.Verdict)
    assert words <= {"reproduced", "reproduced only with leakage", "not reproduced", verdicts.TOLD}
    assert verdicts.read_verdicts(runs).startswith("Of the ")


def test_differences_have_their_sign_from_their_interval(runs):
    for row in verdicts.differences(runs).itertuples():
        low, high = (float(v) for v in row._2.strip("[]").split(", "))
        assert (row.reads == "no difference can be told") == (low <= 0 <= high)


def test_faults(runs):
    scores, found = duplicates.stored(runs)
    assert found["tracks_with_a_near_neighbour"] == 28 and ["metal.00058", "rock.00016"] in found["across_genres"]
    assert found["filtered_n"] == 929 and set(scores.seed) == set(range(runs.record["seeds"]))
    assert duplicates.read_faults(scores).startswith("Without the faults: by NMI")


def test_the_opening_figure_is_its_list(runs):
    """Each bar is the mean that the page quotes, inside its interval; inputs that carry the label are marked."""
    bars = leakage.inputs(runs).set_index(["input", "method"])
    found = quoted.published()
    assert len(bars) == 2 * len(leakage.INPUTS)
    for (name, method), row in bars.iterrows():
        protocol, variant = next(rest for first, *rest in leakage.INPUTS if first == name)
        number = quoted.slug("gtzan", protocol, 3, "" if variant == "full" else variant, method, "nmi")
        assert found[number].startswith(f"{row['mean']:.3f}") and row.low < row["mean"] < row.high
    assert bars.leaky.tolist() == [True] * 4 + [False] * 8


def test_the_same_steps_live():
    tracks = datasets.load("gtzan-mini-tracks")
    live = leakage.inputs_live(tracks, 1)
    assert live.input.tolist() == [name for name, *_ in leakage.INPUTS]
    assert live.leaky.tolist() == [True, True, False, False, False, False]
    assert live["mean"][0] > live["mean"][5] > live.chance[5]
    foreign = np.array([f"own {genre}" for genre in tracks.genres])
    own, bare = (datasets.Tracks("own", tracks.ids, g, tracks.groups, tracks.features) for g in (foreign, None))
    assert leakage.inputs_live(own, 1).input.tolist() == ["sound alone"]  # none of GTZAN's genres, no lyrics
    assert leakage.inputs_live(bare, 1).empty
