"""Every figure of phases 1 to 3 and of the leakage page; matplotlib and seaborn, one style, one
palette.

A function takes numbers that are already computed and returns a Figure. Widths suit a phone: small
multiples stack two abreast, and figures are `WIDTH` wide, so that their text shrinks little at 390
pixels."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from helpers import escape
from helpers.metrics import label_of, metric_of
from helpers.tables import shown_name, summarise

if TYPE_CHECKING:
    from helpers.training import Fit

GTZAN = (
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
)
# The ten colours of seaborn's palette "colorblind", after Wong 2011. The yellow is darker here: it
# is hard to see on white, and on a dark page, which inverts figures, too.
COLOURS = [
    "#a39800" if colour == "#ece133" else colour
    for colour in sns.color_palette("colorblind", 10).as_hex()
]
GENRE_PALETTE = dict(zip(GTZAN, COLOURS, strict=True))
MARKERS = "osD^vP*X<>"
OURS, PAPER, NOISE = "#0173b2", "#de8f05", "#9a9a9a"
WIDTH = 5.4  # inches: text of 10 points stays readable at 390 pixels


def use_style() -> None:
    """The book's style: figures in seaborn's whitegrid, vector output in notebooks, text of 10
    points; tables whole. And one thread for what is computed, as `make` has it: on tables of this
    size more cost more than they save."""
    threadpool_limits(1)
    pd.set_option(
        "display.max_colwidth", None, "display.max_rows", None
    )  # pandas cuts sentences, and leaves out rows
    sns.set_theme(
        style="whitegrid",
        context="notebook",
        font_scale=0.95,
        rc={
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.constrained_layout.use": True,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "figure.facecolor": "white",
            "svg.hashsalt": "book",
        },
    )
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats(
            "svg", metadata={"Date": None}
        )  # no date: equal builds give equal bytes
    except ImportError:  # outside a notebook there is nothing to set
        pass


def genre_palette(genres: Iterable[str]) -> dict[str, str]:
    """One colour per genre: the fixed ones for GTZAN's, the same ten in turn for any other set of
    names."""
    if set(genres) <= set(GENRE_PALETTE):
        return {genre: GENRE_PALETTE[genre] for genre in sorted(set(genres))}
    return {genre: COLOURS[i % len(COLOURS)] for i, genre in enumerate(sorted(set(genres)))}


def _close(figure: Figure) -> Figure:
    plt.close(figure)  # the notebook shows the returned figure once, not twice
    return figure


def _grid(n: int, height: float = 2.6, columns: int = 2, **kwargs) -> tuple[Figure, list]:
    rows = -(-n // columns)
    figure, axes = plt.subplots(
        rows, min(columns, n), figsize=(WIDTH, height * rows), squeeze=False, **kwargs
    )
    for i, axis in enumerate(axes.flat[n:], n):
        axis.set_visible(False)
        if i >= axes.shape[1]:  # the panel above has the lowest axis of its column
            axes.flat[i - axes.shape[1]].tick_params(labelbottom=True)
    return figure, list(axes.flat[:n])


def metric_bars(
    scores: pd.DataFrame,
    metrics: Sequence[str],
    methods: Sequence[str],
    paper: pd.DataFrame | None = None,
) -> Figure:
    """Figures 1 and 3: one panel a metric, one bar a method with its mean and sd over seeds; orange
    diamonds are the paper's values (`paper`: tidy phase table). A LEAKY input is hatched."""
    summary = summarise(scores)
    metrics = [m for m in metrics if m in set(summary.metric)]
    methods = [m for m in methods if m in set(summary.method)]
    figure, axes = _grid(len(metrics), height=0.9 + 0.34 * len(methods), sharey=True)
    for axis, metric in zip(axes, metrics, strict=True):
        part = summary[summary.metric == metric].set_index("method").reindex(methods)
        bars = axis.barh(
            methods,
            part["mean"],
            xerr=part["sd"].fillna(0),
            color=OURS,
            alpha=0.85,
            height=0.62,
            error_kw={"ecolor": "#333333", "capsize": 3, "lw": 1.2},
        )
        for bar, leaky in zip(bars, part["leaky"].fillna(False), strict=True):
            bar.set_hatch("///" if leaky else None)
        if paper is not None:
            known = (
                paper[paper.metric == metric].set_index("method").value.reindex(methods).dropna()
            )
            axis.scatter(
                known,
                known.index,
                marker="D",
                s=42,
                color=PAPER,
                edgecolor="black",
                lw=0.6,
                zorder=5,
            )
        better = "↑" if metric_of(metric).higher else "↓"
        axis.set_title(f"{label_of(metric).replace(' ↓', '')} {better}", fontsize=10)
        axis.grid(axis="y", visible=False)
    axes[0].invert_yaxis()
    axes[0].set_yticks(range(len(methods)), [shown_name(method) for method in methods])
    marks: list[Artist] = [plt.Rectangle((0, 0), 1, 1, color=OURS, alpha=0.85)]
    names = ["ours, mean ± sd over seeds"]
    if paper is not None:
        marks.append(plt.Line2D([], [], ls="", marker="D", color=PAPER, markeredgecolor="black"))
        names.append("paper")
    if summary.leaky.any():
        marks.append(plt.Rectangle((0, 0), 1, 1, facecolor="white", edgecolor=OURS, hatch="///"))
        names.append("LEAKY input")
    marks.append(plt.Line2D([], [], ls=""))
    names.append("↑ more, ↓ less is better")
    figure.legend(marks, names, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return _close(figure)


def project(Z: np.ndarray, seed: int = 0, start: np.ndarray | None = None) -> np.ndarray:
    """t-SNE of Z (n, d) to (n, 2), the map that the paper draws (van der Maaten & Hinton 2008);
    perplexity 30, or less for small tables. Distances between groups on such a map mean little.
    `start` (n, 2) is a map to grow it from, so that groups keep their places from one map to the
    next."""
    init = "pca" if start is None else (1e-4 / start[:, 0].std() * start).astype(np.float32)
    return TSNE(
        2, perplexity=min(30, (len(Z) - 1) / 3), init=init, random_state=seed
    ).fit_transform(np.asarray(Z, dtype=np.float32))


def _scatter(axis, points: np.ndarray, names: np.ndarray, palette: dict, title: str) -> None:
    taken: list[np.ndarray] = []
    box_size = np.ptp(points, axis=0) * [0.13, 0.045]  # of a label
    for i, name in enumerate(palette):
        here = names == name
        axis.scatter(
            *points[here].T,
            s=12,
            color=palette[name],
            marker=MARKERS[i % len(MARKERS)],
            lw=0,
            alpha=0.8,
            label=escape.label(name),
            rasterized=True,
        )
        if (
            here.sum() > 2
        ):  # a direct label where the group is densest spares the eye a walk to the legend
            k = min(5, int(here.sum()) - 1)
            spread = (
                NearestNeighbors(n_neighbors=k).fit(points[here]).kneighbors()[0].mean(axis=1)
                if k > 3
                else [0]
            )
            places = points[here][np.argsort(spread, kind="stable")]
            free = (
                place
                for place in places
                if all((np.abs(place - other) > box_size).any() for other in taken)
            )
            x, y = place = next(free, places[0])
            taken.append(place)
            box = {
                "boxstyle": "round,pad=0.12",
                "fc": "white",
                "ec": palette[name],
                "alpha": 0.75,
                "lw": 0.8,
            }
            axis.text(
                x,
                y,
                escape.label(name),
                fontsize=9,
                ha="center",
                va="center",
                weight="bold",
                bbox=box,
            )
    axis.set(title=title, xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")
    axis.grid(False)
    if len(palette) <= 12 and names.dtype.kind in "UO":
        axis.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.05),
            ncols=5,
            frameon=False,
            fontsize=8.5,
            handletextpad=0.1,
        )


def latent_map(points: np.ndarray, labels: np.ndarray, genres: np.ndarray | None = None) -> Figure:
    """Figures 2 and 4: the map `points` (n, 2) coloured by genre (where there are any) and by
    cluster; noise is grey."""
    labels = np.asarray(labels)
    names = sorted(set(labels.tolist()) - {-1})
    clusters = dict(
        zip(names, sns.color_palette("husl", max(len(names), 1)).as_hex(), strict=False)
    )
    panels = [] if genres is None else [(np.asarray(genres), genre_palette(genres), "Genres")]
    noise = f", noise {np.mean(labels == -1):.0%} in grey" if (labels == -1).any() else ""
    panels.append((labels, clusters, f"Clusters (k = {len(names)}{noise})"))
    figure, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, 4.6 * len(panels)), squeeze=False)
    for axis, (values, palette, title) in zip(axes.flat, panels, strict=True):
        if (values == -1).any() if values.dtype.kind == "i" else False:
            axis.scatter(
                *points[values == -1].T, s=8, color=NOISE, lw=0, alpha=0.6, rasterized=True
            )
        _scatter(axis, points, values, palette, title)
    return _close(figure)


def confusion_heatmap(table: pd.DataFrame) -> Figure:
    """Figure 5: genres in rows, clusters in columns in the order that best matches them, counts in
    the cells."""
    figure, axis = plt.subplots(figsize=(WIDTH, 1.2 + 0.4 * len(table)))
    few = table.shape[1] <= 16
    sns.heatmap(
        table.rename(index=escape.label),
        annot=few,
        fmt="d",
        cmap="Blues",
        cbar=not few,
        ax=axis,
        linewidths=0.4,
        annot_kws={"size": 9},
        cbar_kws={"label": "rows"},
    )
    axis.set(xlabel="cluster, best match on the diagonal", ylabel="")
    return _close(figure)


def silhouette_by_dims(by_dims: pd.DataFrame, points: dict[str, tuple[float, float]]) -> Figure:
    """Silhouette and NMI of PCA + K-Means against the number of components kept (`by_dims`: dims,
    silhouette, nmi), and other methods as `points` {name: (dims, silhouette)}."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.8))
    axis.plot(
        by_dims.dims, by_dims.silhouette, marker="o", color=OURS, label="silhouette, PCA + K-Means"
    )
    if "nmi" in by_dims and by_dims.nmi.notna().any():
        axis.plot(
            by_dims.dims,
            by_dims.nmi,
            marker="s",
            color="#029e73",
            ls="--",
            label="NMI, PCA + K-Means",
        )
    for i, (name, (dims, value)) in enumerate(points.items()):
        axis.scatter(
            [dims],
            [value],
            s=80,
            color=[PAPER, "#cc78bc", "#d55e00"][i % 3],
            marker="D^v"[i % 3],
            zorder=5,
            edgecolor="black",
            label=name,
        )
    axis.set(
        xlabel="dimensions of the space",
        ylabel="score",
        xscale="log",
        title="Silhouette and NMI by number of dimensions",
    )
    axis.set_xticks(by_dims.dims, [str(int(d)) for d in by_dims.dims])
    axis.minorticks_off()
    axis.legend(frameon=False, fontsize=9)
    return _close(figure)


def eps_panels(curve: pd.DataFrame, chosen: float) -> Figure:
    """DBSCAN over eps (`curve`: eps, n_clusters, noise_share, silhouette); the dashed line is the
    eps that the rule chose."""
    panels = [
        ("n_clusters", "Clusters"),
        ("noise_share", "Noise share"),
        ("silhouette", "Silhouette without noise"),
    ]
    figure, axes = _grid(len(panels), height=1.7, columns=1, sharex=True)
    for axis, (column, title) in zip(axes, panels, strict=True):
        axis.plot(curve.eps, curve[column], marker="o", ms=3.5, color=OURS)
        axis.axvline(chosen, color=PAPER, ls="--", lw=1.5)
        axis.set(title=title, xlabel="eps" if axis is axes[-1] else "")
    return _close(figure)


def training_curves(fits: dict[str, Fit]) -> Figure:
    """Reconstruction and KL (nats) per epoch of each fit in `fits` {name: Fit}; the first few
    epochs are off the scale."""
    figure, axes = _grid(2, height=3.0)
    panels = {"reconstruction": "Reconstruction (squared error)", "kl": "KL (nats)"}
    for (key, title), axis in zip(panels.items(), axes, strict=True):
        curves = {name: fit.history[key] for name, fit in fits.items()}
        for i, (name, values) in enumerate(curves.items()):
            axis.plot(
                np.arange(1, len(values) + 1), values, color=COLOURS[i % 10], label=name, lw=1.4
            )
        tail = np.concatenate(
            [values[5:] for values in curves.values() if len(values) > 5] or [np.array([1.0])]
        )
        axis.set(title=title, xlabel="epoch", ylim=(0, tail.max() * 1.05 + 1e-9))
    axes[0].legend(frameon=False, fontsize=9)
    return _close(figure)


def agreement_bars(inputs: pd.DataFrame, title: str, paper: float | None = None) -> Figure:
    """NMI by input, one bar a method: `inputs` has input, method ("Input + K-Means", "Beta-VAE"),
    mean, low, high, leaky, chance. Leaky inputs are hatched; the grey tick is chance, the diamond
    the paper's value for its Beta-VAE on the first. Narrower than the others: it opens the book, on
    a phone too."""
    looks = {
        "Input + K-Means": (OURS, "K-Means on the input, no network"),
        "Beta-VAE": (PAPER, "K-Means on the Beta-VAE's code"),
    }
    names, methods = list(dict.fromkeys(inputs.input)), list(dict.fromkeys(inputs.method))
    step = 0.8 / len(methods)
    ground = {"fc": "white", "ec": "none", "pad": 0.5}  # no grid through the numbers
    figure, axis = plt.subplots(figsize=(4.8, 1.5 + (0.45 + 0.12 * len(methods)) * len(names)))
    for n, method in enumerate(methods):
        part = inputs[inputs.method == method].set_index("input").reindex(names)
        y = np.arange(len(names)) - 0.4 + step * (n + 0.5)
        bars = axis.barh(y, part["mean"], height=step * 0.9, color=looks[method][0])
        for bar, leaky in zip(bars, part.leaky, strict=True):
            bar.set_hatch("///" if leaky else None)
        whisker = np.abs(np.vstack([part["mean"] - part.low, part.high - part["mean"]]))
        axis.errorbar(part["mean"], y, xerr=whisker, fmt="none", ecolor="#333333", capsize=2, lw=1)
        axis.plot(part.chance, y, ls="", marker="|", ms=32 * step, mew=2, color="#222222")
        for i, (place, mean, high) in enumerate(zip(y, part["mean"], part.high, strict=True)):
            beyond = paper if paper is not None and n and not i else high  # the diamond
            axis.text(
                max(high, beyond) + 0.02,
                place,
                f"{mean:.3f}",
                va="center",
                fontsize=8.5,
                bbox=ground,
            )
    marks: list[Artist] = [
        plt.Rectangle((0, 0), 1, 1, color=looks[m][0], label=looks[m][1]) for m in methods
    ]
    if paper is not None:
        diamond: dict[str, Any] = {"marker": "D", "color": "white", "edgecolor": "black"}
        axis.scatter([paper], [-0.4 + step * 1.5], s=34, zorder=6, **diamond)
        marks.append(
            axis.scatter([], [], s=34, label=f"the paper's Beta-VAE, {paper:.3f}", **diamond)
        )
    marks.append(
        plt.Rectangle(
            (0, 0),
            1,
            1,
            label="the label is in the input (leaky)",
            fc="#777777",
            ec="white",
            hatch="////",
        )
    )
    marks.append(
        plt.Line2D([], [], ls="", marker="|", ms=10, mew=2, color="#222222", label="chance")
    )
    axis.set_yticks(range(len(names)), [textwrap.fill(name, 21) for name in names], fontsize=9)
    axis.invert_yaxis()
    axis.set(xlabel="agreement with genre (NMI)", xlim=(0, 1.0))
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    axis.grid(axis="y", visible=False)
    figure.legend(handles=marks, loc="outside lower left", ncols=1, frameon=False, fontsize=9)
    return _close(figure)
