"""Songs with their own words: multimodal VAEs on planted factors, ways to fuse, and the figures measured before."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.cross_decomposition import CCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression

from helpers import clustering, datasets, inputs, metrics, models, training
from helpers.pairing import figures, fusions, grids, sentences, study
from helpers.pairing.fusions import CONTROLS, FUSIONS, OVER, OWN, SOUND, WITHIN, WORDS
from helpers.protocols import Recipe

SMALL = Recipe(hidden=(32,), latent=6, epochs=80, batch_size=64, clip_norm=1.0)


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path_factory.mktemp("cache")))


def planted(seed, n=1200):
    """Sound made of a shared factor and one of its own, words of the shared one and another, and the three, (n,)."""
    rng = np.random.default_rng(seed)
    factors = {name: rng.normal(size=n) for name in ("shared", "of the sound", "of the words")}
    blocks = {}
    for name, own in (("sound", "of the sound"), ("words", "of the words")):
        made = np.stack([factors["shared"], factors[own]], axis=1) @ np.linalg.qr(rng.normal(size=(12, 2)))[0].T
        blocks[name] = made + 0.1 * rng.normal(size=made.shape)
    return blocks, factors


@pytest.mark.parametrize("seed", range(5))
def test_the_mixture_of_experts_finds_which_planted_factor_is_shared(seed):
    """What either modality alone lets the network make of the other carries the shared factor, and nothing of what is
    the other's own, for songs that it has not seen; both together keep all three. The code is one: a line fitted to
    what the sound's expert says reads the shared factor off the words' expert."""
    blocks, factors = planted(seed)
    data = fusions.balanced(blocks)
    seen, fitted, asked = np.split(np.arange(len(data[0])), 3)  # by the network, by the lines, by neither
    net, _ = fusions.fit_multimodal(tuple(x[seen] for x in data), seed, recipe=SMALL)
    with torch.no_grad():
        asking = {"sound": (data[0], None), "words": (None, data[1]), "both": data}
        found = {name: net.encode(*modalities)[0] for name, modalities in asking.items()}
        found |= {"words made": net.decode(found["sound"])[1], "sound made": net.decode(found["words"])[0]}

    def read(factor, one, other):
        line = LinearRegression().fit(found[one][fitted], factors[factor][fitted])
        return line.score(found[other][asked], factors[factor][asked])

    crossed = {f: min(read(f, made, made) for made in ("words made", "sound made")) for f in factors}
    assert max(crossed, key=crossed.get) == "shared" and crossed["shared"] > 0.9
    assert max(crossed["of the sound"], crossed["of the words"]) < 0.1
    assert min(read(factor, "both", "both") for factor in factors) > 0.9, "both modalities together lost a factor"
    assert read("shared", "sound", "words") > 0.5


def test_product_of_experts_in_closed_form():
    one, other = (torch.tensor([[1.0]]), torch.zeros(1, 1)), (torch.tensor([[3.0]]), torch.zeros(1, 1))
    mu, logvar = models.product([one, other])  # with the prior N(0, 1): precision 3, mean 4/3
    assert mu.item() == pytest.approx(4 / 3) and logvar.exp().item() == pytest.approx(1 / 3)
    assert models.product([one]) is one


def test_the_loss_is_the_mean_over_subsets_and_that_of_a_vae_where_there_is_one(monkeypatch):
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0)), torch.ones(7, 2)
    monkeypatch.setattr(models, "sample", lambda mu, logvar: mu)
    with training.seeded(0):
        net, joint = (models.MultimodalVAE([3, 2], SMALL, joint) for joint in (False, True))
    mu, logvar = joint.encode(*x)
    whole = models.elbo(torch.cat(x, 1), torch.cat(joint.decode(mu), 1), mu, logvar, SMALL, 4.0)
    torch.testing.assert_close(torch.stack(models.multimodal_loss(joint, x, 4.0)), torch.stack(whole))
    subsets = [(x[0], None), (None, x[1]), x]
    means = [models.elbo(torch.cat(x, 1), torch.cat(net.decode(m), 1), m, v, SMALL, 4.0)
             for m, v in (net.encode(*subset) for subset in subsets)]  # fmt: skip
    torch.testing.assert_close(torch.stack(models.multimodal_loss(net, x, 4.0)),
                               torch.stack([torch.stack(part) for part in means]).mean(0))  # fmt: skip


def test_a_missing_modality_is_read_or_refused():
    net = models.MultimodalVAE([3, 2], SMALL)
    sound = torch.randn(5, 3)
    mu, logvar = net.encode(sound, None)
    torch.testing.assert_close(torch.cat([mu, logvar], 1), net.encoders[0](sound))
    with pytest.raises(ValueError, match="Every modality is missing"):
        net.encode(None, None)
    with pytest.raises(ValueError, match="joint encoder needs every modality"):
        models.MultimodalVAE([3, 2], SMALL, joint=True).encode(sound, None)


def test_cca_agrees_with_scikit_learn():
    blocks, factors = planted(0)
    correlations, one, other = fusions.cca(blocks["sound"], blocks["words"], 2)
    theirs = CCA(1, max_iter=2000).fit(blocks["sound"], blocks["words"]).transform(blocks["sound"], blocks["words"])
    assert correlations[0] == pytest.approx(np.corrcoef(theirs[0][:, 0], theirs[1][:, 0])[0, 1], abs=1e-4)
    scores = (blocks["sound"] - blocks["sound"].mean(0)) @ one
    assert np.abs(np.corrcoef(scores[:, 0], factors["shared"])[0, 1]) > 0.95
    np.testing.assert_allclose(scores.std(axis=0, ddof=1), 1)


def test_the_loss_of_deep_cca_is_what_the_outputs_lack_in_correlation():
    blocks, _ = planted(1)
    net = fusions.DeepCCA([12, 12], 2)
    net.parts = torch.nn.ModuleList([torch.nn.Linear(12, 2), torch.nn.Linear(12, 2)])
    data = tuple(torch.tensor(1e3 * blocks[name], dtype=torch.float32) for name in ("sound", "words"))  # ridge: nothing
    with torch.no_grad():
        loss = fusions.deep_loss(net, data, 1.0)[0].item()
        outputs = [part(x).double().numpy() for part, x in zip(net.parts, data)]
    assert loss == pytest.approx(2 - fusions.cca(*outputs)[0].sum(), abs=1e-3)


# ---- controls and bad input -----------------------------------------------------------------------------------------


def songs(n=60, language=True, genre=True, words=None, artists=None) -> datasets.Tracks:
    """Songs of two genres that sound apart, with words of two languages; artists of two songs each."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(n, 6)) + 3 * (np.arange(n) % 2)[:, None]).add_prefix("f")
    table.insert(0, "track_id", [f"song {i}" for i in range(n)])
    table.insert(1, "artist", [f"artist {i // 4}" for i in range(n)] if artists is None else artists)
    if genre:
        table.insert(1, "genre", np.where(np.arange(n) % 2, "loud", "soft"))
    if language:
        table["language"] = np.where(np.arange(n) // 2 % 2, "de", "en")
    text = rng.normal(size=(n, 20)) + 4 * (np.arange(n) // 2 % 2)[:, None] if words is None else words
    return datasets.from_table(table, "mine", text=pd.DataFrame(text))


def test_shuffled_words_stay_within_their_language_and_leave_their_song():
    pair = fusions.pair(songs())
    within, over = pair.order(WITHIN, 0), pair.order(OVER, 0)
    for order in (within, over):
        assert sorted(order) == list(range(60)) and (order == np.arange(60)).mean() < 0.2
    assert (pair.language[within] == pair.language).all() and (pair.language[over] != pair.language).any()
    assert (pair.order(OWN, 0) == np.arange(60)).all() and (pair.order(OVER, 1) != over).any()
    assert set(pair.blocks(SOUND, 0)) == {"sound"} and set(pair.blocks(WORDS, 0)) == {"words"}


def test_removing_the_language_leaves_no_mean_of_it():
    pair = fusions.pair(songs())
    centred, german = pair.without("language"), pair.language == "de"
    assert np.abs(centred[german].mean(0)).max() < 1e-9 < np.abs(pair.words[german].mean(0)).max()
    assert pair.without("direction").shape[1] == pair.words.shape[1] - 1


def test_no_table_has_a_hole_and_every_fusion_runs():
    tracks = songs()
    found = study.clusters(tracks, list(FUSIONS), CONTROLS, 2, 1)
    tables = [study.scores(tracks, found), study.by_weight(tracks, 1, 1), study.probes(tracks, 2, 1),
              study.retrieval(tracks, 2, n_jobs=1)]  # fmt: skip
    for table in tables:
        assert len(table) and not table.isna().any().any(), table
    fused = tables[0].query("metric == 'nmi'").set_index(["fusion", "control", "target"])["mean"]
    assert fused["concatenation", SOUND, "genre"] > 0.8 > 0.2 > fused["concatenation", WORDS, "genre"]
    assert fused["concatenation", WORDS, "language"] > 0.8
    weights = tables[1].set_index(["control", "target", "weight"])["mean"]
    assert weights[OWN, "genre", 0.0] > 0.8 and weights[OWN, "language", 1.0] > 0.8 > weights[OWN, "language", 0.0]


@pytest.mark.parametrize("given", [{"language": False}, {"genre": False}, {"genre": False, "language": False},
                                   {"n": 24}, {"artists": ["one"] * 60}])  # fmt: skip
def test_what_a_collection_lacks_is_left_out_and_not_a_hole(given):
    tracks = songs(**given)
    found = study.clusters(tracks, ["concatenation", "CCA", "joint VAE"], CONTROLS, 2, 1)
    spread = study.variance(tracks)
    tables = [study.scores(tracks, found), study.probes(tracks, 2, 1), spread]
    assert not any(table.isna().any().any() for table in tables)
    assert all(WITHIN not in control for _, control, _ in found) == (not given.get("language", True))
    if "artists" not in given:
        assert len(study.retrieval(tracks, 1, ("CCA",), 1)) == 2
    for text in (sentences.verdict(*tables[:2]), sentences.clusters(tables[0]), sentences.directions(spread)):
        assert text and "nan" not in text.lower()


def test_words_that_say_nothing_end_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(fusions, "load", lambda name: songs(words=np.ones((60, 20))))
    with pytest.raises(ValueError, match="mine: all songs have the same words"):
        fusions.songs("mine")
    words = np.random.default_rng(0).normal(size=(60, 20))
    words[15:] = words[:15].mean(axis=0)  # what a folder gives a song without a text
    monkeypatch.setattr(fusions, "load", lambda name: songs(words=words))
    with pytest.raises(ValueError, match="mine: 15 songs have words of their own; this page needs 20"):
        fusions.songs("mine")
    words[15:30] = np.random.default_rng(1).normal(size=(15, 20))
    words[30:] = words[:30].mean(axis=0)
    tracks, note = fusions.songs("mine")
    assert tracks.n == 30 and "30 without words left out" in note


def test_a_data_set_without_words_gets_the_books_songs():
    tracks, note = fusions.songs("gtzan-mini-tracks")
    assert tracks.name == "paired" and note.startswith("The tracks of gtzan-mini-tracks have no words of their own")


def test_a_class_of_few_songs_is_not_scored():
    tracks = datasets.load("paired")
    found = study.targets(tracks)
    assert {name: (codes.max() + 1, (codes >= 0).sum()) for name, codes in found.items() if "only" not in name} == {
        "genius_tag": (3, 978), "msd_genre": (7, 396), "language": (2, 1000)}  # fmt: skip
    assert {name for name in found if "only" in name} == {"genius_tag, de only", "genius_tag, en only"}


# ---- the figures measured before ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def paired():
    return datasets.load("paired")


@pytest.mark.parametrize(("target", "control", "mean", "sd"), [
    ("genius_tag", SOUND, 0.117, 0.001), ("genius_tag", OWN, 0.117, 0.001), ("genius_tag", OVER, 0.118, 0.001),
    ("msd_genre", SOUND, 0.166, 0.015), ("msd_genre", OWN, 0.159, 0.006), ("msd_genre", OVER, 0.171, 0.017),
    ("language", SOUND, 0.002, 0.001), ("language", OWN, 0.003, 0.001), ("language", WORDS, 0.83, 0.354),
    ("genius_tag", WORDS, 0.026, 0.007), ("msd_genre", WORDS, 0.062, 0.013),
])  # fmt: skip
def test_k_means_rows(paired, target, control, mean, sd):
    """Columns z-scored, .6/.4, on the songs that have the label."""
    codes = study.targets(paired)[target]
    pair = fusions.pair(paired.rows(codes >= 0))
    truth = codes[codes >= 0]
    nmi = [metrics.external(truth, clustering.cluster(
        fusions.space(pair, "concatenation, columns z-scored", control, seed), "kmeans", codes.max() + 1, seed))["nmi"]
        for seed in range(5)]  # fmt: skip
    assert np.mean(nmi) == pytest.approx(mean, abs=max(2 * sd, 0.002))


def test_probes_and_cca(paired):
    tags = paired.rows(study.targets(paired)["genius_tag"] >= 0)
    codes = study.targets(tags)["genius_tag"]
    pair = fusions.pair(tags)

    def probe(what):
        guesses = np.stack([study.probed(study.probe_input(pair, what, seed), codes, tags.groups, True, seed)["guess"]
                            for seed in range(3)])  # fmt: skip
        return study._probe_sums(codes, guesses, tags.groups, True)[0].mean()

    for what, figure in ((SOUND, 0.619), (WORDS, 0.635), (OWN, 0.712), (OVER, 0.591)):
        assert probe(what) == pytest.approx(figure, abs=0.02), what
    for control, low, high in ((OWN, 0.134, 0.140), (OVER, 0.003, 0.005)):
        space = fusions.space(pair, "CCA", control, 0)
        nmi = np.mean([metrics.external(codes, clustering.cluster(space, "kmeans", 3, s))["nmi"] for s in range(3)])
        assert low - 0.02 <= nmi <= high + 0.02


def test_character_pieces_find_the_language(shared):
    """Words alone give the language away, without any model."""
    table = pd.read_csv(shared / "lyrics" / "genius_sample.csv").query("language in ['en', 'de']")
    table = table.groupby("language").head(400)
    model = TfidfVectorizer(analyzer="char", ngram_range=(2, 3), max_features=3000)
    pieces = model.fit_transform(table.lyrics.str[:2000])
    space, _ = inputs.reduce_text(pieces.toarray(), 32)
    assert metrics.external(table.language.to_numpy(), clustering.cluster(space, "kmeans", 2))["nmi"] > 0.9


def test_published_grids_are_whole():
    for name in ("fusions", "weights", "probes", "retrieval", "texts"):
        table = grids.stored(name)
        assert table is not None and not table.isna().any().any(), name
    table = grids.stored("fusions")
    assert table.seeds.min() >= 10 and set(table.fusion) == set(FUSIONS) and set(table.control) == set(CONTROLS)
    assert isinstance(figures.gains(table, "genius_tag").axes[0].get_xlabel(), str)
