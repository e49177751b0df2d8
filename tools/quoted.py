"""The numbers that the prose may quote as {{ name }}, so that none is typed by hand.

They come from the closed forms and tables of `helpers`, from the published runs in data/results, from what the cells
tagged `numbers` printed, and from the build itself. Names are lower case; see `published` for those of the scores.
"""

import json
import re
from importlib import metadata
from pathlib import Path

import pandas as pd

from helpers import datasets, inputs, lyrics, metrics, protocols, tables
from helpers.pairing import grids, sentences
from helpers.published import leakage, store
from tools import measurements
from tools.run_notebooks import Run

QUOTED = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def slug(*parts: object) -> str:
    """"PCA + K-Means", "nmi" -> "pca_k_means_nmi"."""
    return re.sub(r"[^a-z0-9]+", "_", " ".join(map(str, parts)).lower()).strip("_")


def paper() -> dict[str, str]:
    """`paper_<phase>_<method>_<metric>` for every value of the paper's tables."""
    table = tables.paper_tables()
    return {slug("paper", r.phase, r.method, r.metric): f"{r.value:.3f}" for r in table.itertuples()}


def published() -> dict[str, str]:
    """`<dataset>_<protocol>_<phase>_<variant>_<method>_<metric>` = mean ± sd over seeds, of every published run; the
    variant "full" goes without saying. `…_mean` and `…_seeds` give the mean alone and the number of seeds. Of GTZAN
    also the shares of the label's channels, `gtzan_share_…`, where the borrowed lyrics came from, `gtzan_lyrics_…`,
    and of the author's own files `author_…`."""
    found: dict[str, str] = {}
    for table in sorted((datasets.data_dir() / "results").glob("*/scores.csv.gz")):
        runs = store.Published(table.parent.name)
        found[slug(table.parent.name, "runs")] = str(runs.units.run.nunique())
        minutes = pd.to_numeric(runs.units.cpu_s).sum() / 60
        found[slug(table.parent.name, "runs", "cpu", "minutes")] = f"{minutes:.0f}"
        for r in tables.summarise(runs.scores).itertuples():
            variant = "" if r.variant == "full" else r.variant
            name = slug(table.parent.name, r.protocol, r.phase, variant, r.method, r.metric)
            found[name] = tables.cell(r.mean, r.sd, r.metric)
            found[name + "_mean"] = tables.cell(r.mean, float("nan"), r.metric)
            found[name + "_seeds"] = str(r.seeds)
        if runs.has("released", 3, leakage.INPUT, "one-hot removed"):
            report, shares = leakage.coverage(runs), leakage.shares(runs).NMI
            found |= {slug(table.parent.name, name): f"{value:.3f}" for name, value in shares.items()}
            found[slug(table.parent.name, "lyrics of their tag")] = str(report.n_from_tag.sum())
            found[slug(table.parent.name, "lyrics tracks")] = str(report.n_tracks.sum())
            found[slug(table.parent.name, "lyrics coverage")] = leakage.read_coverage(runs)
    facts = leakage.author_facts()
    return found | {slug("author", name): f"{value:g}" for name, value in facts.value.items()}


def own_words() -> dict[str, str]:
    """Of the songs with their own words, where their grids are published: `paired_verdict`, a sentence; for each
    fusion, control and target `paired_<fusion>_<control>_<target>`, NMI with its interval, and `…_gain` of own words
    over it (of own words over sound alone); `paired_probe_<input>_<target>` and its `…_gain` alike;
    `paired_recall_<method>`."""
    grid = {name: grids.stored(name) for name in ("fusions", "probes", "retrieval")}
    if any(table is None for table in grid.values()):
        return {}
    found = {"paired_verdict": sentences.plain(grid["fusions"]), "paired_ways": str(grid["fusions"].fusion.nunique())}
    rows = [(slug("paired", r.fusion, r.control, r.target), r)
            for r in grid["fusions"].query("metric == 'nmi'").itertuples()]
    rows += [(slug("paired probe", r.input, r.target), r) for r in grid["probes"].itertuples()]
    for name, row in rows:
        found[name] = f"{row.mean:.3f} {tables.range_cell(row.low, row.high)}"
        found[name + "_gain"] = sentences.signed(row)
    found |= {slug("paired recall", r.method, "shuffled" * ("shuffled" in r.pairs)): f"{r.recall:.1%}"
              for r in grid["retrieval"].itertuples()}
    return found


def data() -> dict[str, str]:
    """Sizes of the embedded tables and of the bank of lyrics, and the share of variance its components keep."""
    segments, tracks, bank = datasets.load("gtzan-mini"), datasets.load("gtzan-mini-tracks"), lyrics.bank()
    whole = bank.rows(None, None)
    found = {"segments": str(segments.n), "tracks": str(tracks.n), "features": str(segments.features.shape[1]),
             "genres": str(len(segments.genre_names)), "lyrics_texts": str(len(whole)),
             "lyrics_english": str(len(bank.rows()))}
    for tag in sorted(set(bank.tag[whole])):
        found[slug("lyrics", tag)] = str(len(bank.rows(tag, None)))
        found[slug("lyrics", tag, "english")] = str(len(bank.rows(tag)))
    vectors, share = inputs.reduce_text(bank.vectors[bank.rows()], 0.95)
    return found | {"lyrics_components": str(vectors.shape[1]), "lyrics_share": f"{100 * share:.0f} %"}


def measured() -> dict[str, str]:
    """`bench_<file>_<path to the value>` for every published measurement; rows of a list are counted from 1."""
    found: dict[str, str] = {}

    def walk(value: object, name: str) -> None:
        pairs = value.items() if isinstance(value, dict) else enumerate(value, 1) if isinstance(value, list) else ()
        for key, part in pairs:
            walk(part, f"{name}_{slug(key)}")
        if not isinstance(value, (dict, list)):
            found[name] = _figure(value)

    for path in sorted((datasets.data_dir() / "results" / "bench").glob("*.json")):
        walk(json.loads(path.read_text()), slug("bench", path.stem))
    return found


def _figure(value: object) -> str:
    return measurements.figure(value) if isinstance(value, float) else f"{value:,}" if isinstance(
        value, int) and value > 9999 else str(value)


def collect(root: Path, runs: list[Run]) -> dict[str, str]:
    """Every number that the pages in `root`/book quote. ValueError where two notebooks claim one name, and for a name
    that nobody printed, with the page that quotes it."""
    found = paper() | published() | own_words() | data() | measured()
    found |= {
        "version": metadata.version("vae-music-clustering"),
        "planted_share": f"{inputs.SHARE:.0%}",
        "verdict_margin": f"{tables.MARGIN:g}",
        "nmi_of_thirty_pure_clusters": f"{metrics.equal_pure_clusters(10, 3):.3f}",
        "minutes": f"{sum(run.seconds for run in runs) / 60:.1f}",
        "notebooks": str(len(runs)),
        "protocols": ", ".join(protocols.PROTOCOLS),
        "batch_size": " or ".join(sorted({str(r.batch_size) for p in protocols.PROTOCOLS.values()
                                          for r in p.recipes.values()})),
    }
    found |= {name: str(value) for name, value in (runs[0].parameters if runs else {}).items()}
    for run in runs:
        if twice := found.keys() & run.numbers.keys():
            raise ValueError(f"notebooks/{run.name} prints the number {', '.join(sorted(twice))}, which is taken")
        found |= run.numbers
    quoted = {name: page for page in sorted((root / "book").rglob("*.md")) for name in QUOTED.findall(page.read_text())}
    if unknown := sorted(quoted.keys() - found.keys()):
        places = ", ".join(f"{name} (book/{quoted[name].name})" for name in unknown)
        raise ValueError(f"the prose quotes numbers that nothing printed: {places}")
    return {name: found[name] for name in sorted(quoted)}


def recipes() -> str:
    """The recipes of the protocols as Markdown, one table for protocols that share all of theirs."""
    names = {"basic_vae": "basic VAE (phase 1)", "enhanced_vae": "enhanced VAE (phase 2)",
             "beta_vae": "Beta-VAE (phase 3)", "cvae": "CVAE (phase 3)", "ae": "autoencoder (phase 3)"}
    alike: dict[str, list[str]] = {}
    for protocol in protocols.PROTOCOLS.values():
        alike.setdefault(str(protocol.recipes), []).append(protocol.name)
    lines = []
    for same in alike.values():
        lines += ["", f"**{' and '.join(same)}**", "", "| network | hidden | d | layer | β | epochs | Adam |",
                  "|---|---|---:|---|---|---:|---|"]
        for key, title in names.items():
            r = protocols.PROTOCOLS[same[0]].recipes[key]
            layer = [r.activation.replace("leaky_relu", "LeakyReLU").replace("relu", "ReLU")]
            layer += ["BatchNorm"] * r.batch_norm + ["residual"] * r.residual
            layer += [f"dropout {r.dropout[0]:g}/{r.dropout[1]:g}"] * any(r.dropout)
            beta = "–" if r.kind == "ae" else f"{r.beta:g}"
            beta += f", {r.anneal} over {r.anneal_epochs} epochs" if r.anneal != "none" else ""
            adam = [f"{r.lr:g} {r.schedule}"] + [f"decay {r.weight_decay:g}"] * bool(r.weight_decay)
            adam += [] if r.clip_norm is None else [f"gradient norm ≤ {r.clip_norm:g}"]
            lines.append(f"| {title} | {', '.join(map(str, r.hidden))} | {r.latent} | {', '.join(layer)} "
                         f"| {beta} | {r.epochs} | {', '.join(adam)} |")
    return "\n".join(lines) + "\n"
