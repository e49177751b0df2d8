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
    "dbscan_eps": "choosing eps for DBSCAN (eps rule)",
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
        "The table gives the processor time for one track on one thread, in milliseconds. We "
        f"measured {found['tracks']} {found['material']} of half a minute. The way called *plain* "
        "uses librosa once for each feature, as tutorials do.\n\n"
        + table(
            ["a track", "plain, ms", "ours, ms", "plain / ours"],
            [(name, figure(1000 * a), figure(1000 * b), figure(a / b)) for name, a, b in rows],
        )
        + f"A thousand tracks take {figure(found['table_1_projected_s_for_1000'])} seconds with "
        f"one process, and {figure(found['table_2_projected_s_for_1000'])} seconds with two. This "
        "includes reading the files and writing the table. Both ways give the same numbers up to "
        "rounding. These are the largest differences over all tracks:\n\n"
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
        f"The CSV file of this test has {scan['large_bytes'] / 1e9:.1f} GB and holds "
        f"{scan['large_rows']:,} lyrics. Each way draws {scan['per_tag']:,} lyrics of each tag "
        "from it. The table "
        "gives the median of five runs. The ways took turns, and each run had a process of its "
        "own.\n\n"
        + table(["way", "seconds", "fastest – slowest", "peak MB", "times ours"], rows)
        + "Turning texts into vectors takes longer. The encoder reads "
        f"{figure(embed['texts_per_cpu_second'])} texts in one second of processor time. "
        f"{_many_at_once(embed['times_faster'])} Texts "
        f"that it has read before come from disk: {embed['texts']} of them take "
        f"{figure(1000 * embed['embed_again_cpu_s'])} milliseconds.\n\n"
    )


def _many_at_once(speed: float) -> str:
    """Whether an encoder is faster when it reads many texts at once, at so many times the speed."""
    change = "faster" if speed > 1 else "slower"
    return (
        f"If it reads many texts at once, it is {change}: it has {figure(speed)} times this speed."
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
        "The table gives the processor time of one training, in seconds. Each training has 200 "
        "epochs, in batches of 32. Its data have 1000 rows and 100 columns. The loop that we "
        "call *as commonly written* is that of a tutorial. It uses a data loader and torch's own "
        "Adam, and reads the losses at every step.\n\n"
        + table(
            [
                "network",
                "ours",
                "as commonly written",
                "as commonly written / ours",
                "with torch's own threads",
                "with torch's own threads / ours",
            ],
            fits,
        )
        + "The next table shows how the microseconds of one training step are spent. The last "
        "column is the time that torch needs for the matrix products alone.\n\n"
        + table(
            ["network", "our step", "forward", "backward", "optimiser", "products alone"], parts
        )
        + f"We also trained ten seeds of {ten['epochs']} epochs on two cores. Our loop takes "
        f"{figure(ten['ours_wall_s'])} seconds, and the loop as commonly written takes "
        f"{figure(ten['paper_wall_s'])} seconds. Our mean loss at the end is "
        f"{ten['ours_loss_mean']:.1f} ± {ten['ours_loss_sd']:.1f}, and that of the other loop is "
        f"{ten['paper_loss_mean']:.1f} ± {ten['paper_loss_sd']:.1f}."
        + (
            " A training that runs beside others gives exactly the same network as one that runs "
            "alone."
            if ten["pool_equals_alone"]
            else ""
        )
        + "\n\nOne epoch on larger tables takes this long:\n\n"
        + table(["rows", "CPU seconds an epoch"], rows)
    )


def _peers(found: dict) -> str:
    """Other engines: trainings, and descriptions of a track; what was not installed is named."""
    engines, missing = [], []
    for name, row in found["training"].items():
        if "left out" in row:
            missing.append(f"{name}: {row['left out']}")
            continue
        seconds = [figure(row[key]) for key in ("first_cpu_s", "later_cpu_s", "times_ours")]
        engines.append((name, *seconds, figure(row["last_loss"]), row["version"]))
    text = (
        "We trained the paper's basic VAE for 100 epochs on one thread with several engines. The "
        "table gives seconds of processor time. Some engines compile their code during the first "
        "training of a process. So compare the column *later*, the time of the quickest of the "
        "later trainings. All engines took turns. Where ten networks are trained at once, the time "
        "is divided by ten.\n\n"
        + table(["engine", "first", "later", "later, times ours", "last loss", "version"], engines)
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
            "The next table gives the processor time to describe half a minute of sound, in "
            "milliseconds, without decoding the file. Only librosa has all of our 68 numbers. "
            "Of the others we took the numbers that are most like ours. This was measured apart "
            "from the first table, so a time can differ from the one there.\n\n"
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
        "The table gives seconds on a clock, and the largest memory of the process. The rows have "
        "32 columns and are drawn from ten Gaussian clusters. For some methods, memory or time "
        "grows with the square of the number of rows. Above a limit such a method *refuses*, and "
        "says which method to use instead.\n\n"
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
        "Synthetic songs with the columns of the Million Song Dataset go all the way from a text "
        f"file with {found['columns']} columns to scores. The table gives seconds of processor "
        "time on one thread; networks train in batches of 1024. The last row says how the time "
        "grows from 100,000 rows on: 1 means in proportion to the rows, 2 means with their "
        "square. It has a dash under the memory, because we computed no slope for it.\n\n"
        + table(["rows", *stages.values(), "peak GB"], [*rows, ("slope", *slopes, "–")])
    )


def _pretrained(found: dict) -> str:
    rows = [(row["batch"], figure(row["cpu_s"])) for row in found["rows"]]
    return (
        "The network musicnn reads a track of half a minute as "
        f"{found['patches']} patches of three seconds. The table gives seconds of processor time "
        f"on one thread, the median of {found['tracks']} synthetic clips. Each of these times "
        f"includes {figure(found['front_end_cpu_s'])} seconds for the spectrogram.\n\n"
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
        "The time of some steps could grow faster than the number of rows. The table gives their "
        "seconds of processor time on made-up tables of 32 columns. The slope says how the time "
        "grows: 1 means in proportion to the rows. *Effect* measures what a block of columns says "
        "of the label. Four steps use only a part of a large table: *scores* (only for the "
        "silhouette), *eps rule*, *effect* and *audit*.\n\n"
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
        tables_too = (
            " We also gave it tables of random numbers in ten clouds, which it only groups."
        )
    return (
        "We gave the command `musicbook map` synthetic clips. It decodes them, describes them by "
        f"musicnn, and groups them.{tables_too} The second run reads what the first one stored.\n\n"
        + table(heads, rows)
    )


LIVE_WAYS = {  # as bench_live.py writes it -> the head of its column
    "ten segments, scored one by one": "ten pieces of 3 s a track, scored one by one",
    "three segments": "three pieces of 3 s a track",
    "thirds": "three pieces of 10 s a track (the live pages)",
    "full GTZAN, published runs": "full GTZAN",
}
NETWORKS = {
    "basic_vae": "basic VAE",
    "enhanced_vae": "enhanced VAE",
    "beta_vae": "Beta-VAE",
    "cvae": "CVAE",
}


def _same_answers(small: dict, full: dict) -> str:
    """How many comparisons of two methods come out alike on small data and on full GTZAN, both as
    bench_live.py writes them, and how the others differ; nothing where one of them was not run."""
    outcomes = []
    for phase in sorted(set(small) & set(full) & {"1", "2", "3"}):
        pairs = zip(small[phase]["differences"], full[phase]["differences"], strict=True)
        outcomes += [(here["better"], there["better"]) for here, there in pairs]
    if not outcomes:
        return ""
    others = [pair for pair in outcomes if pair[0] != pair[1]]
    answer = (
        f"On pieces of ten seconds, {len(outcomes) - len(others)} of {len(outcomes)} comparisons "
        "of two methods give the same answer as full GTZAN."
    )
    if not others:
        return answer
    turned = sum("level" not in pair for pair in others)
    if turned:
        return f"{answer} In {turned} of the others, the other method is better."
    if all(here == "level" for here, _ in others):
        return f"{answer} In the others, the small data show no clear difference."
    return f"{answer} In the others, one of the two shows no clear difference."


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
            if not part["differences"]:
                continue
            seeds = part["differences"][0]["n_seeds"]
            lines.setdefault(f"seeds of phase {phase}", {})[way] = str(seeds)
            if "cpu_s" in part:
                seconds = figure(part["cpu_s"] / seeds)
                lines.setdefault(f"CPU seconds of phase {phase}, a seed", {})[way] = seconds
    rows = [[name, *(cells.get(way, "–") for way in ways)] for name, cells in lines.items()]
    return (
        "Do small data give the same answers as large data? "
        f"{_same_answers(runs.get('thirds', {}), runs.get('full GTZAN, published runs', {}))} "
        "To test this, we ran the protocol `controlled` on "
        "100 tracks, cut into rows in several ways. The last column has the published runs of full "
        "GTZAN. *Level* means that the 95 % interval of the difference in NMI contains zero. A "
        "dash means that this benchmark did not measure it. For full GTZAN it reads stored runs "
        "and trains nothing, so it has no times for them. The pages train networks of their own, "
        "and some pages train one seed only, so their numbers can differ a little.\n\n"
        + table(["", *(LIVE_WAYS[way] for way in ways)], rows)
    )


def _start(found: dict) -> str:
    """CPU seconds until a command's help is there, with and without the whole audit loaded."""
    rows = [
        (f"`{name} --help`", *map(figure, (one["with_audit_cpu_s"], one["cpu_s"], one["ratio"])))
        for name, one in found["commands"].items()
    ]
    return (
        "A command loads only what it needs. The table gives the processor time, in seconds, until "
        "its help is printed. *With the whole audit* is the same command when it also loads all "
        "checks of the audit first, as both once did.\n\n"
        + table(["", "with the whole audit", "now", "ratio"], rows)
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
    "start": ("Starting a command", _start),
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
