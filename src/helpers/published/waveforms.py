"""Raw sound instead of hand-made features: how a `ConvVAE` is trained and read, and its grid of published runs.

Which row learns what, and from what: the same network asked for a waveform, for its spectra, or for a log-mel picture;
beside it what needs no learning. Epochs are fixed here, not chosen by a score of these runs. `make results` runs the
grid where the audio is (`$GTZAN_AUDIO`), page "Raw waveforms" reads it and trains such networks live."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA

from .. import cache, clustering, datasets, inputs, metrics, models, tables, training
from ..corpus import pretrained
from ..corpus.audio import load_audio
from ..datasets import Tracks
from ..features import SR
from ..protocols import Recipe

log = logging.getLogger("helpers")

CROP = 32_768  # samples of a segment that are encoded: 2.97 s at models.SOUND_RATE
HALF = CROP // 2  # samples of it that a network is trained on; pooling over time makes the encoder take any length
RECIPE = Recipe(hidden=(16, 32, 64, 128, 128), latent=32, activation="leaky_relu", batch_norm=True, epochs=20,
                weight_decay=0.0, schedule="constant", clip_norm=1.0)  # fmt: skip
MODELS = {  # row -> target of the decoder, recipe; twenty epochs, fixed before the grid was run
    "ConvVAE to the waveform": ("waveform", RECIPE),
    "ConvVAE to spectra (STFT)": ("stft", RECIPE),
    "ConvVAE to log-mel": ("mel", RECIPE),
    "ConvVAE to log-mel, 40 epochs": ("mel", RECIPE.but(epochs=40)),
}
FEATURES, LOG_MEL, UNTRAINED, MEL = "68 features", "log-mel statistics", "ConvVAE, untrained", "ConvVAE to log-mel"
ROWS = (FEATURES, LOG_MEL, "PCA of waveforms", UNTRAINED, *MODELS)
SEEDS = 5
SCORES = ("nmi", "ari", "ami", "nmi_chance")


# ---- sound ----------------------------------------------------------------------------------------------------------


def cut(y: np.ndarray, starts: Sequence[float], sr: int = SR, n: int = CROP) -> np.ndarray:
    """Crops (len(starts), n) float32 at models.SOUND_RATE of sound y (n_samples,), from `starts` in seconds.

    Raises ValueError where a crop is longer than what is left of the sound by more than a tenth of a second, which is
    filled with silence, and for samples that are not finite."""
    import soxr

    if not np.isfinite(y).all():
        raise ValueError("the sound holds NaN or infinite samples")
    y = soxr.resample(np.asarray(y, dtype=np.float32), sr, models.SOUND_RATE, quality="HQ")
    firsts = [round(start * models.SOUND_RATE) for start in starts]
    if max(firsts) + n > len(y) + models.SOUND_RATE // 10:
        raise ValueError(f"the sound lasts {len(y) / models.SOUND_RATE:.2f} s, too short for a crop of "
                         f"{n / models.SOUND_RATE:.2f} s that starts at {max(starts):g} s")  # fmt: skip
    y = np.pad(y, (0, max(0, max(firsts) + n - len(y))))
    return np.stack([y[first : first + n] for first in firsts])


def crops(tracks: Tracks, paths: Mapping[str, Path]) -> np.ndarray:
    """The sound of every segment of `tracks`, (n, CROP), rows in their order, divided by one number so that its
    variance is 1 and loud stays loud. ValueError names a file that is too short, or silence in all of them."""
    assert tracks.start_s is not None
    x = np.empty((tracks.n, CROP), np.float32)
    names = tracks.track_ids
    for track in dict.fromkeys(names.tolist()):
        rows = np.flatnonzero(names == track)
        try:
            x[rows] = cut(load_audio(paths[track])[0], tracks.start_s[rows].tolist())
        except ValueError as error:
            raise ValueError(f"{track}: {error}") from None
    return level(x)


def level(x: np.ndarray) -> np.ndarray:
    """Crops (n, m) over their common standard deviation; ValueError for silence."""
    if not x.std() > 0:
        raise ValueError("every crop is silent: there is nothing to learn from")
    return x / x.std()


# ---- the network ----------------------------------------------------------------------------------------------------


def fit(x: np.ndarray, target: str, recipe: Recipe, seed: int) -> dict[str, np.ndarray]:
    """Train a ConvVAE on crops x (n, m): "state/…", "history/…" and the CPU "seconds", as the store keeps them.

    Raises `training.Diverged` for a training that ran away, ValueError for a length that is no multiple of 2048."""
    began = time.process_time()
    with training.seeded(seed):
        net = models.ConvVAE(recipe, x.shape[1], target)
        history = training.train(net, (torch.tensor(x),), recipe, models.sound_loss)  # type: ignore[arg-type]
    arrays = {f"state/{name}": value.numpy() for name, value in net.state_dict().items()}
    arrays |= {f"history/{name}": values for name, values in history.items()}
    return arrays | {"seconds": np.array(time.process_time() - began)}


def network(made: Mapping[str, np.ndarray], n: int, target: str, recipe: Recipe) -> models.ConvVAE:
    """The network that `fit` trained on crops of n samples, in evaluation mode."""
    net = models.ConvVAE(recipe, n, target)
    state = {k.removeprefix("state/"): torch.from_numpy(np.array(v)) for k, v in made.items() if k.startswith("state/")}
    net.load_state_dict(state)
    return net.eval()


def untrained(recipe: Recipe, n: int, seed: int = 0) -> models.ConvVAE:
    """The network that `fit` starts from, in evaluation mode."""
    with training.seeded(seed):
        return models.ConvVAE(recipe, n).eval()


def unit_kl(net: models.ConvVAE, x: np.ndarray) -> np.ndarray:
    """Mean KL of each latent unit over crops x (n, m), in nats, (d,)."""
    return training.kl_rows(*encode(net, x)).mean(axis=0)


@torch.no_grad()
def encode(net: models.ConvVAE, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means and log-variances (n, d) of crops x (n, m), of any length."""
    with training.seeded(0):
        mu, logvar = training.encode(net, (torch.from_numpy(x),), rows=100)  # type: ignore[arg-type]
    return mu.numpy(), logvar.numpy()  # type: ignore[union-attr]


@torch.no_grad()
def unexplained(net: models.ConvVAE, x: np.ndarray) -> float:
    """Share of the variance of what the decoder is asked for that its answer to mu leaves, over crops x (n, m): 1 for
    one that always gives the mean."""
    total, left = 0.0, 0.0
    wanted, given = [], []
    for part in torch.from_numpy(x).split(100):
        y = net.decode(net.encode(part)[0])
        see = {"waveform": lambda v: v, "stft": models.log_spectra, "mel": models.log_mel}[net.target]
        wanted.append(see(part).flatten(1))
        given.append(y.flatten(1) if net.target == "mel" else see(y).flatten(1))
    mean = sum(part.sum(0) for part in wanted) / len(x)
    for a, b in zip(wanted, given, strict=True):
        total, left = total + float((a - mean).square().sum()), left + float((a - b).square().sum())
    return left / total


def statistics(x: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of each band of `models.log_mel` over the frames, (n, 128), of crops x (n, m)."""
    pictures = [models.log_mel(part) for part in torch.from_numpy(x).split(100)]
    return torch.cat([torch.cat([p.mean(2), p.std(2)], dim=1) for p in pictures]).numpy()


# ---- the grid -------------------------------------------------------------------------------------------------------


def cells(tracks: Tracks, seeds: Sequence[int]) -> list[tuple]:
    """Every row of ROWS for SEEDS seeds, as `grids.tabulate` takes them; none, and the log says why, for tracks without
    genres, without segments, or without their sound."""
    paths = pretrained.sound_files(tracks) if tracks.start_s is not None and tracks.genres is not None else {}
    if not paths or set(paths) != set(tracks.track_ids):
        log.info("waveforms is left out: %s has no segments with their audio here (set GTZAN_AUDIO)", tracks.name)
        return []
    x = crops(tracks, paths)
    return [({"row": row, "seed": seed}, cell, row, *MODELS.get(row, (None, RECIPE)), seed, x,
             tracks.features.to_numpy(), tracks.genres, tracks.groups)
            for seed in list(seeds)[:SEEDS] for row in ROWS]  # fmt: skip


def cell(
    row: str, target: str | None, recipe: Recipe, seed: int, x: np.ndarray, features: np.ndarray, genres: np.ndarray,
    groups: np.ndarray,
) -> dict[str, np.ndarray]:  # fmt: skip
    """One row: K-Means with as many clusters as genres on the segments' space, and on its means over each track.

    Hand-made columns are z-scored, latent means are taken as they are (as on page "Audio baseline"). Labels and SCORES
    a level, the tracks' `space`, and of a network its `unexplained` on the halves of the segments that it was not
    trained on, `by_heart` on those that it was, `kl` (nats), `active` units and CPU `seconds`."""
    made: dict[str, np.ndarray] = {}
    if row == FEATURES:
        Z = inputs.zscore(features)
    elif row == LOG_MEL:
        Z = inputs.zscore(statistics(x))
    elif row == "PCA of waveforms":
        Z = PCA(recipe.latent, random_state=seed).fit_transform(x)
    else:
        if target is None:
            with training.seeded(seed):
                net = models.ConvVAE(recipe, HALF).eval()
        else:
            half = np.ascontiguousarray(x[:, :HALF])
            found = fit(half, target, recipe, seed)
            net = network(found, HALF, target, recipe)
            made |= {"unexplained": np.array(unexplained(net, x[:, HALF:])), "seconds": found["seconds"],
                     "by_heart": np.array(unexplained(net, half))}  # fmt: skip
        Z, logvar = encode(net, x)
        kl = training.kl_rows(Z, logvar).mean(0)
        made |= {"kl": kl.sum(), "active": (kl > models.ACTIVE_KL).sum()}
    _, first, which = np.unique(groups, return_index=True, return_inverse=True)
    space = np.stack([Z[which == i].mean(0) for i in range(len(first))])
    for name, X, said, together in (("segments", Z, genres, groups), ("tracks", space, genres[first], None)):
        labels = clustering.cluster(X, "kmeans", len(np.unique(genres)), seed)
        scores = metrics.scores(labels, X, genres=said, groups=together)
        made |= {f"labels/{name}": labels.astype(np.int8), f"scores/{name}": np.array([scores[s] for s in SCORES])}
    return made | {"space": space.astype(np.float16)}


def table(named: dict, result: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The two lines of one cell: row, seed, level, SCORES, and what is known of its network."""
    more = {name: float(result[name]) if name in result else np.nan
            for name in ("unexplained", "by_heart", "kl", "active", "seconds")}  # fmt: skip
    return pd.DataFrame([named | {"level": name} | dict(zip(SCORES, result[f"scores/{name}"])) | more
                         for name in ("segments", "tracks")])  # fmt: skip


def maps(tracks: Tracks) -> dict[str, np.ndarray]:
    """What intervals and the page "Pretrained sound" need: "<row>/segments" (seeds, n) and "<row>/tracks" (seeds,
    n_tracks) labels, "space/<row>" (n_tracks, d) of the first seed, and the names of tracks and genres."""
    wanted = cells(tracks, range(SEEDS))
    found = cache.remember_many([tuple(call) for _, *call in wanted], 1)
    _, first = np.unique(tracks.groups, return_index=True)
    arrays = {"ids": tracks.ids.astype("U"), "groups": tracks.groups.astype("U"),
              "tracks": tracks.groups[first].astype("U"), "genres": np.asarray(tracks.genres, dtype="U")}  # fmt: skip
    for row in ROWS:
        mine = [made for (named, *_), made in zip(wanted, found, strict=True) if named["row"] == row]
        arrays |= {f"{row}/{part}": np.stack([made[f"labels/{part}"] for made in mine])
                   for part in ("segments", "tracks")}  # fmt: skip
        if row in (LOG_MEL, MEL):
            arrays[f"space/{row}"] = mine[0]["space"]
    return arrays


# ---- reading it -----------------------------------------------------------------------------------------------------


class Stored:
    """The published grid of a data set: `scores`, its table, and `arrays`, what `maps` gave. FileNotFoundError says how
    to make it. Pages "Raw waveforms" and "Pretrained sound"."""

    def __init__(self, dataset: str = "gtzan-mini"):
        folder = datasets.data_dir() / "results" / dataset
        if not (folder / "waveforms.csv").exists():
            raise FileNotFoundError(
                f"{folder / 'waveforms.csv'} is not there: `make results DATASET={dataset} ONLY=waveforms` makes it, "
                "with GTZAN_AUDIO set to your copy of the audio"
            )
        self.scores = pd.read_csv(folder / "waveforms.csv")
        with np.load(folder / "waveforms_maps.npz", allow_pickle=False) as file:
            self.arrays = dict(file)

    def _level(self, level: str) -> tuple[np.ndarray, np.ndarray]:
        """Genres and the tracks of the rows of a level."""
        groups, genres = self.arrays["groups"], self.arrays["genres"]
        if level == "segments":
            return genres, groups
        _, first = np.unique(groups, return_index=True)
        return genres[first], groups[first]

    def interval(self, row: str, metric: str, level: str = "segments") -> tuple[float, float, float]:
        """Mean over the seeds of a score and its 95 % interval, tracks drawn anew."""
        genres, groups = self._level(level)
        return metrics.interval([metrics.resampled(genres, self.arrays[f"{row}/{level}"], groups, metric)])

    def difference(self, row: str, other: str, metric: str, level: str = "segments") -> tuple[float, float, float]:
        """`row` minus `other` on the same tracks, and the 95 % interval of that."""
        genres, groups = self._level(level)
        one, two = (self.arrays[f"{name}/{level}"] for name in (row, other))
        return metrics.paired_bootstrap(genres, one, two, metric, groups)

    def table(self) -> pd.DataFrame:
        """One line a row of ROWS: NMI and ARI, with intervals, and AMI on segments and on tracks, means over the seeds,
        and of networks the share of variance left, in sound that they were not trained on and in the other half of the
        same segments, and the KL."""
        mean = self.scores.groupby(["row", "level"]).mean(numeric_only=True)
        lines = {}
        for row in ROWS:
            line = {}
            for part in ("segments", "tracks"):
                for metric in ("nmi", "ari"):
                    line[f"{metrics.label_of(metric)}, {part}"] = tables.with_interval(
                        *self.interval(row, metric, part))  # fmt: skip
                line[f"AMI, {part}"] = f"{mean.loc[(row, part), 'ami']:.3f}"
            for name, said, digits in (("unexplained", "variance left", 2), ("kl", "KL (nats)", 1),
                                       ("by_heart", "variance left, trained on", 2)):  # fmt: skip
                value = mean.loc[(row, "segments"), name]
                line[said] = "" if np.isnan(value) else f"{value:.{digits}f}"
            lines[row] = line
        return pd.DataFrame(lines).T.rename_axis("Space")


def read(real: Stored) -> str:
    """What the published grid says, as Markdown: each difference in ARI on segments with its 95 % interval."""
    questions = {
        "What training to log-mel adds to the untrained network": (MEL, UNTRAINED),
        "What another twenty epochs add to that": ("ConvVAE to log-mel, 40 epochs", MEL),
        "The network to log-mel against plain log-mel statistics": (MEL, LOG_MEL),
        "The same against the 68 features": (MEL, FEATURES),
    }
    lines = []
    for said, (one, other) in questions.items():
        found = real.difference(one, other, "ari")
        lines.append(f"- {said}: {tables.with_interval(*found, sign='+')}, {metrics.told(*found[1:])}.")
    nothing = ": what it has learnt, it has learnt by heart" if _missed(real) >= 0.95 else ""
    return (f"Trained to give back the waveform, the network leaves {_missed(real, 'by_heart'):.1%} of the variance of "
            f"the sound that it was trained on, and {_missed(real):.1%} of that of the sound that follows{nothing}. "
            "Differences in ARI on segments, on the same tracks:\n\n" + "\n".join(lines))  # fmt: skip


def _missed(real: Stored, where: str = "unexplained") -> float:
    return float(real.scores[real.scores.row == "ConvVAE to the waveform"][where].mean())


def answer(real: Stored) -> str:
    """Two sentences for the top of the page."""
    found = {row: real.interval(row, "nmi") for row in ROWS}
    said = {row: tables.with_interval(*values) for row, values in found.items()}
    best = max(MODELS, key=lambda row: found[row][0])
    word = "Hardly, from a hundred tracks" if found[best][0] < found[FEATURES][0] else "Yes"
    return (f"**{word}**: on real music the best of our networks on raw sound ({best}) agrees with the genres to NMI "
            f"{said[best]}, averages of a log-mel spectrogram without any learning to {said[LOG_MEL]}, and the 68 "
            f"hand-made features to {said[FEATURES]}. The network that has to give back the waveform itself leaves "
            f"{_missed(real):.0%} of unheard sound unexplained.")  # fmt: skip
