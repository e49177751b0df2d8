"""The published measurements of `make bench` (data/results/bench) as the tables of the page "Is it
fast?"."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from helpers import tables

CLUSTERING = {  # as the benchmark writes it -> as the page says it
    "kmeans": "K-Means",
    "ward": "Ward",
    "dbscan": "DBSCAN",
    "hdbscan": "HDBSCAN",
    "spectral": "Spectral",
    "dbscan_eps": "eps for DBSCAN, by the knee",
    "silhouette": "silhouette, sampled where large",
    "exact silhouette": "silhouette, exact",
}
BLOCKS = {
    "mfcc": "MFCC, dB",
    "chroma": "chroma",
    "spectral": "centroid, bandwidth, rolloff, Hz",
    "contrast": "contrast, dB",
    "zcr": "zero-crossing rate",
    "rms": "RMS",
    "tempo": "tempo, beats per minute",
}
WAYS = {
    "polars": "`helpers.lyrics.scan` (polars, streaming)",
    "pandas": "pandas in chunks, as commonly written",
    "pandas, careful": "pandas in chunks, keeping no more rows than it must",
    "duckdb": "DuckDB",
}


def figure(value: float) -> str:
    """Three digits, two below 1; thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1 else f"{value:.2g}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, its first column words, the others numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines) + "\n"


def _extract(found: dict) -> str:
    plain, ours = found["plain_cpu_s"], found["ours_cpu_s"]
    plain_decode, ours_decode = found["plain_decode_cpu_s"], found["ours_decode_cpu_s"]
    rows = [
        ("68 features", plain, ours),
        ("decoding the file", plain_decode, ours_decode),
        ("both", plain + plain_decode, ours + ours_decode),
    ]
    agree = [(BLOCKS[name], f"{value:.1g}") for name, value in found["largest_difference"].items()]
    return (
        f"CPU milliseconds a track on one thread, over {found['tracks']} {found['material']} of "
        "half a minute. *Plain* "
        "calls librosa once for each feature, as tutorials do.\n\n"
        + table(
            ["a track", "plain, ms", "ours, ms", "times less"],
            [(name, figure(1000 * a), figure(1000 * b), figure(a / b)) for name, a, b in rows],
        )
        + f"A thousand tracks take {figure(found['table_1_projected_s_for_1000'])} seconds with "
        "one process and "
        f"{figure(found['table_2_projected_s_for_1000'])} with two, files read and table written. "
        "The numbers are the "
        "same up to rounding; the largest difference over all tracks:\n\n"
        + table(["feature", "largest difference"], agree)
    )


def _lyrics(found: dict) -> str:
    scan, embed = found["scan"], found["embed"]
    rows = [
        (
            WAYS.get(w["way"], w["way"]),
            figure(w["seconds"]),
            f"{figure(w['fastest'])} – {figure(w['slowest'])}",
            figure(w["peak_mb"]),
            figure(w["time_over_polars"]),
        )
        for w in scan["ways"]
    ]
    return (
        f"A sample of {scan['per_tag']:,} lyrics a tag out of {scan['large_rows']:,} in a CSV of "
        f"{scan['large_bytes'] / 1e9:.1f} GB: the median of five runs taken in turns, each in a "
        "process of its own.\n\n"
        + table(["way", "seconds", "fastest – slowest", "peak MB", "times ours"], rows)
        + f"The embedding is the encoder's work: {figure(embed['texts_per_cpu_second'])} texts a "
        "CPU second; a "
        f"batch is {figure(embed['times_faster'])} times as fast as texts one by one. Those that "
        "were embedded before "
        f"come from disk, {embed['texts']} of them in "
        f"{figure(1000 * embed['embed_again_cpu_s'])} ms.\n\n"
    )


def _training(found: dict) -> str:
    fits = [
        (
            f["recipe"],
            figure(f["ours_s_per_200_epochs"]),
            figure(f["paper_s_per_200_epochs"]),
            figure(f["ratio"]),
            figure(f["paper_default_threads_s_per_200_epochs"]),
            figure(f["ratio_default_threads"]),
        )
        for f in found["one_fit"]
    ]
    columns = ("step", "forward", "backward", "optimiser", "products")
    parts = [(s["recipe"], *[figure(s[f"{part}_us"]) for part in columns]) for s in found["split"]]
    ten = found["ten_seeds"]
    rows = [(f"{g['rows']:,}", figure(g["epoch_s"])) for g in found["growth"]["rows"]]
    return (
        "CPU seconds of one fit: 200 epochs of a table of 1000 × 100 in batches of 32. *As "
        "commonly written* is the "
        "loop of a tutorial, with a data loader, torch's own Adam and the losses "
        "read at every step.\n\n"
        + table(
            [
                "network",
                "ours",
                "as commonly written",
                "times less",
                "with torch's own threads",
                "times less",
            ],
            fits,
        )
        + "Where a step's microseconds go, and what its matrix products alone take in torch's "
        "library on these shapes:"
        + "\n\n"
        + table(
            ["network", "our step", "forward", "backward", "optimiser", "products alone"], parts
        )
        + f"Ten seeds of {ten['epochs']} epochs on two cores take "
        f"{figure(ten['ours_wall_s'])} seconds, and "
        f"{figure(ten['paper_wall_s'])} as commonly written ({figure(ten['ratio'])} times). The "
        f"losses agree: {ten['ours_loss_mean']:.1f} ± {ten['ours_loss_sd']:.1f} against "
        f"{ten['paper_loss_mean']:.1f} ± "
        f"{ten['paper_loss_sd']:.1f} over seeds"
        + (
            "; a fit in the pool equals the same fit alone to the bit.\n\n"
            if ten["pool_equals_alone"]
            else ".\n\n"
        )
        + "An epoch of larger tables:\n\n"
        + table(["rows", "CPU seconds an epoch"], rows)
    )


def _peers(found: dict) -> str:
    """Other engines: trainings, and descriptions of a track; what was not installed is named."""
    engines, missing = [], []
    for name, row in found["training"].items():
        if "left out" in row:
            missing.append(f"{name}: {row['left out']}")
            continue
        seconds = [figure(row[key]) for key in ("first_cpu_s", "second_cpu_s", "times_ours")]
        engines.append((name, *seconds, figure(row["last_loss"]), row["version"]))
    text = (
        "CPU seconds of 100 epochs of the paper's basic VAE on one thread, all in one run. The "
        "first training in a process compiles what an engine compiles; the second shows its pace. "
        "Ten networks at once are counted for each network.\n\n"
        + table(
            ["engine", "first", "second", "second, times ours", "last loss", "version"], engines
        )
    )
    if "sound" in found:
        libraries = []
        for name, row in found["sound"].items():
            if "left out" in row:
                missing.append(f"{name}: {row['left out']}")
                continue
            milliseconds = figure(1000 * row["cpu_s"])
            made_with = f"numba {row['version']}" if name == "ours" else row["version"]
            libraries.append(
                (name, milliseconds, figure(row["times_ours"]), row["numbers"], made_with)
            )
        text += (
            "CPU milliseconds to describe half a minute of sound, without decoding. Each library "
            "computes the numbers nearest to our 68 that it has; none of the others has all.\n\n"
            + table(["library", "ms a track", "times ours", "numbers", "version"], libraries)
        )
    if missing:
        text += f"Left out: {'; '.join(missing)}.\n\n"
    return text


def _clustering(found: dict) -> str:
    sizes = sorted({row["rows"] for row in found["rows"]})
    cells = {}
    for row in found["rows"]:
        cost = (
            f"{figure(row['wall_s'])}\u00a0s, {row['peak_gb']:.1f}\u00a0GB"
            if "refused" not in row
            else "refuses"
        )
        cells[row["method"], row["rows"]] = cost
    rows = [
        (title, *[cells.get((name, size), "–") for size in sizes])
        for name, title in CLUSTERING.items()
    ]
    return (
        "Seconds on a clock and peak memory of the process, for rows of 32 columns drawn from ten "
        "Gaussian clusters. "
        "A method that would need memory or time growing with the square of the rows *refuses* "
        "above its limit, and "
        "names what to take instead.\n\n"
        + table(["method", *[f"{size:,} rows" for size in sizes]], rows)
    )


def _scale(found: dict) -> str:
    stages = {
        "convert": "text to Parquet",
        "read": "read",
        "scale": "scale",
        "train": "train, 5 epochs",
        "cluster": "K-Means",
        "score": "scores, 500 resamples",
        "all": "all",
    }
    rows = [
        (f"{r['rows']:,}", *[figure(r[name]) for name in stages], f"{r['peak_gb']:.1f}")
        for r in found["rows"]
    ]
    slopes = [f"{found['slopes'][name]:.2f}" for name in stages]
    return (
        f"CPU seconds on one thread from a text file of {found['columns']} columns to scores, for "
        "planted songs in the "
        "shape of the Million Song Dataset; batches of 1024. The last row is the slope of log "
        "seconds over log rows "
        "from 100,000 rows on: 1 where cost grows as the rows do, 2 where it grows "
        "with their square.\n\n"
        + table(["rows", *stages.values(), "peak GB"], [*rows, ("slope", *slopes, "–")])
    )


def _pretrained(found: dict) -> str:
    rows = [(row["batch"], figure(row["cpu_s"])) for row in found["rows"]]
    return (
        f"CPU seconds of musicnn for a track of half a minute, {found['patches']} patches of three "
        "seconds, on one "
        f"thread: the median of {found['tracks']} synthetic clips. Its front end takes "
        f"{figure(found['front_end_cpu_s'])} of them.\n\n"
        + table(["patches at a time", "CPU seconds a track"], rows)
    )


def _growth(steps: dict) -> str:
    """CPU seconds of each step by number of rows, and how they grow."""
    sizes = [row["rows"] for row in steps["rows"]]
    names = [name for name in steps["rows"][0] if name != "rows"]
    rows = []
    for name in names:
        seconds = [figure(row[name]) for row in steps["rows"]]
        rows.append([name, *seconds, f"{steps['slopes'][name]:.2f}"])
    return (
        "CPU seconds of the steps that could grow faster than the rows, on made-up tables of 32 "
        "columns. The slope is that "
        "of log seconds over log rows: 1 is linear. *Scores* use a silhouette of a sample above a "
        "limit, *eps rule* a "
        "sample of the rows, *effect* and *audit* a part drawn by whole groups.\n\n"
        + table(["", *(f"{size:,} rows" for size in sizes), "slope"], rows)
    )


def _map(found: dict) -> str:
    """What `musicbook map` costs, the first time and the second, on files and on tables."""
    rows = []
    kinds = {"tracks": "files of half a minute", "rows": "rows of a table"}
    for kind, words in kinds.items():
        for size, runs in sorted(found[kind].items(), key=lambda item: int(item[0])):
            first, second = runs["first"], runs["second"]
            rows.append(
                (
                    f"{int(size):,} {words}",
                    figure(first["cpu_s"]),
                    figure(first["peak_gib"]),
                    figure(second["cpu_s"]),
                )
            )
    heads = [
        "",
        "CPU seconds, first run",
        "peak GiB of all processes, first run",
        "CPU seconds, second run",
    ]
    tables_too = ""
    if found["rows"]:
        tables_too = ", and tables of random numbers in ten clouds, which are grouped alone"
    return (
        "The command `musicbook map`: synthetic clips that are decoded, heard by "
        f"musicnn and grouped{tables_too}.\n\n" + table(heads, rows)
    )


LIVE_WAYS = {  # as bench_live.py writes it -> the head of its column
    "ten segments, scored one by one": "ten segments a track, scored one by one",
    "three segments": "three segments a track",
    "thirds": "thirds (the live pages)",
    "full GTZAN, published runs": "full GTZAN",
}
NETWORKS = {
    "basic_vae": "basic VAE",
    "enhanced_vae": "enhanced VAE",
    "beta_vae": "Beta-VAE",
    "cvae": "CVAE",
}


def _live(runs: dict) -> str:
    """Active dimensions, the order of methods and verdicts, one column a way to make rows."""
    ways = [way for way in LIVE_WAYS if way in runs]
    lines: dict[str, dict[str, str]] = {}
    for way in ways:
        for phase in sorted(set(runs[way]) & {"1", "2", "3"}):
            part = runs[way][phase]
            for recipe, count in part["active"].items():
                lines.setdefault(f"active dimensions, {NETWORKS[recipe]}", {})[way] = f"{count:.1f}"
            order = sorted(part["nmi"], key=part["nmi"].get, reverse=True)
            lines.setdefault(f"methods of phase {phase} by NMI", {})[way] = "; ".join(order)
            for one in part["differences"]:
                question = f"{tables.shown_name(one['a'])} or {tables.shown_name(one['b'])}"
                lines.setdefault(question, {})[way] = tables.shown_name(one["better"])
            if "cpu_s" in part:
                seeds = part["differences"][0]["n_seeds"]
                lines.setdefault(f"seeds of phase {phase}", {})[way] = str(seeds)
                seconds = figure(part["cpu_s"] / seeds)
                lines.setdefault(f"CPU seconds of phase {phase}, a seed", {})[way] = seconds
    rows = [[name, *(cells.get(way, "–") for way in ways)] for name, cells in lines.items()]
    return (
        "Whether small data can stand for large: the protocol `controlled` on 100 tracks, in "
        "several ways to cut them "
        "into rows, and the published runs of full GTZAN. *Level* means that the 95 % interval of "
        "the difference in NMI "
        "contains zero; a dash, that this was not run. The pages train anew with each build, and "
        "most of them one seed, so their numbers can differ a little.\n\n"
        + table(["", *(LIVE_WAYS[way] for way in ways)], rows)
    )


SECTIONS: dict[str, tuple[str, Callable[[dict], str]]] = {
    "extract": ("Features of a track", _extract),
    "lyrics": ("A sample of lyrics", _lyrics),
    "training": ("Training", _training),
    "peers": ("Other engines and libraries", _peers),
    "live": ("Live pages and full GTZAN", _live),
    "clustering": ("Clustering at size", _clustering),
    "scale": ("From a text file to scores, up to a million songs", _scale),
    "growth": ("Steps at size", _growth),
    "pretrained": ("Pretrained sound", _pretrained),
    "map": ("A map of a collection", _map),
}


def markdown(folder: Path) -> str:
    """All sections that `folder` holds measurements for."""
    parts = []
    for name, (title, write) in SECTIONS.items():
        path = folder / f"{name}.json"
        if path.exists():
            found = json.loads(path.read_text())
            where = ", ".join(
                filter(
                    None,
                    [
                        found.get("date"),
                        found.get("machine"),
                        *(f"{k} {v}" for k, v in found.get("versions", {}).items()),
                    ],
                )
            )
            parts.append(
                f"### {title}\n\n{write(found)}" + (f"*Measured {where}.*\n\n" if where else "")
            )
    return "".join(parts) or "This copy holds no published measurements; `make bench` makes them.\n"
