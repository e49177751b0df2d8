"""The author's checkpoints: read into our networks weight by weight, and the figures that the book
keeps of them.

A stand-in of equal architecture, with weights drawn here and sentences written here, tests the
reader; the real repository is asked only where AUTHOR_REPOSITORY names a copy of it."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from helpers import lyrics, protocols, tables
from musicbook.chapters.collapse.decision import Thresholds
from musicbook.chapters.leakage import attribution
from musicbook.chapters.results import author, checkpoints
from musicbook.corpus import encoders, sources
from musicbook.corpus.feature_tables import read_table

ROOT = Path(__file__).resolve().parents[4]
TABLE = ROOT.parent / "shared/data/gtzan_68.csv"
LYRICS = ROOT.parent / "shared/data/lyrics/genius_sample.csv"


def half(sizes, activation, dropout):
    """One half of a network of the author's shape: linear, batch norm, activation, dropout."""
    layers = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        layers += [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), activation, nn.Dropout(dropout)]
    return layers


class StandIn(nn.Module):
    """The architecture of the author's networks with the names of its weights."""

    def __init__(self, n_features, hidden, latent, activation, n_classes=0):
        super().__init__()
        widths = [n_features + n_classes, *hidden]
        self.encoder = nn.Sequential(*half(widths, activation, 0.25))
        self.fc_mu, self.fc_logvar = (nn.Linear(hidden[-1], latent) for _ in range(2))
        back = half([latent + n_classes, *hidden[::-1]], activation, 0.2)
        self.decoder = nn.Sequential(*back, nn.Linear(hidden[0], n_features))
        for name, buffer in self.named_buffers():  # as after training
            if name.endswith("running_mean"):
                buffer.normal_()
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2.0)


SHAPES = {  # network -> (features, hidden, latent, activation, classes)
    "basic": (68, (256, 128), 32, nn.ReLU(), 0),
    "enhanced": (452, (512, 256, 128), 64, nn.LeakyReLU(0.2), 0),
    "beta_vae": (462, (512, 256, 128), 32, nn.LeakyReLU(0.2), 0),
    "cvae": (462, (512, 256, 128), 32, nn.LeakyReLU(0.2), 10),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A folder with the files that the command reads, none of it the author's."""
    folder = tmp_path_factory.mktemp("repository")
    torch.manual_seed(0)
    nets = {}
    for name, shape in SHAPES.items():
        nets[name] = StandIn(*shape).eval()
        path = folder / author.CHECKPOINTS[name][0]
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(nets[name].state_dict(), path)
    (folder / "src").mkdir()
    for phase, given in ((2, lyrics.TEMPLATES), (3, lyrics.CONSTANTS)):
        table = {genre: list(v) if phase == 2 else v for genre, v in given.items()}
        source = f"def make(genres):\n    genre_descriptions = {table!r}\n"
        (folder / author.SENTENCES[phase]).write_text(source)
    return folder, nets


@pytest.mark.parametrize("name", SHAPES)
def test_a_checkpoint_computes_the_same_in_our_network(repository, name):
    folder, nets = repository
    n_features, *_, n_classes = SHAPES[name]
    file, recipe = author.CHECKPOINTS[name]
    recipe = protocols.get("released").recipes[recipe]
    ours = author.load_checkpoint(folder / file, recipe, n_features, n_classes)
    theirs, x = nets[name], torch.randn(7, n_features)
    c = torch.eye(10)[torch.arange(7)] if n_classes else torch.empty(7, 0)
    z = torch.randn(7, ours.recipe.latent)
    with torch.no_grad():
        h = theirs.encoder(torch.cat([x, c], dim=1))
        mu, logvar = ours.encode(x, c)
        torch.testing.assert_close(mu, theirs.fc_mu(h))
        torch.testing.assert_close(logvar, theirs.fc_logvar(h))
        torch.testing.assert_close(ours.decode(z, c), theirs.decoder(torch.cat([z, c], dim=1)))


def test_weights_of_another_shape_are_refused_by_name(repository):
    folder, _ = repository
    path = folder / author.CHECKPOINTS["basic"][0]
    with pytest.raises(ValueError, match="basic_vae.pt: these weights do not fit"):
        author.load_checkpoint(path, protocols.get("released").recipes["beta_vae"], 462)


def test_texts_go_round_as_in_the_released_code():
    tracks = sources.load("gtzan-mini-tracks")
    genres = np.asarray(tracks.genres)
    second = author.texts_of_phase_2(tracks, lyrics.TEMPLATES)
    assert [second[i] for i in (0, 1, 2, 3)] == [
        lyrics.TEMPLATES[genres[i]][i % 3] for i in range(4)
    ]
    rows = [("rap", "en", f"rap {i} " + "x" * 600) for i in range(3)]
    rows += [("rap", "de", "nicht")] + [(tag, "en", tag) for tag in ("rock", "pop", "country")]
    table = pd.DataFrame(rows, columns=["tag", "language", "lyrics"])
    only = {genre: [text] for genre, text in lyrics.CONSTANTS.items()}
    third = np.array(author.texts_of_phase_3(tracks, only, table))
    rap = third[genres == "hiphop"]
    assert [text[:5] for text in rap[:4]] == ["rap 0", "rap 1", "rap 2", "rap 0"]
    assert {len(text) for text in rap} == {lyrics.EXCERPT}
    assert set(third[genres == "jazz"]) == {lyrics.CONSTANTS["jazz"]}
    assert set(third[genres == "metal"]) == {"rock"}
    with pytest.raises(ValueError, match="no English text of tag 'pop'"):
        author.texts_of_phase_3(tracks, only, table[table.tag != "pop"])


def test_the_command_measures_a_stand_in(repository, tmp_path):
    folder, _ = repository
    try:
        encoders.find_weights()
    except FileNotFoundError:
        pytest.skip("the sentence model is not installed (extra lyrics)")
    rows = [
        (tag, "en", f"words of {tag} {i}")
        for tag in ("rap", "rock", "pop", "country")
        for i in (1, 2)
    ]
    table = pd.DataFrame(rows, columns=["tag", "language", "lyrics"])
    tracks = sources.load("gtzan-mini-tracks")
    measured = author.facts(folder, tracks, table, ("mini.csv", "words.csv"))
    assert measured.name.is_unique and np.isfinite(measured.value).all()
    kept = attribution.author_facts()
    assert set(measured.name) == set(kept.index)  # the committed file has just these
    assert measured.input[measured.name == "cvae_mse"].str.contains("words.csv").all()
    saved = pd.read_csv(author.save_facts(measured, tmp_path / "facts.csv"))
    assert saved.value.tolist() == pytest.approx(measured.value.tolist(), abs=1e-4)
    with pytest.raises(FileNotFoundError, match="basic_vae.pt: not there"):
        author.facts(tmp_path, tracks, table, ("a", "b"))


# ---- the committed figures -----------------------------------------------------------------------


def test_the_basic_checkpoint_gives_the_papers_table_1():
    """The strongest link to the paper: its own weights on features that others computed."""
    value, paper = attribution.author_facts().value, tables.paper_tables()
    row = paper[paper.method == "VAE + K-Means"].set_index("metric").value
    for metric in ("silhouette", "ari", "nmi"):
        assert value[f"basic_{metric}"] == pytest.approx(row[metric], abs=0.0025)
    assert value["basic_calinski_harabasz"] == pytest.approx(row["calinski_harabasz"], rel=0.003)


def test_pages_show_the_basic_checkpoint_beside_table_1():
    shown = checkpoints.basic_checkpoint()
    assert shown.loc["Silhouette"].tolist() == ["0.154", "0.155"]
    assert shown.loc["NMI"].tolist() == ["0.284", "0.286"]
    text = checkpoints.checkpoint_sentence()
    assert "the paper prints 0.284" in text and 'data-value="author_basic_nmi"' in text
    assert "the 68 features of gtzan_68.csv" in text
    for page in ("01_audio_baseline", "06_results"):
        assert "checkpoints.checkpoint_sentence()" in (ROOT / f"notebooks/{page}.py").read_text()


def test_the_enhanced_checkpoint_gives_the_papers_table_2_to_its_last_digit():
    value, paper = attribution.author_facts().value, tables.paper_tables()
    row = paper[(paper.phase == 2) & (paper.method == "K-Means")].set_index("metric").value
    for metric in ("silhouette", "davies_bouldin", "ari", "nmi"):
        assert value[f"enhanced_{metric}"] == pytest.approx(row[metric], abs=0.0006)
    dbscan = paper[(paper.phase == 2) & (paper.method == "DBSCAN")].set_index("metric").value
    assert value["enhanced_dbscan_nmi"] == pytest.approx(dbscan["nmi"], abs=0.0006)
    assert value["enhanced_dbscan_k"] == 30  # three sentences for each of ten genres


def test_the_heat_map_was_read_right():
    """The counts give the NMI that the paper prints for this clustering."""
    counts = pd.read_csv(ROOT / "data/author_heatmap.csv").set_index("genre")
    assert counts.drop("jazz").sum(axis=1).eq(100).all() and counts.loc["jazz"].sum() == 99
    paper = tables.paper_tables().query("method == 'Beta-VAE'").set_index("metric").value
    assert attribution.author_facts().value["heatmap_nmi"] == pytest.approx(paper["nmi"], abs=6e-4)
    purity = counts.max(axis=0).sum() / counts.to_numpy().sum()
    assert purity == pytest.approx(paper["purity"], abs=6e-4)


def test_the_authors_cvae_is_a_partial_collapse_on_the_rebuilt_input():
    """What page 4 says of it, by the rule of `decision`."""
    value, at = attribution.author_facts().value, Thresholds()
    assert value["cvae_kl"] < at.partial * value["cvae_linear_kl"]
    gain, linear = (
        1 - value[name] / value["cvae_mse_means"] for name in ("cvae_mse", "cvae_mse_linear")
    )
    assert 0 < gain < at.partial * linear
    assert value["cvae_mse_shuffled"] > (1 + at.notices) * value["cvae_mse"]  # z matters


@pytest.mark.skipif(
    not os.environ.get("AUTHOR_REPOSITORY") or not TABLE.exists() or not LYRICS.exists(),
    reason="AUTHOR_REPOSITORY names no copy of the author's repository, or the inputs are not here",
)
def test_the_real_checkpoints_give_the_committed_figures():
    tracks, table = read_table(TABLE, "gtzan"), pd.read_csv(LYRICS)
    folder = Path(os.environ["AUTHOR_REPOSITORY"])
    measured = author.facts(folder, tracks, table, (TABLE.name, LYRICS.name)).set_index("name")
    kept = attribution.author_facts()
    assert measured.index.tolist() == kept.index.tolist()
    assert (measured.source == kept.source).all() and (measured.input == kept.input).all()
    np.testing.assert_allclose(measured.value, kept.value, rtol=0.01, atol=2e-4)
