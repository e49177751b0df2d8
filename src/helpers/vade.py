"""Variational deep embedding: a VAE whose prior is a mixture of Gaussians, one per cluster (Jiang et al. 2017).

The deep-clustering baseline of the Results page. As in that paper, training starts from an autoencoder and a Gaussian
mixture on its codes, and then moves networks and mixture together.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn

from . import loop, models, training
from .protocols import Recipe
from .training import Fit


class Mixture(nn.Module):
    """The prior p(z) = sum_k pi_k N(m_k, diag exp(s_k)): logits (K,), means (K, d), log-variances (K, d)."""

    def __init__(self, weights: np.ndarray, means: np.ndarray, variances: np.ndarray):
        super().__init__()
        self.logits = nn.Parameter(torch.log(torch.as_tensor(weights, dtype=torch.float32)))
        self.means = nn.Parameter(torch.as_tensor(means, dtype=torch.float32))
        self.logvars = nn.Parameter(torch.log(torch.as_tensor(variances, dtype=torch.float32)))

    def responsibilities(self, z: Tensor) -> Tensor:
        """p(k | z), (B, d) -> (B, K) (Jiang et al. 2017, eq. 16)."""
        squared = (z[:, None] - self.means).square() * torch.exp(-self.logvars)
        log_joint = torch.log_softmax(self.logits, 0) - 0.5 * (squared + self.logvars).sum(2)
        return torch.softmax(log_joint, dim=1)

    def kl(self, mu: Tensor, logvar: Tensor, z: Tensor) -> Tensor:
        """KL of q(z, k | x) to the mixture in nats, (B, d) -> (B,) (eq. 12 without its reconstruction term)."""
        gamma = self.responsibilities(z)
        expected = torch.exp(-self.logvars) * (logvar.exp()[:, None] + (mu[:, None] - self.means).square())
        per_cluster = 0.5 * (self.logvars + expected).sum(2) - 0.5 * (1.0 + logvar).sum(1, keepdim=True)
        assignment = torch.log(gamma + 1e-10) - torch.log_softmax(self.logits, 0)
        return (gamma * (per_cluster + assignment)).sum(1)


def _from_autoencoder(start: Fit, recipe: Recipe) -> models.AE:
    """The VAE whose means are the codes of an autoencoder and whose posterior is narrow (variance e^-3 everywhere)."""
    net = models.build(recipe, start.n_features)
    state = {name: torch.tensor(value) for name, value in start.state.items()}
    state["head.weight"] = torch.cat([state["head.weight"], torch.zeros_like(state["head.weight"])])
    state["head.bias"] = torch.cat([state["head.bias"], torch.full_like(state["head.bias"], -3.0)])
    net.load_state_dict(state)
    return net


def cluster(
    X: np.ndarray, recipe: Recipe, n_clusters: int, seed: int, epochs: int = 50, lr: float = 1e-3
) -> tuple[np.ndarray, np.ndarray]:
    """Cluster X (n, n_features) by VaDE: labels (n,) = argmax_k p(k | mu), and the latent means (n, latent).

    `recipe` is a plain VAE's; its autoencoder twin is trained first (cached). Raises ValueError for another kind.
    Jiang et al. 2017, sec. 3; page "Results".
    """
    if recipe.kind != "vae":
        raise ValueError(f"VaDE needs the recipe of a VAE, not of kind {recipe.kind!r}.")
    start = training.fit(X, recipe.but(kind="ae", beta=1.0, anneal="none"), seed)
    gmm = GaussianMixture(n_clusters, covariance_type="diag", random_state=seed, reg_covar=1e-3, n_init=5).fit(start.mu)
    with loop.single_thread():
        torch.manual_seed(seed)  # dropout draws from torch's global state
        net, prior = _from_autoencoder(start, recipe), Mixture(gmm.weights_, gmm.means_, gmm.covariances_)
        data = torch.from_numpy(np.ascontiguousarray(X, dtype=np.float32))
        generator = torch.Generator().manual_seed(seed)
        optimiser = torch.optim.Adam([*net.parameters(), *prior.parameters()], lr=lr, fused=True)
        for _ in range(epochs):
            order = torch.randperm(len(data), generator=generator)
            noise = torch.randn((len(data), recipe.latent), generator=generator)
            net.train()
            for rows in order.split(recipe.batch_size):
                if len(rows) < 2:  # BatchNorm needs two
                    continue
                x = data[rows]
                mu, logvar = net.encode(x)
                z = mu + noise[rows] * torch.exp(0.5 * logvar)
                loss = ((net.decode(z) - x).square().sum(1) + prior.kl(mu, logvar, z)).mean()
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
        net.eval()
        with torch.no_grad():
            mu, _ = net.encode(data)
            return prior.responsibilities(mu).argmax(1).numpy(), mu.numpy()
