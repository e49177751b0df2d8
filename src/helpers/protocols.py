"""Every setting of the three protocols, once, as data.

A `Recipe` says how one network is built and trained; a `Protocol` says which inputs, recipes and
clustering rules a phase uses. The paper is S. Karim, "Unsupervised Multi-Modal Music Clustering
using Variational Autoencoders" (2026): `written` follows its text, `released` its published code,
`controlled` is our version, which refuses an input in which a guard finds the label.
Every notebook reads its settings from here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Recipe:
    """Architecture, loss and optimiser of one network.

    `kind` is "ae", "vae" or "cvae"; `beta` weighs the KL term (Higgins et al. 2017, eq. 4). The
    fields from `anneal` to `aggressive` are the remedies of the collapse chapter; their defaults
    switch them off. Lengths are in epochs, or with `steps` in shares of `epochs`; `free_bits` in
    nats per latent dimension. Raises ValueError for an unknown choice. Used by every page."""

    kind: Literal["ae", "vae", "cvae"] = "vae"
    hidden: tuple[int, ...] = (512, 256, 128)
    latent: int = 32
    activation: Literal["relu", "leaky_relu"] = "relu"
    batch_norm: bool = False
    dropout: tuple[float, float] = (0.0, 0.0)  # encoder, decoder
    residual: bool = False
    condition: Literal["both", "encoder", "decoder"] = "both"  # where a CVAE sees c
    beta: float = 1.0
    epochs: int = 200
    steps: int | None = None  # updates in all, whatever the rows, instead of `epochs` passes
    batch_size: int = 32
    lr: float = 1e-3
    weight_decay: float = 1e-5
    schedule: Literal["cosine", "constant"] = "cosine"
    clip_norm: float | None = None
    # over the batch; "elements": over rows and features alike
    reduction: Literal["mean", "sum", "elements"] = "mean"
    anneal: Literal["none", "linear", "cyclical"] = "none"
    anneal_epochs: int = 0  # length of the ramp (linear), or of one cycle (cyclical)
    free_bits: float = 0.0
    # the decoder's scale: sigma^2 = 1/2, or sigma-VAE's optimum
    sigma: Literal["fixed", "learned"] = "fixed"
    bn_gamma: float | None = None  # BN-VAE: scale of a BatchNorm on mu
    aggressive: int = 0  # encoder steps per decoder step until the information in z stops growing

    def __post_init__(self) -> None:
        choices = {
            "kind": ("ae", "vae", "cvae"),
            "activation": ("relu", "leaky_relu"),
            "condition": ("both", "encoder", "decoder"),
            "schedule": ("cosine", "constant"),
            "reduction": ("mean", "sum", "elements"),
            "anneal": ("none", "linear", "cyclical"),
            "sigma": ("fixed", "learned"),
        }
        for name, allowed in choices.items():
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(f"Recipe.{name} is {value!r}; choose one of {', '.join(allowed)}.")
        for name in ("latent", "epochs", "batch_size", "steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"Recipe.{name} is {value}; it must be at least 1.")
        if self.anneal != "none" and self.anneal_epochs < 1:
            raise ValueError(
                f"Recipe.anneal={self.anneal!r} needs anneal_epochs of at least 1, "
                f"not {self.anneal_epochs}."
            )

    def but(self, **changes) -> Recipe:
        """The same recipe with some fields changed (`recipe.but(beta=1.0)`)."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Protocol:
    """One way to run the whole experiment: inputs, fusion, recipes and clustering rules (see
    PROTOCOLS).

    `text` names the lyric channel of phases 2 and 3 ("matched", "template", "constant"); `weights`
    the fusion weights per phase, as (audio, text) or (audio, text, label), `text_pca` the number of
    text components or the share of variance to keep. `scaling` says what the weights act on
    (`inputs.fuse`): z-scored "columns", "blocks" of equal variance, or columns that are
    "restandardised" afterwards, which cancels the weights. `standardise_latent` says per phase
    whether K-Means and Ward see z-scored latents. `strict` refuses an input in which the leak guard
    finds the label, or the scale guard misses a channel; a protocol that is not records it.
    `published` protocols stand beside the paper on the pages "Leakage" and "Results"."""

    name: str
    title: str
    text: dict[int, str]
    text_pca: int | float | None
    label_in_input: bool
    weights: dict[int, tuple[float, ...]]
    scaling: Literal["columns", "blocks", "restandardised"]
    recipes: dict[str, Recipe]
    standardise_latent: dict[int, bool]
    kmeans_n_init: dict[int, int]
    dbscan_eps: Literal["percentile", "knee"]
    n_clusters: int = 10
    pca_components: int = 32
    spectral_neighbors: int = 10
    strict: bool = False
    published: bool = True


_PAPER = Recipe()  # 512-256-128, d = 32, Adam 1e-3, decay 1e-5, cosine, batch 32, 200 epochs
_ENHANCED = _PAPER.but(residual=True, batch_norm=True)

_WRITTEN = {
    "basic_vae": _PAPER,
    "enhanced_vae": _ENHANCED,
    "beta_vae": _ENHANCED.but(beta=4.0),
    "cvae": _ENHANCED.but(kind="cvae", epochs=300, anneal="linear", anneal_epochs=150),
    "ae": _PAPER.but(kind="ae"),
}

_RELEASED_NET = Recipe(
    activation="leaky_relu", batch_norm=True, dropout=(0.25, 0.2), clip_norm=1.0, reduction="sum"
)
_RELEASED = {
    "basic_vae": Recipe(
        hidden=(256, 128),
        batch_norm=True,
        dropout=(0.2, 0.2),
        epochs=100,
        weight_decay=0.0,
        schedule="constant",
        reduction="sum",
    ),
    "enhanced_vae": _RELEASED_NET.but(
        latent=64, lr=5e-4, epochs=150, anneal="linear", anneal_epochs=50
    ),
    "beta_vae": _RELEASED_NET.but(beta=4.0),
    "cvae": _RELEASED_NET.but(kind="cvae"),
    "ae": Recipe(
        kind="ae", dropout=(0.2, 0.2), weight_decay=0.0, schedule="constant", reduction="elements"
    ),
}

_WRITTEN_PROTOCOL = Protocol(
    name="written",
    title="what the paper's text says",
    text={2: "matched", 3: "matched"},
    text_pca=32,
    label_in_input=False,
    weights={2: (0.6, 0.4), 3: (0.6, 0.4)},
    scaling="columns",
    recipes=_WRITTEN,
    standardise_latent={1: False, 2: False, 3: False},
    kmeans_n_init={1: 10, 2: 20, 3: 20},
    dbscan_eps="knee",
)

_RELEASED_PROTOCOL = Protocol(
    name="released",
    title="what the released code does",
    text={2: "template", 3: "constant"},
    text_pca=None,
    label_in_input=True,
    weights={2: (0.6, 0.4), 3: (0.5, 0.3, 0.2)},
    scaling="restandardised",
    recipes=_RELEASED,
    standardise_latent={1: False, 2: True, 3: True},
    kmeans_n_init={1: 10, 2: 20, 3: 20},
    dbscan_eps="percentile",
)

_CONTROLLED_PROTOCOL = replace(
    _WRITTEN_PROTOCOL,
    name="controlled",
    title="the paper's text, with a guard against label leakage",
    text_pca=0.95,
    scaling="blocks",  # a z-scored principal component makes noise as loud as the first one
    # without a limit on the gradient single seeds run away
    recipes={name: recipe.but(clip_norm=1.0) for name, recipe in _WRITTEN.items()},
    strict=True,
)

PROTOCOLS: dict[str, Protocol] = {
    "written": _WRITTEN_PROTOCOL,
    "released": _RELEASED_PROTOCOL,
    "controlled": _CONTROLLED_PROTOCOL,
}


def get(name: str) -> Protocol:
    """The protocol called `name`; ValueError names the three when there is none."""
    if name not in PROTOCOLS:
        raise ValueError(f"There is no protocol {name!r}; choose one of {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def check(dataset: str, protocol: str, seeds: int) -> None:
    """Refuse parameters of a page that cannot be meant, before anything is computed; every page
    calls it.

    Raises ValueError for a protocol that does not exist, for `seeds` that is no whole number of at
    least 1, and for a `dataset` that is no text; whether the data set exists, `sources.load`
    says."""
    for name, value in (("dataset", dataset), ("protocol", protocol)):
        if not isinstance(value, str):
            raise ValueError(
                f"{name} is {value!r}; it must be a text (papermill: -r {name} VALUE)."
            )
    get(protocol)
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < 1:
        raise ValueError(
            f"seeds is {seeds!r}; it must be a whole number of at least 1 (papermill: -p seeds 3)."
        )
