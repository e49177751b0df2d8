"""The training step of the networks, with its gradients written out by hand, for one seed or several at once.

On networks this small autograd's bookkeeping costs as much as the arithmetic. Here the weights of S networks that
differ in their seed lie in one buffer (S, P), their gradients in another, and every layer says how its gradient goes
back, so that a step is a few dozen matrix products and one update of the buffer. The networks themselves (`models`)
keep views of it. A test compares every gradient with autograd's. Used by `training`; measured on "Performance".
Shapes: S seeds, B rows of the batch, D features, d latent dimensions, C classes. A single network goes without the
leading S everywhere: its products are then plain ones, a tenth quicker than batches of one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from . import models
from .protocols import Recipe

_ops = torch.ops.aten  # the kernels that autograd itself calls


class _Linear:
    """y = x W^T + b: (S, B, n_in) -> (S, B, n_out)."""

    def __init__(self, weight: Tensor, bias: Tensor | None, d_weight: Tensor, d_bias: Tensor | None):
        self.weight, self.weight_t = weight, weight.mT
        self.bias = bias if bias is None or weight.dim() == 2 else bias[:, None]
        self.d_weight, self.d_bias = d_weight, d_bias
        self.mm, self.addmm = (torch.mm, torch.addmm) if weight.dim() == 2 else (torch.bmm, torch.baddbmm)

    def forward(self, x: Tensor, onto: Tensor | None = None) -> Tensor:
        """x W^T plus the bias, or plus `onto` where the layer has none."""
        self.x = x
        start = self.bias if onto is None else onto
        return self.mm(x, self.weight_t) if start is None else self.addmm(start, x, self.weight_t)

    def backward(self, g: Tensor, onto: Tensor | None = None) -> Tensor:
        """Gradient of the output -> gradient of the input, added to `onto`; the weights' gradients are stored."""
        self.backward_weights(g)
        return self.mm(g, self.weight) if onto is None else self.addmm(onto, g, self.weight)

    def backward_weights(self, g: Tensor) -> None:
        self.mm(g.mT, self.x, out=self.d_weight)
        if self.d_bias is not None:
            torch.sum(g, -2, out=self.d_bias)


class _BatchNorm:
    """BatchNorm over the batch, per seed: the seeds are laid side by side as columns of one (B, S n) table."""

    def __init__(
        self, weight: Tensor, bias: Tensor, d_weight: Tensor | None, d_bias: Tensor, mean: Tensor, var: Tensor
    ):
        self.weight, self.bias, self.d_weight, self.d_bias = weight, bias, d_weight, d_bias
        self.mean, self.var = mean, var  # running statistics, (S n,)

    def forward(self, x: Tensor) -> Tensor:
        self.x = _columns(x)
        y, self.batch_mean, self.batch_invstd = torch.native_batch_norm(
            self.x, self.weight.reshape(-1), self.bias.reshape(-1), self.mean, self.var, True, 0.1, 1e-5
        )
        return _seeds(y, x)

    def backward(self, g: Tensor) -> Tensor:
        d_x, d_weight, d_bias = _ops.native_batch_norm_backward(
            _columns(g),
            self.x,
            self.weight.reshape(-1),
            self.mean,
            self.var,
            self.batch_mean,
            self.batch_invstd,
            True,
            1e-5,
            [True, True, True],
        )
        self.d_bias.copy_(d_bias.view_as(self.d_bias))
        if self.d_weight is not None:
            self.d_weight.copy_(d_weight.view_as(self.d_weight))
        return _seeds(d_x, g)


def _columns(x: Tensor) -> Tensor:  # (S, B, n) -> (B, S n)
    return x if x.dim() == 2 else x.transpose(0, 1).reshape(x.shape[1], -1)


def _seeds(x: Tensor, like: Tensor) -> Tensor:  # (B, S n) -> (S, B, n), the shape of `like`
    return x if like.dim() == 2 else x.view(len(x), len(like), -1).transpose(0, 1)


class _Layer:
    """`models.Layer`: linear, BatchNorm, activation, dropout, plus the skip connection."""

    def __init__(self, linear: _Linear, norm: _BatchNorm | None, skip: _Linear | None, recipe: Recipe, dropout: float):
        self.linear, self.norm, self.skip, self.leaky = linear, norm, skip, recipe.activation == "leaky_relu"
        self.dropped = round(dropout * 65536)  # of the 65536 values of 16 random bits
        self.width = linear.weight.shape[-2]

    def forward(self, x: Tensor, bits: Tensor | None) -> Tensor:
        h = self.linear.forward(x)
        if self.norm is not None:
            h = self.norm.forward(h)
        h = self.active = _ops.leaky_relu_(h, 0.2) if self.leaky else torch.relu_(h)
        if bits is not None:
            self.mask = (bits >= self.dropped - 32768).float().mul_(65536 / (65536 - self.dropped))
            h = h * self.mask
        return h if self.skip is None else self.skip.forward(x, onto=h)

    def backward(self, g: Tensor, first: bool) -> Tensor:
        """Gradient of the output -> gradient of the input (unused, hence not computed, in the first layer)."""
        h = g * self.mask if self.dropped else g
        if self.leaky:
            h = _ops.leaky_relu_backward(h, self.active, 0.2, True)
        else:
            h = _ops.threshold_backward(h, self.active, 0)
        if self.norm is not None:
            h = self.norm.backward(h)
        if first:
            self.linear.backward_weights(h)
            if self.skip is not None:
                self.skip.backward_weights(g)
            return g
        h = self.linear.backward(h)
        return h if self.skip is None else self.skip.backward(g, onto=h)


class _Posterior:
    """q(z|x): mu and logvar side by side (S, B, 2 d) -> a sample z (S, B, d) (Kingma & Welling 2014, eq. 10)."""

    def __init__(self, norm: _BatchNorm | None):
        self.norm = norm  # BN-VAE

    def forward(self, code: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """A sample, and the mean KL per dimension in nats (S, d) (`models.kl_divergence`)."""
        mu, logvar = code.chunk(2, dim=-1)
        self.mu = mu = mu if self.norm is None else self.norm.forward(mu)
        self.std = torch.exp(0.5 * logvar)
        self.var, self.noise, n_rows = self.std * self.std, noise, code.shape[-2]
        kl = (torch.addcmul(self.var, mu, mu) - logvar).sum(-2).sub_(n_rows).mul_(0.5 / n_rows)
        return torch.addcmul(mu, noise, self.std), kl

    def backward(self, d_z: Tensor, kl_weight: float | Tensor) -> Tensor:
        d_mu = d_z + self.mu * kl_weight
        d_logvar = 0.5 * (d_z * self.noise * self.std + (self.var - 1.0) * kl_weight)
        return torch.cat([d_mu if self.norm is None else self.norm.backward(d_mu), d_logvar], dim=-1)


class Stack:
    """Networks of one recipe and shape (`models.build`), stepped together.

    `weights` and `gradients` are (S, P), the first `n_encoder` columns being the encoder's. The parameters and running
    statistics of `nets` become views of them. `forward` and `backward` leave the gradient in `gradients`.
    """

    def __init__(self, nets: list[models.AE]):
        net = self.net = nets[0]
        self.recipe = net.recipe
        by_name = [dict(n.named_parameters()) for n in nets]
        names = [n for n, p in by_name[0].items() if p.requires_grad]
        names.sort(key=lambda n: n.startswith(("decoder", "output")))  # the encoder first
        self.weights = torch.stack([nn.utils.parameters_to_vector([p[n] for n in names]).detach() for p in by_name])
        self.gradients = torch.zeros_like(self.weights)
        self.views: dict[str, tuple[Tensor, Tensor]] = {}
        start = 0
        for name in names:
            shape = by_name[0][name].shape
            stop = start + shape.numel()
            weight, gradient = (t[:, start:stop].view(len(nets), *shape) for t in (self.weights, self.gradients))
            self.views[name] = (weight, gradient) if len(nets) > 1 else (weight[0], gradient[0])
            for parameters, own in zip(by_name, weight, strict=True):
                parameters[name].data = own
            if not name.startswith(("decoder", "output")):
                self.n_encoder = stop
            start = stop
        self._nets = nets
        self.encoder = [self._layer(f"encoder.{i}", net.recipe.dropout[0]) for i in range(len(net.encoder))]
        self.decoder = [self._layer(f"decoder.{i}", net.recipe.dropout[1]) for i in range(len(net.decoder))]
        self.head, self.output = self._linear("head"), self._linear("output")
        norm = self._norm("bn_mu") if getattr(net, "bn_mu", None) is not None else None
        self.posterior = None if net.recipe.kind == "ae" else _Posterior(norm)
        self._nets = []
        self.dropped = [layer.width if layer.dropped else 0 for layer in self.encoder + self.decoder]

    def _linear(self, name: str, bias: bool = True, d_bias: bool = True) -> _Linear:
        weight, d_weight = self.views[f"{name}.weight"]
        b, d_b = self.views[f"{name}.bias"] if bias else (None, None)
        return _Linear(weight, b, d_weight, d_b if d_bias else None)

    def _norm(self, name: str) -> _BatchNorm:
        modules = [n.get_submodule(name) for n in self._nets]
        weight, d_weight = self.views.get(f"{name}.weight", (None, None))
        if weight is None:  # BN-VAE's scale is fixed
            weight = torch.stack([m.get_parameter("weight").detach() for m in modules])
        statistics = []
        for key in ("running_mean", "running_var"):
            stacked = torch.stack([getattr(m, key) for m in modules])
            for module, own in zip(modules, stacked, strict=True):
                setattr(module, key, own)
            statistics.append(stacked.view(-1))
        return _BatchNorm(weight, self.views[f"{name}.bias"][0], d_weight, self.views[f"{name}.bias"][1], *statistics)

    def _layer(self, name: str, dropout: float) -> _Layer:
        norm = self._norm(f"{name}.body.1") if self.recipe.batch_norm else None
        # BatchNorm takes any constant out again, so the gradient of a bias before it is zero
        linear = self._linear(f"{name}.body.0", d_bias=norm is None)
        skip = self._linear(f"{name}.skip", bias=False) if self.recipe.residual else None
        return _Layer(linear, norm, skip, self.recipe, dropout)

    def forward(self, x: Tensor, noise: Tensor, c: Tensor | None, bits: Tensor | None, beta: float) -> list[Tensor]:
        """The parts of the loss of `models.elbo` on one batch; `backward` then needs no arguments.

        x (S, B, D), noise (S, B, d) standard normal, c (S, B, C) one-hot or None, bits (S, B * sum(self.dropped)) int16
        random bits or None, all without S for a single network. Returns reconstruction, KL and the KL that is
        penalised, each (S,), means over the batch.
        """
        recipe, n_rows = self.recipe, x.shape[-2]
        masks = iter(_masks(bits, n_rows, self.dropped))
        scale = {"sum": 1.0, "mean": 1.0 / n_rows, "elements": 1.0 / (n_rows * x.shape[-1])}[recipe.reduction]
        h = torch.cat([x, c], dim=-1) if c is not None and self.net.encoder_sees_c else x
        for layer in self.encoder:
            h = layer.forward(h, next(masks))
        z = self.head.forward(h)
        kl = penalised = torch.zeros(x.shape[:-2], device=x.device)
        if self.posterior is not None:
            z, kl_per_dim = self.posterior.forward(z, noise)
            kl = penalised = kl_per_dim.sum(-1)
            self.kl_weight: float | Tensor = beta * scale
            if recipe.free_bits:
                penalised = kl_per_dim.clamp_min(recipe.free_bits).sum(-1)
                self.kl_weight = (kl_per_dim >= recipe.free_bits)[..., None, :] * self.kl_weight
        h = torch.cat([z, c], dim=-1) if c is not None and self.net.decoder_sees_c else z
        for layer in self.decoder:
            h = layer.forward(h, next(masks))
        difference = self.output.forward(h) - x
        squared = (difference * difference).sum((-2, -1))
        slope = 2.0 * scale if recipe.sigma == "fixed" else (x.shape[-1] * n_rows * scale / squared)[..., None, None]
        self.d_output = difference * slope
        return [squared / n_rows, kl, penalised]

    def backward(self) -> None:
        """Fill `gradients` with those of the last `forward`."""
        g = self.output.backward(self.d_output)
        for layer in reversed(self.decoder):
            g = layer.backward(g, first=False)
        if self.posterior is not None:
            g = self.posterior.backward(g[..., : self.recipe.latent], self.kl_weight)
        g = self.head.backward(g)
        for layer in reversed(self.encoder):
            g = layer.backward(g, first=layer is self.encoder[0])

    def clip(self, max_norm: float) -> None:
        """Scale each seed's gradient down to the Euclidean norm `max_norm` if it is longer."""
        norm = torch.linalg.vector_norm(self.gradients, dim=1, keepdim=True)
        self.gradients.mul_((max_norm / (norm + 1e-6)).clamp_max_(1.0))


def random_bits(n: int, generator: torch.Generator) -> Tensor:
    """n random int16, all 65536 values equally likely: a sixth of the time of drawing n floats."""
    words = torch.empty(math.ceil(n / 4), dtype=torch.int64, device=generator.device)
    return words.random_(-(2**63), None, generator=generator).view(torch.int16)[:n]


def _masks(bits: Tensor | None, n_rows: int, widths: list[int]) -> list[Tensor | None]:
    """The bits of each layer, (S, B, width); None for a layer without dropout."""
    masks, start = [], 0
    for width in widths:
        stop = start + n_rows * width
        drawn = None if bits is None or not width else bits[..., start:stop]
        masks.append(None if drawn is None else drawn.view(*drawn.shape[:-1], n_rows, width))
        start = stop
    return masks
