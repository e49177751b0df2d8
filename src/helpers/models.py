"""The networks: autoencoder, variational autoencoder, conditional variational autoencoder.

Kingma & Welling 2014 (VAE), Higgins et al. 2017 (beta is an argument of the loss, not a class), Sohn, Lee & Yan 2015
(CVAE), Rybkin, Daniilidis & Levine 2021 (learned sigma), Zhu et al. 2020 (BN-VAE). Explained on the page "Method".
Shapes: B batch, D features, d latent dimensions, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .protocols import Recipe

_ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.2)}


class Layer(nn.Module):
    """Linear, BatchNorm, activation, dropout; with a skip connection when the recipe is residual."""

    def __init__(self, n_in: int, n_out: int, recipe: Recipe, dropout: float):
        super().__init__()
        parts: list[nn.Module] = [nn.Linear(n_in, n_out)]
        if recipe.batch_norm:
            parts.append(nn.BatchNorm1d(n_out))
        parts.append(_ACTIVATIONS[recipe.activation]())
        if dropout:
            parts.append(nn.Dropout(dropout))
        self.body = nn.Sequential(*parts)
        self.skip = nn.Linear(n_in, n_out, bias=False) if recipe.residual else None  # widths differ: projected skip

    def forward(self, x: Tensor) -> Tensor:  # (B, n_in) -> (B, n_out)
        h = self.body(x)
        return h if self.skip is None else h + self.skip(x)


def _mlp(sizes: list[int], recipe: Recipe, dropout: float) -> nn.Sequential:
    return nn.Sequential(*[Layer(a, b, recipe, dropout) for a, b in zip(sizes[:-1], sizes[1:], strict=True)])


class AE(nn.Module):
    """Deterministic autoencoder: the non-variational twin of `VAE`; `encode` returns (code, None)."""

    heads = 1  # what the encoder's last layer holds per latent dimension: a code

    def __init__(self, n_features: int, recipe: Recipe, n_classes: int = 0):
        super().__init__()
        self.recipe, self.n_features, self.n_classes = recipe, n_features, n_classes
        conditional = recipe.kind == "cvae"
        self.encoder_sees_c = conditional and recipe.condition in ("both", "encoder")
        self.decoder_sees_c = conditional and recipe.condition in ("both", "decoder")
        hidden, d = list(recipe.hidden), recipe.latent
        self.encoder = _mlp([n_features + n_classes * self.encoder_sees_c, *hidden], recipe, recipe.dropout[0])
        self.head = nn.Linear(hidden[-1], self.heads * d)
        self.decoder = _mlp([d + n_classes * self.decoder_sees_c, *hidden[::-1]], recipe, recipe.dropout[1])
        self.output = nn.Linear(hidden[0], n_features)

    def encode(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """x (B, D), c one-hot (B, C) or None -> code (B, d), None."""
        return self.head(self.encoder(self._with(x, c, self.encoder_sees_c))), None

    def decode(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """z (B, d), c one-hot (B, C) or None -> x_hat (B, D)."""
        return self.output(self.decoder(self._with(z, c, self.decoder_sees_c)))

    def _with(self, x: Tensor, c: Tensor | None, seen: bool) -> Tensor:
        if not seen:
            return x
        if c is None:
            raise ValueError("This model is conditional: pass the condition c, one-hot, shape (n, n_classes).")
        return torch.cat([x, c], dim=1)


class VAE(AE):
    """Gaussian encoder q(z|x) = N(mu, diag exp(logvar)), decoder mean x_hat (Kingma & Welling 2014, eq. 9 and 10)."""

    heads = 2  # mu and logvar

    def __init__(self, n_features: int, recipe: Recipe, n_classes: int = 0):
        super().__init__(n_features, recipe, n_classes)
        self.bn_mu = None
        if recipe.bn_gamma is not None:  # BN-VAE: a fixed scale keeps the variance of mu, hence the KL, above a floor
            self.bn_mu = nn.BatchNorm1d(recipe.latent)
            nn.init.constant_(self.bn_mu.weight, recipe.bn_gamma)
            self.bn_mu.weight.requires_grad_(False)

    def encode(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (B, D), c one-hot (B, C) or None -> mu (B, d), logvar (B, d)."""
        h = self.encoder(self._with(x, c, self.encoder_sees_c))
        mu, logvar = self.head(h).chunk(2, dim=1)
        return (mu if self.bn_mu is None else self.bn_mu(mu)), logvar


class CVAE(VAE):
    """VAE that is also given a condition c: q(z|x,c), p(x|z,c) (Sohn, Lee & Yan 2015); the recipe says who sees c."""

    def __init__(self, n_features: int, recipe: Recipe, n_classes: int):
        if n_classes < 2:
            raise ValueError(f"A CVAE needs a condition with at least 2 classes, not {n_classes}.")
        super().__init__(n_features, recipe, n_classes)


def build(recipe: Recipe, n_features: int, n_classes: int = 0) -> AE:
    """The untrained network that `recipe.kind` names; weights drawn from torch's current random state."""
    return {"ae": AE, "vae": VAE, "cvae": CVAE}[recipe.kind](n_features, recipe, n_classes)


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, 1)) in nats, shape as mu (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (mu.square() + logvar.exp() - 1.0 - logvar)


def elbo(
    x: Tensor, x_hat: Tensor, mu: Tensor, logvar: Tensor | None, recipe: Recipe, beta: float | Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Training loss, reconstruction and KL (nats), each summed over dimensions and averaged over the batch.

    With a fixed scale the reconstruction is the squared error summed over features: up to a constant the negative
    log-likelihood in nats of a Gaussian decoder with sigma^2 = 1/2, so that beta * KL acts like sigma^2 = beta / 2.
    With a learned one it is (D/2) log(mean squared error), sigma-VAE's optimum (Rybkin et al. 2021, eq. 6).
    x, x_hat (B, D); mu, logvar (B, d), logvar None for an autoencoder, whose KL is zero.
    """
    squared = (x_hat - x).square()
    reconstruction = squared.sum() / len(x)
    data_term = reconstruction
    if recipe.sigma == "learned":
        data_term = 0.5 * x.shape[1] * torch.log(squared.mean())
    if logvar is None:
        return data_term, reconstruction, torch.zeros((), device=x.device)
    kl = kl_divergence(mu, logvar)
    total = kl.sum() / len(x)
    if recipe.free_bits:  # Kingma et al. 2016, eq. 15: no reward for pushing a dimension below `free_bits` nats
        penalised = kl.mean(dim=0).clamp_min(recipe.free_bits).sum()
    else:
        penalised = total
    return data_term + beta * penalised, reconstruction, total


def mutual_information(mu: Tensor, logvar: Tensor, generator: torch.Generator) -> float:
    """I(x; z) under q, in nats: mean KL minus KL(q(z) || p(z)), q(z) taken as the mixture over all rows.

    One sample of z per row; the estimate is biased upwards to at most log(B) and can be slightly negative for an
    uninformative encoder. Hoffman & Johnson 2016; used for stopping by He et al. 2019, sec. 4. mu, logvar (B, d).
    """
    noise = torch.randn(mu.shape, generator=generator, device=mu.device)
    z = mu + noise * torch.exp(0.5 * logvar)
    log_q_given_x = -0.5 * (noise.square() + logvar).sum(dim=1)  # the d/2 log(2 pi) cancels below
    distance = ((z[:, None, :] - mu[None]).square() * torch.exp(-logvar)[None] + logvar[None]).sum(dim=2)
    log_q = torch.logsumexp(-0.5 * distance, dim=1) - torch.log(torch.tensor(float(len(mu))))
    return float((log_q_given_x - log_q).mean())
