"""Networks: shapes, the loss in closed form, and what a condition may reach."""

import numpy as np
import pytest
import torch

from helpers import models
from helpers.protocols import PROTOCOLS, Recipe, get

SMALL = Recipe(hidden=(16, 8), latent=3)


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
@pytest.mark.parametrize("name", ["basic_vae", "enhanced_vae", "beta_vae", "cvae", "ae"])
def test_every_recipe_encodes_and_decodes(protocol, name):
    recipe = get(protocol).recipes[name]
    net = models.build(recipe, 20, 4 if recipe.kind == "cvae" else 0).eval()
    x, c = torch.randn(5, 20), torch.eye(4)[[0, 1, 2, 3, 0]] if recipe.kind == "cvae" else None
    mu, logvar = net.encode(x, c)
    assert mu.shape == (5, recipe.latent) and net.decode(mu, c).shape == (5, 20)
    assert (logvar is None) == (recipe.kind == "ae")
    widths = [layer.body[0].out_features for layer in net.encoder]
    assert tuple(widths) == recipe.hidden


def test_the_papers_settings_are_in_the_recipes():
    written, released = get("written").recipes, get("released").recipes
    beta = written["beta_vae"]
    assert (beta.hidden, beta.latent, beta.beta, beta.epochs, beta.batch_size) == (
        (512, 256, 128),
        32,
        4.0,
        200,
        32,
    )
    assert (beta.lr, beta.weight_decay, beta.schedule) == (1e-3, 1e-5, "cosine")
    assert (written["cvae"].epochs, written["cvae"].anneal) == (300, "linear")
    assert released["cvae"].anneal == "none" and released["enhanced_vae"].latent == 64
    assert written["enhanced_vae"].residual and not released["enhanced_vae"].residual


def test_kl_in_closed_form():
    mu, logvar = torch.tensor([[1.0, 0.0, -2.0]]), torch.tensor([[0.0, np.log(4.0), 0.0]])
    kl = models.kl_divergence(mu, logvar)
    torch.testing.assert_close(
        kl, torch.tensor([[0.5, 0.5 * (4 - 1 - np.log(4)), 2.0]], dtype=kl.dtype)
    )
    assert models.kl_divergence(torch.zeros(2, 3), torch.zeros(2, 3)).sum() == 0


def test_elbo_by_hand():
    x, x_hat = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    mu, logvar = torch.tensor([[1.0], [0.0]]), torch.zeros(2, 1)
    loss, reconstruction, kl = models.elbo(x, x_hat, mu, logvar, SMALL, beta=4.0)
    assert (reconstruction, kl, loss) == (3.0, 0.25, 4.0)  # (5 + 1)/2, (0.5 + 0)/2, 3 + 4 * 0.25
    loss, *_ = models.elbo(x, x_hat, mu, logvar, SMALL.but(free_bits=1.0), beta=1.0)
    assert loss == 4.0  # the 0.25 nats count as the free 1.0
    loss, *_ = models.elbo(x, x_hat, mu, logvar, SMALL.but(sigma="learned"), beta=1.0)
    assert float(loss) == pytest.approx(np.log(1.5) + 0.25)  # (2/2) log(6 / 4) + KL
    loss, _, kl = models.elbo(x, x_hat, mu, None, SMALL, beta=4.0)
    assert (loss, kl) == (3.0, 0.0)


@pytest.mark.parametrize(
    ("condition", "encoder", "decoder"),
    [("both", True, True), ("encoder", True, False), ("decoder", False, True)],
)
def test_the_condition_reaches_only_its_side(condition, encoder, decoder):
    torch.manual_seed(0)
    net = models.build(SMALL.but(kind="cvae", condition=condition), 6, 2).eval()
    x, z = torch.randn(4, 6), torch.randn(4, 3)
    one, two = torch.eye(2)[[0, 0, 0, 0]], torch.eye(2)[[1, 1, 1, 1]]
    assert (not torch.equal(net.encode(x, one)[0], net.encode(x, two)[0])) == encoder
    assert (not torch.equal(net.decode(z, one), net.decode(z, two))) == decoder


def test_errors_name_what_is_wrong():
    with pytest.raises(ValueError, match="at least 2 classes"):
        models.build(SMALL.but(kind="cvae"), 6, 1)
    with pytest.raises(ValueError, match="pass the condition c"):
        models.build(SMALL.but(kind="cvae"), 6, 2).encode(torch.randn(2, 6))
    with pytest.raises(ValueError, match="Recipe.kind is 'gan'"):
        Recipe(kind="gan")
    with pytest.raises(ValueError, match="anneal_epochs"):
        Recipe(anneal="linear")
    with pytest.raises(ValueError, match="Recipe.latent is 0"):
        Recipe(latent=0)
    with pytest.raises(ValueError, match="no protocol 'printed'"):
        get("printed")


def test_mutual_information_between_its_bounds():
    torch.manual_seed(0)
    noise = torch.randn(500, 4)
    apart = models.mutual_information(torch.randn(500, 4) * 50, torch.full((500, 4), -6.0), noise)
    assert float(apart) == pytest.approx(np.log(500), abs=1e-3)  # every row has a place of its own
    none = models.mutual_information(torch.zeros(500, 4), torch.zeros(500, 4), noise)
    assert float(none) == pytest.approx(0.0, abs=1e-4)


def test_vade_prior_in_closed_form():
    one = models.Mixture(
        torch.ones(1), torch.zeros(1, 3), torch.ones(1, 3)
    )  # a single standard normal: the usual KL
    mu, logvar = torch.randn(6, 3), torch.randn(6, 3)
    torch.testing.assert_close(
        one.kl(mu, logvar, mu), models.kl_divergence(mu, logvar).sum(1), atol=1e-5, rtol=1e-5
    )
    two = models.Mixture(torch.tensor([0.5, 0.5]), torch.tensor([[-9.0], [9.0]]), torch.ones(2, 1))
    assert two.responsibilities(torch.tensor([[-9.0], [9.0]])).argmax(1).tolist() == [0, 1]
