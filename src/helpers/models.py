"""The networks: autoencoder, variational autoencoder, conditional and multimodal variational
autoencoders.

Kingma & Welling 2014 (VAE), Higgins et al. 2017 (beta is an argument of the loss, not a class),
Sohn, Lee & Yan 2015 (CVAE), Rybkin, Daniilidis & Levine 2021 (learned sigma), Zhu et al. 2020
(BN-VAE). Explained on the page "Method". Shapes: B batch, D features, d latent dimensions, C
classes."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

from helpers.protocols import Recipe

_ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.2)}


class Layer(nn.Module):
    """Linear, BatchNorm, activation, dropout; with a skip connection when the recipe is
    residual."""

    def __init__(self, n_in: int, n_out: int, recipe: Recipe, dropout: float):
        super().__init__()
        parts: list[nn.Module] = [nn.Linear(n_in, n_out)]
        if recipe.batch_norm:
            parts.append(nn.BatchNorm1d(n_out))
        parts.append(_ACTIVATIONS[recipe.activation]())  # type: ignore[operator]
        if dropout:
            parts.append(nn.Dropout(dropout))
        self.body = nn.Sequential(*parts)
        # a projection, since the widths differ
        self.skip = nn.Linear(n_in, n_out, bias=False) if recipe.residual else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in) -> (B, n_out)."""
        h = self.body(x)
        if self.skip is None:
            return h
        return h + self.skip(x)


def _mlp(sizes: list[int], recipe: Recipe, dropout: float) -> nn.Sequential:
    pairs = zip(sizes[:-1], sizes[1:], strict=True)
    return nn.Sequential(*[Layer(n_in, n_out, recipe, dropout) for n_in, n_out in pairs])


class AE(nn.Module):
    """Deterministic autoencoder: the non-variational twin of `VAE`; `encode` returns (code,
    None)."""

    heads = 1  # what the encoder's last layer holds per latent dimension: a code

    def __init__(self, n_features: int, recipe: Recipe, n_classes: int = 0):
        super().__init__()
        self.recipe, self.n_features, self.n_classes = recipe, n_features, n_classes
        conditional = recipe.kind == "cvae"
        self.encoder_sees_c = conditional and recipe.condition in ("both", "encoder")
        self.decoder_sees_c = conditional and recipe.condition in ("both", "decoder")
        hidden, d = list(recipe.hidden), recipe.latent
        n_encoder = n_features + (n_classes if self.encoder_sees_c else 0)
        n_decoder = d + (n_classes if self.decoder_sees_c else 0)
        self.encoder = _mlp([n_encoder, *hidden], recipe, recipe.dropout[0])
        self.head = nn.Linear(hidden[-1], self.heads * d)
        self.decoder = _mlp([n_decoder, *hidden[::-1]], recipe, recipe.dropout[1])
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
            raise ValueError(
                "This model is conditional: pass the condition c, one-hot, shape (n, n_classes)."
            )
        return torch.cat([x, c], dim=1)


class VAE(AE):
    """Gaussian encoder q(z|x) = N(mu, diag exp(logvar)), decoder mean x_hat (Kingma & Welling 2014,
    eq. 9 and 10)."""

    heads = 2  # mu and logvar

    def __init__(self, n_features: int, recipe: Recipe, n_classes: int = 0):
        super().__init__(n_features, recipe, n_classes)
        self.bn_mu = None
        if recipe.bn_gamma is not None:
            # BN-VAE: a fixed scale keeps the variance of mu, hence the KL, above a floor
            self.bn_mu = nn.BatchNorm1d(recipe.latent)
            nn.init.constant_(self.bn_mu.weight, recipe.bn_gamma)
            self.bn_mu.weight.requires_grad_(False)

    def encode(self, x: Tensor, c: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (B, D), c one-hot (B, C) or None -> mu (B, d), logvar (B, d)."""
        h = self.encoder(self._with(x, c, self.encoder_sees_c))
        mu, logvar = self.head(h).chunk(2, dim=1)
        if self.bn_mu is not None:
            mu = self.bn_mu(mu)
        return mu, logvar


class CVAE(VAE):
    """VAE that is also given a condition c: q(z|x,c), p(x|z,c) (Sohn, Lee & Yan 2015); the recipe
    says who sees c."""

    def __init__(self, n_features: int, recipe: Recipe, n_classes: int):
        if n_classes < 2:
            raise ValueError(f"A CVAE needs a condition with at least 2 classes, not {n_classes}.")
        super().__init__(n_features, recipe, n_classes)


def build(recipe: Recipe, n_features: int, n_classes: int = 0) -> AE:
    """The untrained network that `recipe.kind` names; weights drawn from torch's current random
    state."""
    kinds = {"ae": AE, "vae": VAE, "cvae": CVAE}
    return kinds[recipe.kind](n_features, recipe, n_classes)


ACTIVE_KL = 0.05  # nats: a latent dimension with more is active


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, 1)) in nats, shape as mu (Kingma & Welling 2014, appendix
    B)."""
    return 0.5 * (mu.square() + logvar.exp() - 1.0 - logvar)


def sample(mu: Tensor, logvar: Tensor | None) -> Tensor:
    """One draw z ~ q(z|x) per row (Kingma & Welling 2014, eq. 10), noise from torch's random state;
    the code itself for an autoencoder, whose logvar is None."""
    if logvar is None:
        return mu
    return mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)


def elbo(
    x: Tensor, x_hat: Tensor, mu: Tensor, logvar: Tensor | None, recipe: Recipe, beta: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of training, its reconstruction, and its KL of each latent dimension (nats, (d,)).

    All are averaged over the batch; the loss and the reconstruction are summed over dimensions.
    x, x_hat (B, D); mu, logvar (B, d); logvar is None for an autoencoder, whose KL is zero.

    With a fixed scale the reconstruction is the squared error: up to a constant the negative
    log-likelihood in nats of a Gaussian decoder with sigma^2 = 1/2, so that beta * KL acts like
    sigma^2 = beta / 2. With a learned scale it is (D/2) log(mean squared error), sigma-VAE's
    optimum (Rybkin et al. 2021, eq. 6). Printed on the page "Method"."""
    squared = (x_hat - x).square()
    reconstruction = squared.sum() / len(x)
    data_term = reconstruction
    if recipe.sigma == "learned":
        data_term = 0.5 * x.shape[1] * torch.log(squared.mean())
    if logvar is None:
        return data_term, reconstruction, torch.zeros_like(mu[0])
    kl = kl_divergence(mu, logvar).mean(dim=0)
    penalised = kl
    if recipe.free_bits:  # no reward for pushing a dimension below (Kingma et al. 2016, eq. 15)
        penalised = kl.clamp_min(recipe.free_bits)
    return data_term + beta * penalised.sum(), reconstruction, kl


def loss(net: AE, batch: tuple[Tensor, ...], beta: float) -> tuple[Tensor, Tensor, Tensor]:
    """What training minimises on one batch, (x,) or (x, c): `elbo` of encode, sample, decode."""
    mu, logvar = net.encode(*batch)
    x_hat = net.decode(sample(mu, logvar), *batch[1:])
    return elbo(batch[0], x_hat, mu, logvar, net.recipe, beta)


def mutual_information(mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """I(x; z) under q, in nats: mean KL minus KL(q(z) || p(z)), q(z) taken as the mixture over all
    rows.

    One sample z = mu + noise * exp(logvar / 2) per row, noise standard normal; the estimate is at
    most log(B), where it saturates, and can be slightly negative for an uninformative encoder. mu,
    logvar, noise (B, d). Hoffman & Johnson 2016, eq. 9; used for stopping by He et al. 2019, sec.
    4."""
    # in double precision, since the distances are differences of large numbers
    mu, logvar, noise = mu.double(), logvar.double(), noise.double()
    z = mu + noise * torch.exp(0.5 * logvar)
    precision = torch.exp(-logvar)
    distance = z.square() @ precision.T
    distance = distance - 2.0 * z @ (mu * precision).T
    distance = distance + (mu.square() * precision + logvar).sum(1)
    log_q = torch.logsumexp(-0.5 * distance, dim=1) - math.log(len(mu))
    log_q_given_x = -0.5 * (noise.square() + logvar).sum(dim=1)  # the d/2 log(2 pi) cancels
    return (log_q_given_x - log_q).mean()


class Mixture(nn.Module):
    """VaDE's prior p(z) = sum_k pi_k N(m_k, diag exp(s_k)), one Gaussian a cluster (Jiang et al.
    2017): weights (K,), means and variances (K, d) to start from. Page "Results"."""

    def __init__(self, weights: Tensor, means: Tensor, variances: Tensor):
        super().__init__()
        self.logits, self.means = nn.Parameter(torch.log(weights)), nn.Parameter(means)
        self.logvars = nn.Parameter(torch.log(variances))

    def responsibilities(self, z: Tensor) -> Tensor:
        """p(k | z), (B, d) -> (B, K) (eq. 16)."""
        squared = (z[:, None] - self.means).square() * torch.exp(-self.logvars)
        log_joint = torch.log_softmax(self.logits, 0) - 0.5 * (squared + self.logvars).sum(2)
        return torch.softmax(log_joint, dim=1)

    def kl(self, mu: Tensor, logvar: Tensor, z: Tensor) -> Tensor:
        """KL of q(z, k | x) to the mixture in nats, (B, d) -> (B,) (eq. 12 without its
        reconstruction term)."""
        gamma = self.responsibilities(z)
        squared = logvar.exp()[:, None] + (mu[:, None] - self.means).square()
        expected = torch.exp(-self.logvars) * squared
        per_cluster = 0.5 * (self.logvars + expected).sum(2)
        per_cluster = per_cluster - 0.5 * (1.0 + logvar).sum(1, keepdim=True)
        assignment = torch.log(gamma + 1e-10) - torch.log_softmax(self.logits, 0)
        return (gamma * (per_cluster + assignment)).sum(1)


class VaDE(VAE):
    """A VAE whose prior is a `Mixture`, started from an autoencoder's weights `state` with a narrow
    posterior (variance e^-3 everywhere) as in Jiang et al. 2017, sec. 3."""

    def __init__(self, n_features: int, recipe: Recipe, state: dict[str, Tensor], prior: Mixture):
        super().__init__(n_features, recipe)
        weight, bias = state["head.weight"], state["head.bias"]
        head = {
            "head.weight": torch.cat([weight, torch.zeros_like(weight)]),
            "head.bias": torch.cat([bias, torch.full_like(bias, -3.0)]),
        }
        self.load_state_dict(state | head)
        self.prior = prior


def vade_loss(net: VaDE, batch: tuple[Tensor, ...], beta: float) -> tuple[Tensor, Tensor, Tensor]:
    """`loss` with the KL to the mixture in place of the one to a standard normal (Jiang et al.
    2017, eq. 12)."""
    mu, logvar = net.encode(*batch)
    z = sample(mu, logvar)
    reconstruction = (net.decode(z) - batch[0]).square().sum() / len(mu)
    kl = net.prior.kl(mu, logvar, z).mean()
    return reconstruction + beta * kl, reconstruction, kl


class MultimodalVAE(nn.Module):
    """A VAE of several modalities, a decoder for each from one code; `sizes` are their numbers of
    columns.

    `joint`: one encoder reads all modalities side by side (Suzuki, Nakayama & Matsuo 2016, without
    the encoders of single modalities). Else each has its encoder, an expert; any subset of experts
    gives a posterior by multiplication, and the posterior is the mixture of all of these (MoPoE,
    Sutter, Daunhawer & Vogt 2021): the one of the family that holds both MVAE's product (Wu &
    Goodman 2018) and MMVAE's mixture (Shi et al. 2019), and so reads one modality as well as both.
    A modality counts by its variance: bring blocks to the same one first (`inputs.fuse`). Page
    "Songs with their own words"."""

    def __init__(self, sizes: Sequence[int], recipe: Recipe, joint: bool = False):
        super().__init__()
        self.recipe, self.joint = recipe, joint
        hidden, d = list(recipe.hidden), recipe.latent
        self.encoders = nn.ModuleList()
        for n in [sum(sizes)] if joint else sizes:
            stack = _mlp([n, *hidden], recipe, recipe.dropout[0])
            self.encoders.append(nn.Sequential(stack, nn.Linear(hidden[-1], 2 * d)))
        self.decoders = nn.ModuleList()
        for n in sizes:
            stack = _mlp([d, *hidden[::-1]], recipe, recipe.dropout[1])
            self.decoders.append(nn.Sequential(stack, nn.Linear(hidden[0], n)))

    def experts(self, modalities: Sequence[Tensor | None]) -> list[tuple[Tensor, Tensor]]:
        """mu, logvar (B, d) of each encoder whose modality (B, D_m) is there; None stands for a
        missing one. ValueError where all are missing, and where a joint encoder lacks one."""
        there = [x for x in modalities if x is not None]
        if not there:
            raise ValueError("Every modality is missing.")
        if self.joint and len(there) < len(modalities):
            raise ValueError("A joint encoder needs every modality.")
        parts = [torch.cat(there, dim=1)] if self.joint else modalities
        pairs = zip(self.encoders, parts, strict=True)
        return [encoder(x).chunk(2, dim=1) for encoder, x in pairs if x is not None]

    def encode(self, *modalities: Tensor | None) -> tuple[Tensor, Tensor]:
        """mu, logvar (B, d) given the modalities that are there, (B, D_m) each, None for a missing
        one."""
        return product(self.experts(modalities))

    def decode(self, z: Tensor) -> list[Tensor]:
        """z (B, d) -> every modality, (B, D_m) each."""
        return [decoder(z) for decoder in self.decoders]


def product(experts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """mu, logvar (B, d) of the product of Gaussian experts and the prior N(0, 1) (Wu & Goodman
    2018, sec. 2.2); one expert stands for itself, as in MoPoE."""
    if len(experts) == 1:
        return experts[0]
    total = torch.ones_like(experts[0][1])  # the precision of the prior
    weighted = torch.zeros_like(total)
    for mu, logvar in experts:
        precision = torch.exp(-logvar)
        total = total + precision
        weighted = weighted + mu * precision
    return weighted / total, -torch.log(total)


def multimodal_loss(
    net: MultimodalVAE, batch: tuple[Tensor, ...], beta: float
) -> tuple[Tensor, Tensor, Tensor]:
    """What training a `MultimodalVAE` minimises, and its reconstruction and KL (nats): the mean,
    over all subsets of its experts, of the loss of that subset's posterior decoded into every
    modality (Sutter et al. 2021, sec. 3; the mixture is taken whole where they draw from it)."""
    experts = net.experts(batch)
    posteriors = []
    for size in range(1, len(experts) + 1):
        posteriors += [product(subset) for subset in combinations(experts, size)]
    # all posteriors in one pass of the decoders
    mu = torch.cat([mu for mu, _ in posteriors])
    logvar = torch.cat([logvar for _, logvar in posteriors])
    reconstruction = torch.zeros((), device=mu.device)
    for x_hat, x in zip(net.decode(sample(mu, logvar)), batch, strict=True):
        reconstruction = reconstruction + (x_hat - x.repeat(len(posteriors), 1)).square().sum()
    reconstruction = reconstruction / len(mu)
    kl = kl_divergence(mu, logvar).sum() / len(mu)
    return reconstruction + beta * kl, reconstruction, kl


# ---- raw sound -----------------------------------------------------------------------------------

SOUND_RATE = 11025  # Hz, of the sound that `ConvVAE` hears
STRIDES = (8, 4, 4, 4, 4)  # of its convolutions, in samples: 2048 become one frame
KERNELS = (64, 8, 8, 8, 8)
BANDS, FRAME = 64, 512  # of `log_mel`: bands, and samples between two frames
TARGETS = ("waveform", "stft", "mel")  # what a decoder is asked for


class ConvVAE(nn.Module):
    """VAE of raw sound: strided 1-D convolutions, their mean and standard deviation over time, and
    a decoder by transposed convolutions to a waveform or to its `log_mel` picture.

    `recipe.hidden` are the channels of the five convolutions, `n_samples` the length of a crop at
    SOUND_RATE, a multiple of 2048; `target` is one of TARGETS. ValueError for any other. Karim
    (2026) names such a network as future work; page "Raw waveforms"."""

    def __init__(self, recipe: Recipe, n_samples: int, target: str = "mel"):
        super().__init__()
        step, widths = math.prod(STRIDES), [1, *recipe.hidden]
        if target not in TARGETS:
            raise ValueError(f"There is no target {target!r}; choose one of {', '.join(TARGETS)}.")
        if n_samples < 2 * step or n_samples % step or len(widths) != len(STRIDES) + 1:
            raise ValueError(
                f"A ConvVAE needs crops of at least two times {step} samples, a multiple of it, "
                f"and {len(STRIDES)} widths, not {n_samples} samples and "
                f"{len(recipe.hidden)} widths."
            )
        self.recipe, self.target, self.shape = recipe, target, (widths[-1], n_samples // step)
        self.encoder = nn.Sequential(
            *[
                self._block(nn.Conv1d(a, b, kernel, stride, (kernel - stride) // 2), b)
                for a, b, kernel, stride in zip(widths, widths[1:], KERNELS, STRIDES)
            ]
        )
        self.head = nn.Linear(2 * widths[-1], 2 * recipe.latent)
        back = list(zip(widths[:0:-1], widths[-2::-1], STRIDES[::-1], strict=True))
        if target == "mel":  # 2048 samples are four frames of the picture
            back = [(widths[-1], BANDS, 2), (BANDS, BANDS, 2)]
        ups = [nn.ConvTranspose1d(a, b, 2 * stride, stride, stride // 2) for a, b, stride in back]
        self.decoder = nn.Sequential(
            nn.Linear(recipe.latent, math.prod(self.shape)),
            nn.Unflatten(1, self.shape),
            *[self._block(up, up.out_channels) for up in ups[:-1]],
        )
        self.output = ups[-1]

    def _block(self, layer: nn.Module, width: int) -> nn.Sequential:
        return nn.Sequential(
            layer,
            nn.BatchNorm1d(width),
            _ACTIVATIONS[self.recipe.activation](),  # type: ignore[operator]
        )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, n_samples) -> mu (B, d), logvar (B, d)."""
        h = self.encoder(x[:, None])
        mu, logvar = self.head(torch.cat([h.mean(2), h.std(2)], dim=1)).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Tensor) -> Tensor:
        """z (B, d) -> waveform (B, n_samples), or log-mel picture (B, BANDS, n_samples //
        FRAME)."""
        y = self.output(self.decoder(z))
        return y if self.target == "mel" else y[:, 0]


def power(x: Tensor, n_fft: int, hop: int) -> Tensor:
    """Power spectrogram (B, n_fft // 2 + 1, n // hop) of sound x (B, n), Hann window.

    White noise of variance 1 has power 1."""
    window = torch.hann_window(n_fft, device=x.device)
    spectrum = torch.stft(x, n_fft, hop, window=window, return_complex=True)[..., :-1]
    return (spectrum.real.square() + spectrum.imag.square()) / window.square().sum()


def log_mel(x: Tensor) -> Tensor:
    """log10(power + 0.001) in BANDS mel bands, (B, BANDS, n // FRAME), of sound x (B, n) at
    SOUND_RATE; a band takes the mean power under a triangle (Slaney's mel scale, as librosa's)."""
    return torch.log10(mel_filters().to(x) @ power(x, 2 * FRAME, FRAME) + 1e-3)


@functools.cache
def mel_filters() -> Tensor:
    """The triangles of `log_mel`, (BANDS, FRAME + 1), each of sum 1."""
    import librosa

    filters = torch.from_numpy(
        librosa.filters.mel(sr=SOUND_RATE, n_fft=2 * FRAME, n_mels=BANDS, fmin=30.0)
    )
    return filters / filters.sum(1, keepdim=True)


def log_spectra(x: Tensor) -> Tensor:
    """log10(power + 0.001) at two resolutions, (B, all bins): the log-magnitude part of the
    multi-resolution STFT loss (Yamamoto, Song & Kim 2020, eq. 5), x (B, n)."""
    return torch.cat(
        [torch.log10(power(x, n, n // 2) + 1e-3).flatten(1) for n in (512, 2048)], dim=1
    )


def sound_loss(
    net: ConvVAE, batch: tuple[Tensor, ...], beta: float
) -> tuple[Tensor, Tensor, Tensor]:
    """`loss` of a `ConvVAE` on a batch (x,) of crops (B, n): the ELBO of what its target asks
    for."""
    (x,) = batch
    mu, logvar = net.encode(x)
    x_hat = net.decode(sample(mu, logvar))
    if net.target == "mel":
        x = log_mel(x)
    elif net.target == "stft":
        x, x_hat = log_spectra(x), log_spectra(x_hat)
    return elbo(x.flatten(1), x_hat.flatten(1), mu, logvar, net.recipe, beta)
