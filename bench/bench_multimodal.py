"""Our mixture of experts beside that of the package `multivae`: the loss that each reaches on the
songs with their own words, and the CPU seconds that it takes. Same networks, data, batches, steps
and optimiser; `pip install multivae==1.0.3`.

With --write the result goes to data/results/bench/multimodal.json. Without the package it says so
and ends."""

import argparse
import json
import logging
import tempfile
import time
from datetime import date
from functools import partial
from importlib import metadata, util

import numpy as np
import torch

from helpers import models, training
from helpers.tracks import data_dir
from musicbook.chapters.own_words import fusions
from musicbook.chapters.own_words.songs import pair_of
from musicbook.corpus.sources import load

RECIPE = fusions.RECIPE.but(schedule="constant", weight_decay=0.0, clip_norm=None)
PASSES = 30  # over the songs, to average the draws in a loss


def by_ours(net: models.MultimodalVAE, data: tuple[torch.Tensor, ...], seed: int) -> float:
    """The loss of trained networks by our formula, a song in nats up to the usual constant."""
    with torch.no_grad(), training.seeded(seed):
        return float(
            np.mean([models.multimodal_loss(net.eval(), data, 1.0)[0] for _ in range(PASSES)])
        )


def drawn_loss(
    net: models.MultimodalVAE, batch: tuple[torch.Tensor, ...], beta: float
) -> tuple[torch.Tensor, ...]:
    """`models.multimodal_loss` as multivae estimates it: each song is decoded from one of the three
    posteriors, a third of the batch from each, where ours decodes all three of every song."""
    experts, n = net.experts(batch), len(batch[0])
    subsets = [models.product(subset) for subset in ([experts[0]], [experts[1]], experts)]
    thirds = [slice(0, n // 3), slice(n // 3, 2 * (n // 3)), slice(2 * (n // 3), n)]
    mu, logvar = (torch.cat([parts[i][at] for parts, at in zip(subsets, thirds)]) for i in (0, 1))
    decoded = net.decode(models.sample(mu, logvar))
    reconstruction = sum((x_hat - x).square().sum() for x_hat, x in zip(decoded, batch)) / n
    kl = torch.stack([models.kl_divergence(*parts).sum() for parts in subsets]).mean() / n
    return reconstruction + beta * kl, reconstruction, kl


def ours(
    data: tuple[torch.Tensor, ...], seed: int, loss=models.multimodal_loss
) -> tuple[float, float, float]:
    """Loss at the end twice, and CPU seconds."""
    began = time.process_time()
    with training.seeded(seed):
        net = models.MultimodalVAE([x.shape[1] for x in data], RECIPE)
        training.train(net, data, RECIPE, loss)
    spent = time.process_time() - began
    value = by_ours(net, data, seed)
    return value, value, spent


def theirs(data: tuple[torch.Tensor, ...], seed: int) -> tuple[float, float, float]:
    """The same of multivae's MoPoE, whose likelihood is given our variance of 1/2: its loss by its
    own formula and by ours, and CPU seconds."""
    from multivae.data.datasets.base import MultimodalBaseDataset
    from multivae.models import MoPoE, MoPoEConfig
    from multivae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.models.base.base_model import BaseDecoder, BaseEncoder
    from pythae.models.base.base_utils import ModelOutput

    class Encoder(BaseEncoder):
        def __init__(self, body):
            super().__init__()
            self.body, self.latent_dim = body, RECIPE.latent

        def forward(self, x):
            mu, logvar = self.body(x).chunk(2, dim=1)
            return ModelOutput(embedding=mu, log_covariance=logvar)

    class Decoder(BaseDecoder):
        def __init__(self, body):
            super().__init__()
            self.body, self.latent_dim = body, RECIPE.latent

        def forward(self, z):
            return ModelOutput(reconstruction=self.body(z))

    names = ("sound", "words")
    with training.seeded(seed), tempfile.TemporaryDirectory() as folder:
        net = models.MultimodalVAE([x.shape[1] for x in data], RECIPE)
        model = MoPoE(
            MoPoEConfig(
                n_modalities=2,
                latent_dim=RECIPE.latent,
                input_dims={n: (x.shape[1],) for n, x in zip(names, data)},
                decoders_dist=dict.fromkeys(names, "normal"),
                decoder_dist_params={n: {"scale": 0.5**0.5} for n in names},
            ),
            {n: Encoder(body) for n, body in zip(names, net.encoders)},
            {n: Decoder(body) for n, body in zip(names, net.decoders)},
        )
        songs = MultimodalBaseDataset(dict(zip(names, data)))
        settings = BaseTrainerConfig(
            folder,
            RECIPE.batch_size,
            num_epochs=RECIPE.epochs,
            learning_rate=RECIPE.lr,
            seed=seed,
            no_cuda=True,
        )
        began = time.process_time()
        BaseTrainer(model, songs, training_config=settings).train()
        spent = time.process_time() - began
    constant = 0.5 * sum(x.shape[1] for x in data) * np.log(np.pi)
    found = []
    with torch.no_grad(), training.seeded(seed):
        for _ in range(PASSES):
            order = torch.randperm(len(data[0]))
            shuffled = MultimodalBaseDataset({n: x[order] for n, x in zip(names, data)})
            found.append(float(model.eval()(shuffled).loss) - constant)
    return float(np.mean(found)), by_ours(net, data, seed), spent


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if util.find_spec("multivae") is None:
        print("multivae is not installed (pip install multivae==1.0.3): nothing to compare with")
        return
    logging.disable(logging.INFO)
    songs = pair_of(load("paired"), 32)
    data = fusions.balanced({"sound": songs.sound, "words": songs.words})
    found: dict = {
        "date": date.today().isoformat(),
        "versions": {name: metadata.version(name) for name in ("multivae", "torch")},
        "epochs": RECIPE.epochs,
        "songs": len(data[0]),
    }
    ways = {
        "ours": ours,
        "ours, one posterior drawn": partial(ours, loss=drawn_loss),
        "multivae": theirs,
    }
    for name, train in ways.items():
        runs = np.array([train(data, seed) for seed in range(options.seeds)])
        found[name] = {
            "loss": float(runs[:, 0].mean()),
            "loss_sd": float(runs[:, 0].std(ddof=1)),
            "loss_by_our_formula": float(runs[:, 1].mean()),
            "cpu_s": float(runs[:, 2].mean()),
        }
        print(name, found[name], flush=True)
    if options.write:
        (data_dir() / "results" / "bench" / "multimodal.json").write_text(
            json.dumps(found, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
