"""Other engines beside ours, in one run: for training a VAE, and for describing a track.

`python bench/bench_peers.py` trains the paper's basic VAE on one table with every engine that is
installed, and writes data/results/bench/peers.json. Times are CPU seconds of one thread. The first
training shows what starting an engine costs (compilation), a later one what it then takes.
`--sound FOLDER` also describes sound files with other libraries. JAX, essentia and audioflux are
no dependencies of the book: install them in an environment of their own."""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import argparse  # noqa: E402
import functools  # noqa: E402
import importlib.util  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from datetime import date  # noqa: E402
from importlib.metadata import version  # noqa: E402
from pathlib import Path  # noqa: E402

import bench_training  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from helpers import models, training  # noqa: E402
from helpers.protocols import Recipe  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "data" / "results" / "bench" / "peers.json"
RECIPE = bench_training.RECIPES["basic VAE (paper's text)"]
SEEDS = 10
ROUNDS = 3


def train_with(X: np.ndarray, recipe: Recipe, loss: training.Loss | None = None) -> float:
    """Our own loop with another loss; the last loss of the training."""
    with training.seeded(0):
        net = models.build(recipe, X.shape[1])
        history = training.train(net, (torch.from_numpy(X),), recipe, loss)
    return float(history["loss"][-1])


def in_bfloat16(net: models.AE, batch: tuple[torch.Tensor, ...], beta: float):
    """`models.loss` with its matrix products in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        parts = models.loss(net, batch, beta)
    return tuple(part.float() for part in parts)


def ten_at_once(X: np.ndarray, recipe: Recipe) -> float:
    """Ten networks as one, by torch.func: their weights are stacked, `vmap` runs over them."""
    with training.seeded(0):
        nets = [models.build(recipe, X.shape[1]) for _ in range(SEEDS)]
        stacked, buffers = torch.func.stack_module_state(nets)
        weights = {name: value.detach().requires_grad_() for name, value in stacked.items()}
        adam = torch.optim.Adam(
            weights.values(), lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True
        )

        class Loss(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.net = nets[0]

            def forward(self, x):
                return models.loss(self.net, (x,), recipe.beta)[0]

        module = Loss()

        def one(own, rows):
            named = {f"net.{name}": value for name, value in own.items()}
            return torch.func.functional_call(module, named, (rows,))

        together = torch.func.vmap(one, in_dims=(0, 0), randomness="different")
        x = torch.from_numpy(X)
        for epoch in range(recipe.epochs):
            adam.param_groups[0]["lr"] = training.lr_at(recipe, epoch)
            order = torch.stack([torch.randperm(len(x)) for _ in range(SEEDS)])
            for rows in training.batches(len(x), recipe.batch_size):
                loss = together(weights, x[order[:, rows]])
                adam.zero_grad()
                loss.sum().backward()
                adam.step()
    return float(loss.mean().detach())


@functools.cache
def jax_program(n_features: int, recipe: Recipe):
    """The same network, loss and step in JAX: the state to start from, and an epoch that is
    compiled once, as a scan over the batches."""
    import jax
    import jax.numpy as jnp

    sizes = [n_features, *recipe.hidden]
    back = [recipe.latent, *recipe.hidden[::-1], n_features]
    pairs = [*zip(sizes, sizes[1:]), (sizes[-1], 2 * recipe.latent), *zip(back, back[1:])]
    n_encoder = len(recipe.hidden) + 1
    _, *keys = jax.random.split(jax.random.key(0), 2 * len(pairs) + 1)
    weights = []
    for (n_in, n_out), of_w, of_b in zip(pairs, keys[::2], keys[1::2]):
        bound = n_in**-0.5
        w = jax.random.uniform(of_w, (n_in, n_out), minval=-bound, maxval=bound)
        weights.append((w, jax.random.uniform(of_b, (n_out,), minval=-bound, maxval=bound)))

    def layers(part, h):
        for w, b in part[:-1]:
            h = jax.nn.relu(h @ w + b)
        w, b = part[-1]
        return h @ w + b

    def loss_of(weights, rows, noise):
        mu, logvar = jnp.split(layers(weights[:n_encoder], rows), 2, axis=1)
        x_hat = layers(weights[n_encoder:], mu + noise * jnp.exp(0.5 * logvar))
        kl = 0.5 * (mu**2 + jnp.exp(logvar) - 1 - logvar)
        return (jnp.square(x_hat - rows).sum() + recipe.beta * kl.sum()) / len(rows)

    def step(state, given):
        weights, first, second, t, lr = state
        rows, noise = given
        loss, slope = jax.value_and_grad(loss_of)(weights, rows, noise)
        slope = jax.tree.map(lambda g, w: g + recipe.weight_decay * w, slope, weights)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, slope)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, slope)
        scale = lr * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        weights = jax.tree.map(
            lambda w, m, v: w - scale * m / (jnp.sqrt(v) + 1e-8), weights, first, second
        )
        return (weights, first, second, t + 1, lr), loss

    @jax.jit
    def one_epoch(state, batches, noise):
        return jax.lax.scan(step, state, (batches, noise))

    zero = jax.tree.map(jnp.zeros_like, weights)
    return (weights, zero, zero, jnp.array(1.0), jnp.array(recipe.lr)), one_epoch


def with_jax(X: np.ndarray, recipe: Recipe) -> float:
    """A training by `jax_program`; the mean loss of its last epoch."""
    import jax.numpy as jnp

    state, one_epoch = jax_program(X.shape[1], recipe)
    n_batches = len(X) // recipe.batch_size
    used = n_batches * recipe.batch_size
    rng = np.random.default_rng(0)
    for epoch in range(recipe.epochs):
        state = (*state[:4], jnp.array(training.lr_at(recipe, epoch)))
        batches = X[rng.permutation(len(X))[:used]].reshape(n_batches, recipe.batch_size, -1)
        shape = (n_batches, recipe.batch_size, recipe.latent)
        noise = rng.standard_normal(shape).astype(np.float32)
        state, losses = one_epoch(state, batches, noise)
        last = float(losses.mean())  # waits for the epoch
    return last


def training_engines(epochs: int) -> dict[str, dict]:
    """CPU seconds of the first and of a later training, per 100 epochs, and the last loss.

    The later trainings go in ROUNDS rounds, in which every engine has its turn, and the quickest
    counts: other programs then slow one round, and not one engine."""
    X = bench_training.table(992)  # a multiple of the batch, so that all engines take equal steps
    recipe = RECIPE.but(epochs=epochs)
    compiled = torch.compile(models.loss)
    engines: dict[str, tuple[Callable[[], float], int, str]] = {
        "ours": (lambda: train_with(X, recipe), 1, "torch"),
        "paper-style loop": (lambda: bench_training.paper_style(X, recipe, 0), 1, "torch"),
        "ours, torch.compile": (lambda: train_with(X, recipe, compiled), 1, "torch"),
        "ours, bfloat16": (lambda: train_with(X, recipe, in_bfloat16), 1, "torch"),
        "ten networks at once (vmap)": (lambda: ten_at_once(X, recipe), SEEDS, "torch"),
        "JAX": (lambda: with_jax(X, recipe), 1, "jax"),
    }
    rows = {}
    for turn in range(1 + ROUNDS):
        for name, (run, networks, package) in engines.items():
            if importlib.util.find_spec(package) is None:
                rows[name] = {"left out": f"{package} is not installed"}
                continue
            began = time.process_time()
            loss = run()
            spent = (time.process_time() - began) / networks * 100 / epochs
            if turn == 0:
                rows[name] = {"first_cpu_s": spent, "version": version(package)}
            else:
                rows[name]["later_cpu_s"] = min(spent, rows[name].get("later_cpu_s", spent))
            rows[name]["last_loss"] = loss
            print(turn, name, f"{spent:.2f}", flush=True)
    return _beside_ours(rows, "later_cpu_s")


def _beside_ours(rows: dict[str, dict], seconds: str) -> dict[str, dict]:
    """Rows with `times_ours`, their seconds as a multiple of ours."""
    for row in rows.values():
        if seconds in row:
            row["times_ours"] = row[seconds] / rows["ours"][seconds]
    return rows


# ---- sound ---------------------------------------------------------------------------------------


def librosa_numbers(y: np.ndarray) -> np.ndarray:
    from helpers import features

    return features.extract(y)


def our_numbers(y: np.ndarray) -> np.ndarray:
    from musicbook.corpus import fast_features

    return fast_features.extract_clip(y)


def essentia_numbers(y: np.ndarray) -> np.ndarray:
    """13 MFCC, 12 pitch classes, centroid, roll-off, contrast, zero crossings and loudness of each
    frame, their means and deviations. No tempo."""
    import essentia.standard as es

    window, spectrum = es.Windowing(type="hann"), es.Spectrum(size=2048)
    mfcc = es.MFCC(
        inputSize=1025, sampleRate=22050, numberCoefficients=13, highFrequencyBound=11000
    )
    peaks, pitch_classes = es.SpectralPeaks(sampleRate=22050), es.HPCP(sampleRate=22050)
    centroid, roll_off = es.Centroid(range=11025), es.RollOff(sampleRate=22050)
    contrast = es.SpectralContrast(frameSize=2048, sampleRate=22050, highFrequencyBound=11000)
    crossings, loudness = es.ZeroCrossingRate(), es.RMS()
    rows = []
    for frame in es.FrameGenerator(y, frameSize=2048, hopSize=512, startFromZero=True):
        power = spectrum(window(frame))
        single = [centroid(power), roll_off(power), crossings(frame), loudness(frame)]
        parts = [mfcc(power)[1], pitch_classes(*peaks(power)), contrast(power)[0], single]
        rows.append(np.concatenate(parts))
    return np.concatenate([np.mean(rows, axis=0), np.std(rows, axis=0)])


def audioflux_numbers(y: np.ndarray) -> np.ndarray:
    """13 MFCC, 12 pitch classes, centroid, roll-off and bandwidth of each frame, their means and
    deviations. No contrast, no zero crossings, no tempo."""
    import audioflux as af

    kinds = af.type.SpectralDataType
    mel = af.BFT(
        num=128,
        radix2_exp=11,
        samplate=22050,
        slide_length=512,
        data_type=kinds.POWER,
        scale_type=af.type.SpectralFilterBankScaleType.MEL,
    )
    power = np.abs(mel.bft(y))
    cepstrum = af.XXCC(num=mel.num)
    cepstrum.set_time_length(time_length=power.shape[-1])
    shape = af.Spectral(num=mel.num, fre_band_arr=mel.get_fre_band_arr())
    shape.set_time_length(time_length=power.shape[-1])
    chroma = af.chroma_linear(y, samplate=22050, radix2_exp=11, slide_length=512)
    parts = [
        cepstrum.xxcc(power, cc_num=13),
        chroma,
        shape.centroid(power)[None],
        shape.rolloff(power)[None],
        shape.band_width(power)[None],
    ]
    return np.concatenate([np.r_[p.mean(axis=1), p.std(axis=1)] for p in parts])


def sound_libraries(folder: Path, n_tracks: int) -> dict[str, dict]:
    """CPU seconds a half-minute track without decoding, and how many numbers come out."""
    from musicbook.corpus import audio, folders

    files = list(folders.find_audio(folder).values())[:n_tracks]
    clips = [audio.load_audio(path)[0] for path in files]
    libraries = {
        "ours": (our_numbers, "numba"),
        "librosa": (librosa_numbers, "librosa"),
        "essentia": (essentia_numbers, "essentia"),
        "audioflux": (audioflux_numbers, "audioflux"),
    }
    rows = {}
    for turn in range(1 + ROUNDS):
        for name, (describe, package) in libraries.items():
            if importlib.util.find_spec(package) is None:
                rows[name] = {"left out": f"{package} is not installed"}
                continue
            if turn == 0:  # the first call compiles
                rows[name] = {"numbers": len(describe(clips[0])), "version": version(package)}
                continue
            began = time.process_time()
            for clip in clips:
                describe(clip)
            seconds = (time.process_time() - began) / len(clips)
            rows[name]["cpu_s"] = min(seconds, rows[name].get("cpu_s", seconds))
            print(turn, name, f"{seconds:.4f}", flush=True)
    return _beside_ours(rows, "cpu_s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=40, help="of a timed training")
    parser.add_argument("--sound", type=Path, help="folder of half-minute sound files")
    parser.add_argument("--tracks", type=int, default=20)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = {"date": date.today().isoformat(), "training": training_engines(options.epochs)}
    if options.sound:
        table["sound"] = sound_libraries(options.sound, options.tracks)
    options.out.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
