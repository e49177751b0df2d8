"""The numbers that the prose may quote as {{ name }}, so that none is typed by hand.

They come from the closed forms and tables of `helpers`, from the published runs in data/results, from what the cells
tagged `numbers` printed, and from the build itself. Names are lower case; see `published` for those of the scores.
"""

import json
import re
from importlib import metadata
from pathlib import Path

import pandas as pd

from helpers import datasets, fusion, lyrics, metrics, protocols, results
from tools.run_notebooks import Run

QUOTED = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def slug(*parts: object) -> str:
    """"PCA + K-Means", "nmi" -> "pca_k_means_nmi"."""
    return re.sub(r"[^a-z0-9]+", "_", " ".join(map(str, parts)).lower()).strip("_")


def paper() -> dict[str, str]:
    """`paper_<phase>_<method>_<metric>` for every value of the paper's tables."""
    table = results.paper_tables()
    return {slug("paper", r.phase, r.method, r.metric): f"{r.value:.3f}" for r in table.itertuples()}


def published() -> dict[str, str]:
    """`<dataset>_<protocol>_<phase>_<variant>_<method>_<metric>` = mean ± sd over seeds, of every published run; the
    variant "full" goes without saying. `…_mean` and `…_seeds` give the mean alone and the number of seeds."""
    found: dict[str, str] = {}
    folder = datasets.data_dir() / "results"
    for table in sorted(folder.glob("*/scores.csv.gz")):
        runs = json.loads((table.parent / "provenance.json").read_text())["runs"]
        found[slug(table.parent.name, "runs")] = str(len(runs))
        for clock in ("wall", "cpu"):
            minutes = sum(run[f"{clock}_s"] for run in runs.values()) / 60
            found[slug(table.parent.name, "runs", clock, "minutes")] = f"{minutes:.0f}"
        grids = table.parent / "collapse_provenance.json"
        cost = json.loads(grids.read_text()).get("cost", {}) if grids.exists() else {}
        for clock in ("wall", "cpu"):
            minutes = sum(grid[f"{clock}_s"] for grid in cost.values()) / 60
            found[slug(table.parent.name, "collapse", clock, "minutes")] = f"{minutes:.0f}"
        for r in results.summarise(pd.read_csv(table)).itertuples():
            variant = "" if r.variant == "full" else r.variant
            name = slug(r.dataset, r.protocol, r.phase, variant, r.method, r.metric)
            found[name] = results.cell(r.mean, r.sd, r.metric)
            found[name + "_mean"] = results.cell(r.mean, float("nan"), r.metric)
            found[name + "_seeds"] = str(r.seeds)
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
    vectors, share = fusion.reduce_text(bank.vectors[bank.rows()], 0.95)
    return found | {"lyrics_components": str(vectors.shape[1]), "lyrics_share": f"{100 * share:.0f} %"}


def benchmarks() -> str:
    """The published measurements of `make bench` as Markdown: a section a file, a table for each list of rows in it."""
    parts = []
    for path in sorted((datasets.data_dir() / "results" / "bench").glob("*.json")):
        parts.append(f"### {path.stem.capitalize()}\n")
        parts += [f"{title}\n\n{_markdown(table)}" if title else _markdown(table)
                  for title, table in _tables(json.loads(path.read_text()))]
    return "\n".join(parts) or "This copy holds no published measurements; `make bench` makes them.\n"


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


def _tables(found: dict, title: str = ""):
    """(title, table) for the single values of a nested dict, together, and for each list of rows or dict in it."""
    if "versions" in found:
        found = found | {"versions": ", ".join(f"{name} {one}" for name, one in found["versions"].items())}
    single = {k: v for k, v in found.items() if not isinstance(v, (dict, list)) and v is not None}
    if single:
        yield title, pd.DataFrame([(_words(k), _figure(v)) for k, v in single.items()], columns=["measured", "value"])
    for name, part in found.items():
        inner = f"{title}, {_words(name)}" if title else _words(name).capitalize()
        if isinstance(part, dict):
            yield from _tables(part, inner)
        elif isinstance(part, list):
            rows = [{_words(k): _figure(v) for k, v in row.items()} for row in part]
            rows = [row | {"refused": "above its limit"} if "refused" in row else row for row in rows]
            yield inner, pd.DataFrame(rows).fillna("–")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _figure(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,.0f}" if isinstance(
        value, float) else f"{value:,}" if isinstance(value, int) and value > 9999 else str(value)


def _markdown(table: pd.DataFrame) -> str:
    rows = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).values.tolist()]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def collect(root: Path, runs: list[Run], live: dict[str, str]) -> dict[str, str]:
    """Every number that the pages in `root`/book quote. ValueError where two notebooks claim one name, and for a name
    that nobody printed, with the page that quotes it."""
    found = paper() | published() | data() | measured() | live
    found |= {
        "version": metadata.version("vae-music-clustering"),
        "nmi_of_thirty_pure_clusters": f"{metrics.equal_pure_clusters(10, 3):.3f}",
        "minutes": f"{sum(run.seconds for run in runs) / 60:.1f}",
        "notebooks": str(len(runs)),
        "protocols": ", ".join(protocols.PROTOCOLS),
    }
    found |= {name: str(value) for name, value in (runs[0].parameters if runs else {}).items()}
    for run in runs:
        if twice := found.keys() & run.numbers.keys():
            raise ValueError(f"notebooks/{run.name} prints the number {', '.join(sorted(twice))}, which is taken")
        found |= run.numbers
    quoted = {name: page for page in sorted((root / "book").rglob("*.md")) for name in QUOTED.findall(page.read_text())}
    quoted |= {name: Path("index.md") for name in ("dataset", "seeds")}  # in the figure's caption
    if unknown := sorted(quoted.keys() - found.keys()):
        places = ", ".join(f"{name} (book/{quoted[name].name})" for name in unknown)
        raise ValueError(f"the prose quotes numbers that nothing printed: {places}")
    return {name: found[name].replace(" ± ", "\u00a0±\u00a0") for name in sorted(quoted)}


def recipes() -> str:
    """The recipes of the protocols, one table each, as Markdown."""
    names = {"basic_vae": "basic VAE (phase 1)", "enhanced_vae": "enhanced VAE (phase 2)",
             "beta_vae": "Beta-VAE (phase 3)", "cvae": "CVAE (phase 3)", "ae": "autoencoder (phase 3)"}
    lines = ["| protocol | network | hidden | d | layer | β | training |", "|---|---|---|---:|---|---|---|"]
    alike: dict[str, list[str]] = {}  # protocols that share all their recipes share a row each
    for protocol in protocols.PROTOCOLS.values():
        alike.setdefault(str(protocol.recipes), []).append(protocol.name)
    for same in alike.values():
        for key, title in names.items():
            r = protocols.PROTOCOLS[same[0]].recipes[key]
            layer = [r.activation.replace("leaky_relu", "LeakyReLU").replace("relu", "ReLU")]
            layer += ["BatchNorm"] * r.batch_norm + ["residual"] * r.residual
            layer += [f"dropout {r.dropout[0]:g}/{r.dropout[1]:g}"] * any(r.dropout)
            beta = "–" if r.kind == "ae" else f"{r.beta:g}"
            beta += f", {r.anneal} over {r.anneal_epochs} epochs" if r.anneal != "none" else ""
            training = [f"{r.epochs} epochs", f"batch {r.batch_size}", f"Adam {r.lr:g}", f"decay {r.weight_decay:g}"]
            training += [r.schedule] if r.clip_norm is None else [r.schedule, f"gradient norm ≤ {r.clip_norm:g}"]
            sizes = "-".join(map(str, r.hidden))
            lines.append(f"| {', '.join(same)} | {title} | {sizes} | {r.latent} | {', '.join(layer)} "
                         f"| {beta} | {', '.join(training)} |")
    return "\n".join(lines) + "\n"
