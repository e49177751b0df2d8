"""The registry of numbers that the prose may quote as {{ name }}, so that none is typed by hand.

`SOURCES` is the list of functions that give them, each `{name: Value}`: adding a number is adding
it to one of these, or one more function. They read the paper's tables, the published runs in
data/results, closed forms, and the settings in the code; the build adds what the cells tagged
`numbers` printed. A name that nothing gives, two numbers of one name or of the same words, and a
number that a guard refuses stop the build."""

import json
import re
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

from helpers import inputs, lyrics, metrics, models, protocols, tables
from helpers.tracks import data_dir
from leakaudit import leaks
from musicbook import stored_runs
from musicbook.chapters.audit.bench_tables import audit_values
from musicbook.chapters.cluster_well.sentences import well_values
from musicbook.chapters.collapse.values import collapse_values
from musicbook.chapters.leakage.values import author_values, leakage_values
from musicbook.chapters.own_words.values import own_words_values
from musicbook.chapters.results.multiverse import pipeline_values
from musicbook.corpus import sources
from musicbook.named_values import (
    Value,
    check_words,
    quote,
    run_values,
    score_values,
    slug,
)
from tools import measurements
from tools.run_notebooks import Run

QUOTED = re.compile(r"\{\{\s*(\w+)\s*\}\}")
MARKED = re.compile(r'data-value=\\?"(\w+)')  # as `quote` marks a number in a notebook's output
LISTING = "values.json"  # beside the built pages: every quoted number and where it comes from


def paper_values() -> dict[str, Value]:
    """`paper_<phase>_<method>_<metric>` for every value of the paper's three tables."""
    values = {}
    for row in tables.paper_tables().itertuples():
        label = metrics.label_of(row.metric)
        values[slug("paper", row.phase, row.method, row.metric)] = Value(
            f"{row.value:.3f}",
            f"{label} of {row.method} in the paper's Table {row.phase}",
            "data/paper_tables.csv",
            f"{row.phase}, {row.method}, {row.metric}",
        )
    return values


def published_values() -> dict[str, Value]:
    """Scores, costs and shares of every folder of published runs, and what the author's own files
    show."""
    values = author_values()
    for table in sorted((data_dir() / "results").glob("*/scores.csv.gz")):
        runs = stored_runs.Published(table.parent.name)
        values |= run_values(runs) | score_values(runs) | leakage_values(runs)
        values |= pipeline_values(runs)
    return values


def size_values() -> dict[str, Value]:
    """Sizes of the embedded tables and of the bank of lyrics, and the share of variance that its
    components keep."""
    segments, tracks = sources.load("gtzan-mini"), sources.load("gtzan-mini-tracks")
    segments_file, tracks_file = "data/gtzan_mini_segments.csv", "data/gtzan_mini_tracks.csv"
    values = {
        "segments": Value(str(segments.n), "segments of gtzan-mini", segments_file),
        "tracks": Value(str(tracks.n), "tracks of gtzan-mini", tracks_file),
        "features": Value(
            str(segments.features.shape[1]), "audio features of a track", segments_file
        ),
        "genres": Value(str(len(segments.genre_names)), "genres of gtzan-mini", segments_file),
    }
    bank, bank_file = lyrics.bank(), "data/lyrics_bank.npz"
    whole = bank.rows(None, None)
    counts = {"texts": (len(whole), "all tags"), "english": (len(bank.rows()), "English, all tags")}
    for tag in sorted(set(bank.tag[whole])):
        counts[tag] = (len(bank.rows(tag, None)), f"tag {tag}")
        counts[f"{tag} english"] = (len(bank.rows(tag)), f"tag {tag}, English")
    for name, (count, which) in counts.items():
        words = f"texts in the bank of lyrics: {which}"
        values[slug("lyrics", name)] = Value(str(count), words, bank_file)
    vectors, share = inputs.reduce_text(bank.vectors[bank.rows()], 0.95)
    values["lyrics_components"] = Value(
        str(vectors.shape[1]), "principal components kept of the lyrics", bank_file
    )
    values["lyrics_share"] = Value(
        f"{100 * share:.0f} %", "variance that the kept components of the lyrics hold", bank_file
    )
    return values


def setting_values() -> dict[str, Value]:
    """Closed forms, and settings as the code has them."""
    sizes = {
        str(recipe.batch_size)
        for protocol in protocols.PROTOCOLS.values()
        for recipe in protocol.recipes.values()
    }
    thirty = f"{metrics.equal_pure_clusters(10, 3):.3f}"
    return {
        "version": Value(
            metadata.version("vae-music-clustering"), "version of the book", "pyproject.toml"
        ),
        "planted_share": Value(
            f"{inputs.SHARE:.0%}",
            "share of the text's variance that the scale guard plants",
            "src/helpers/inputs.py",
        ),
        "verdict_margin": Value(
            f"{tables.MARGIN:g}",
            "difference from a printed score that nobody would call one",
            "src/helpers/tables.py",
        ),
        "nmi_of_thirty_pure_clusters": Value(
            thirty, "NMI of thirty pure clusters over ten genres", "2 ln 10 / (ln 10 + ln 30)"
        ),
        "leak_limit": Value(
            f"{leaks.LEAKY:g}",
            "effect from which on the leak guard calls a block of columns leaky",
            "src/leakaudit/leaks.py",
        ),
        "active_threshold": Value(
            f"{models.ACTIVE_KL:g}",
            "KL in nats from which on a dimension counts as active",
            "src/helpers/models.py",
        ),
        "protocols": Value(
            ", ".join(protocols.PROTOCOLS), "names of the protocols", "src/helpers/protocols.py"
        ),
        "batch_size": Value(
            " or ".join(sorted(sizes)), "rows of a training batch", "src/helpers/protocols.py"
        ),
    }


def measured_values() -> dict[str, Value]:
    """`bench_<file>_<path to the value>` for every published measurement; rows of a list are
    counted from 1."""
    values: dict[str, Value] = {}

    def walk(node: object, name: str, path: str, file: str) -> None:
        if isinstance(node, dict):
            pairs = list(node.items())
        elif isinstance(node, list):
            pairs = list(enumerate(node, 1))
        else:
            values[name] = Value(_figure(node), f"measurement {file}: {path}", file, path)
            return
        for key, part in pairs:
            walk(part, f"{name}_{slug(key)}", f"{path}/{key}", file)

    for path in sorted((data_dir() / "results" / "bench").glob("*.json")):
        file = f"data/results/bench/{path.name}"
        walk(json.loads(path.read_text()), slug("bench", path.stem), "", file)
    return values


def _figure(value: object) -> str:
    if isinstance(value, float):
        return measurements.figure(value)
    if isinstance(value, int) and value > 9999:
        return f"{value:,}"
    return str(value)


SOURCES: list[Callable[[], dict[str, Value]]] = [
    paper_values,
    published_values,
    collapse_values,
    own_words_values,
    well_values,
    audit_values,
    size_values,
    setting_values,
    measured_values,
]


def build_values(runs: list[Run]) -> dict[str, Value]:
    """What only this build knows: its parameters, how long its pages ran, and what their cells
    tagged `numbers` printed. ValueError where two notebooks print one name."""
    minutes = sum(run.seconds for run in runs) / 60
    values = {
        "minutes": Value(f"{minutes:.1f}", "minutes that all pages of this build ran", "the build"),
        "notebooks": Value(str(len(runs)), "notebooks of this build", "the build"),
    }
    if runs:
        for name, value in runs[0].parameters.items():
            values[name] = Value(str(value), f"parameter {name} of this build", "the build")
    for run in runs:
        page = f"notebooks/{run.name}"
        for name, text in run.numbers.items():
            if name in values:
                raise ValueError(f"{page} prints the number {name}, which is taken")
            values[name] = Value(text, f"{name.replace('_', ' ')}, printed by {page}", page)
    return values


def registry(runs: list[Run]) -> dict[str, Value]:
    """Every named value. ValueError where two sources give one name, or two values share their
    words."""
    values: dict[str, Value] = {}
    for part in [*(source() for source in SOURCES), build_values(runs)]:
        if twice := sorted(values.keys() & part.keys()):
            raise ValueError(f"two sources give the number {twice[0]}")
        values |= part
    check_words(values)
    return values


def substitutions(root: Path, values: dict[str, Value]) -> dict[str, str]:
    """The Markdown of every number that the pages in `root`/book quote.

    ValueError for a name that nothing gives, with the page that quotes it, and for a number that a
    guard refuses.
    """
    pages: dict[str, str] = {}
    for page in sorted((root / "book").rglob("*.md")):
        for name in QUOTED.findall(page.read_text()):
            pages.setdefault(name, page.name)
    if unknown := sorted(pages.keys() - values.keys()):
        places = ", ".join(f"{name} (book/{pages[name]})" for name in unknown)
        raise ValueError(f"the prose quotes numbers that nothing gives: {places}")
    return {name: quote(values, name) for name in sorted(pages)}


def listing(values: dict[str, Value], names: Iterable[str], runs: list[Run]) -> bytes:
    """As JSON, `{name: {text, words, table, row, guard}}`, the values called `names` and those that
    the notebooks quote; ValueError where a notebook marks a number by a name that nothing gives."""
    wanted = dict.fromkeys(names, "book")
    for run in runs:
        wanted |= dict.fromkeys(MARKED.findall(run.notebook), f"notebooks/{run.name}")
    if unknown := sorted(wanted.keys() - values.keys()):
        raise ValueError(f"{wanted[unknown[0]]} quotes {unknown[0]}, a number that nothing gives")
    rows = {name: vars(values[name]) for name in sorted(wanted)}
    return json.dumps(rows, indent=1, ensure_ascii=False).encode()


def recipes() -> str:
    """The recipes of the protocols as Markdown, one table for protocols that share all of
    theirs."""
    names = {
        "basic_vae": "basic VAE (phase 1)",
        "enhanced_vae": "enhanced VAE (phase 2)",
        "beta_vae": "Beta-VAE (phase 3)",
        "cvae": "CVAE (phase 3)",
        "ae": "autoencoder (phase 3)",
    }
    alike: dict[str, list[str]] = {}
    for protocol in protocols.PROTOCOLS.values():
        alike.setdefault(str(protocol.recipes), []).append(protocol.name)
    lines = []
    for same in alike.values():
        lines += [
            "",
            f"**{' and '.join(same)}**",
            "",
            "| network | hidden | d | layer | β | epochs | Adam |",
            "|---|---|---:|---|---|---:|---|",
        ]
        for key, title in names.items():
            r = protocols.PROTOCOLS[same[0]].recipes[key]
            layer = [r.activation.replace("leaky_relu", "LeakyReLU").replace("relu", "ReLU")]
            layer += ["BatchNorm"] * r.batch_norm + ["residual"] * r.residual
            layer += [f"dropout {r.dropout[0]:g}/{r.dropout[1]:g}"] * any(r.dropout)
            beta = "–" if r.kind == "ae" else f"{r.beta:g}"
            beta += f", {r.anneal} over {r.anneal_epochs} epochs" if r.anneal != "none" else ""
            adam = [f"{r.lr:g} {r.schedule}"] + [f"decay {r.weight_decay:g}"] * bool(r.weight_decay)
            adam += [] if r.clip_norm is None else [f"gradient norm ≤ {r.clip_norm:g}"]
            lines.append(
                f"| {title} | {', '.join(map(str, r.hidden))} | {r.latent} | {', '.join(layer)} "
                f"| {beta} | {r.epochs} | {', '.join(adam)} |"
            )
    return "\n".join(lines) + "\n"
