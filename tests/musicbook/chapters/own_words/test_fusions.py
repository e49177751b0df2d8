"""Ways to make one space of sound and words: multimodal VAEs on planted factors, canonical
correlation against scikit-learn, losses in closed form."""

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import CCA
from sklearn.linear_model import LinearRegression

from helpers import models, training
from helpers.protocols import Recipe
from musicbook.chapters.own_words import fusions

SMALL = Recipe(hidden=(32,), latent=6, epochs=80, batch_size=64, clip_norm=1.0)


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path_factory.mktemp("cache")))


def planted(seed, n=1200):
    """Sound made of a shared factor and one of its own, words of the shared one and another, and
    the three, (n,)."""
    rng = np.random.default_rng(seed)
    factors = {name: rng.normal(size=n) for name in ("shared", "of the sound", "of the words")}
    blocks = {}
    for name, own in (("sound", "of the sound"), ("words", "of the words")):
        made = (
            np.stack([factors["shared"], factors[own]], axis=1)
            @ np.linalg.qr(rng.normal(size=(12, 2)))[0].T
        )
        blocks[name] = made + 0.1 * rng.normal(size=made.shape)
    return blocks, factors


@pytest.mark.parametrize("seed", range(5))
def test_the_mixture_of_experts_finds_which_planted_factor_is_shared(seed):
    """What either modality alone lets the network make of the other carries the shared factor, and
    nothing of what is the other's own, for songs that it has not seen; both together keep all
    three. The code is one: a line fitted to what the sound's expert says reads the shared factor
    off the words' expert."""
    blocks, factors = planted(seed)
    data = fusions.balanced(blocks)
    seen, fitted, asked = np.split(
        np.arange(len(data[0])), 3
    )  # by the network, by the lines, by neither
    net, _ = fusions.fit_multimodal(tuple(x[seen] for x in data), seed, recipe=SMALL)
    with torch.no_grad():
        asking = {"sound": (data[0], None), "words": (None, data[1]), "both": data}
        found = {name: net.encode(*modalities)[0] for name, modalities in asking.items()}
        found |= {
            "words made": net.decode(found["sound"])[1],
            "sound made": net.decode(found["words"])[0],
        }

    def read(factor, one, other):
        line = LinearRegression().fit(found[one][fitted], factors[factor][fitted])
        return line.score(found[other][asked], factors[factor][asked])

    crossed = {
        f: min(read(f, made, made) for made in ("words made", "sound made")) for f in factors
    }
    assert max(crossed, key=crossed.get) == "shared" and crossed["shared"] > 0.9
    assert max(crossed["of the sound"], crossed["of the words"]) < 0.1
    assert min(read(factor, "both", "both") for factor in factors) > 0.9, (
        "both modalities together lost a factor"
    )
    assert read("shared", "sound", "words") > 0.5


def test_product_of_experts_in_closed_form():
    one, other = (
        (torch.tensor([[1.0]]), torch.zeros(1, 1)),
        (torch.tensor([[3.0]]), torch.zeros(1, 1)),
    )
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

    def stacked(parts):  # the KL of all dimensions together
        return torch.stack([part.sum() for part in parts])

    torch.testing.assert_close(stacked(models.multimodal_loss(joint, x, 4.0)), stacked(whole))
    subsets = [(x[0], None), (None, x[1]), x]
    means = [
        models.elbo(torch.cat(x, 1), torch.cat(net.decode(m), 1), m, v, SMALL, 4.0)
        for m, v in (net.encode(*subset) for subset in subsets)
    ]
    torch.testing.assert_close(
        stacked(models.multimodal_loss(net, x, 4.0)),
        torch.stack([stacked(part) for part in means]).mean(0),
    )


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
    theirs = (
        CCA(1, max_iter=2000)
        .fit(blocks["sound"], blocks["words"])
        .transform(blocks["sound"], blocks["words"])
    )
    assert correlations[0] == pytest.approx(
        np.corrcoef(theirs[0][:, 0], theirs[1][:, 0])[0, 1], abs=1e-4
    )
    scores = (blocks["sound"] - blocks["sound"].mean(0)) @ one
    assert np.abs(np.corrcoef(scores[:, 0], factors["shared"])[0, 1]) > 0.95
    np.testing.assert_allclose(scores.std(axis=0, ddof=1), 1)


def test_the_loss_of_deep_cca_is_what_the_outputs_lack_in_correlation():
    blocks, _ = planted(1)
    net = fusions.DeepCCA([12, 12], 2)
    net.parts = torch.nn.ModuleList([torch.nn.Linear(12, 2), torch.nn.Linear(12, 2)])
    data = tuple(
        torch.tensor(1e3 * blocks[name], dtype=torch.float32) for name in ("sound", "words")
    )  # ridge: nothing
    with torch.no_grad():
        loss = fusions.deep_loss(net, data, 1.0)[0].item()
        outputs = [part(x).double().numpy() for part, x in zip(net.parts, data)]
    assert loss == pytest.approx(2 - fusions.cca(*outputs)[0].sum(), abs=1e-3)


def test_the_product_of_experts_is_trained_by_the_loss_of_both_modalities(monkeypatch):
    """It is the part of the mixture's loss in which both experts are there."""
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0)), torch.ones(7, 2)
    monkeypatch.setattr(models, "sample", lambda mu, logvar: mu)
    with training.seeded(0):
        net = models.MultimodalVAE([3, 2], SMALL)
    mu, logvar = net.encode(*x)
    whole = models.elbo(torch.cat(x, 1), torch.cat(net.decode(mu), 1), mu, logvar, SMALL, 4.0)
    loss, reconstruction, kl = fusions.product_loss(net, x, 4.0)
    torch.testing.assert_close(loss, whole[0])
    torch.testing.assert_close(reconstruction, whole[1])
    torch.testing.assert_close(kl, whole[2].sum())


def test_canonical_correlation_of_few_songs_takes_few_components():
    """With as many columns as songs any sound would correlate perfectly with any words."""
    rng = np.random.default_rng(0)
    blocks = {"sound": rng.normal(size=(40, 30)), "words": rng.normal(size=(40, 39))}
    sound, words = fusions.few_components(blocks)
    assert sound.shape == words.shape == (40, 8)
    assert fusions.cca(sound, words)[0].max() < 0.95
