"""Scanning a large table of lyrics, and embedding texts: this project against the usual way, in one
run.

    python bench/bench_lyrics.py [--gigabytes 1.1] [--texts 256]

Makes a file with the columns of the Genius table (quotes and line breaks inside the lyrics), takes
the same filter and sample per tag from it with `corpus.genius.scan` (polars, streaming), with
pandas in chunks and, where it is installed, with DuckDB; time and peak memory of a process each.
Then embeds texts with `corpus.embedding.embed_texts` and one by one. Writes
data/results/bench/lyrics.json and prints the table."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
TAGS = ("pop", "rap", "rock", "rb", "misc", "country")
PER_TAG = 1000
# the median of so many runs is told: a way that asks for gigabytes is at the mercy of the memory's
# state
ROUNDS = 5


def make_table(path: Path, gigabytes: float, seed: int = 0) -> int:
    """Write a CSV of about `gigabytes` with the columns of the Genius table; returns its number of
    rows.

    Quotes in one line of a hundred, one accent in three hundred letters and two thirds English, as
    in real lyrics."""
    rng = np.random.default_rng(seed)
    syllables = np.array(
        ["la", "mo", "ri", "ten", "sha", "do", "vee", "ka", "lu", "nor", "be", "ist"]
    )
    words = np.array(["".join(rng.choice(syllables, rng.integers(1, 4))) for _ in range(5000)])
    words[::50] = [word[:-1] + "é" for word in words[::50]]
    lines = []
    for _ in range(20000):
        line = " ".join(rng.choice(words, rng.integers(3, 9)))
        if rng.random() < 0.01:
            line = f'she said ""{line}"", again'  # quotes and a comma inside quotes
        lines.append(line)
    lines = np.array(lines)
    n = 0
    with open(path, "w", encoding="utf-8", newline="") as out:
        out.write(
            "title,tag,artist,year,views,features,lyrics,id,language_cld3,language_ft,language\n"
        )
        while out.tell() < gigabytes * 1e9:
            block = []
            counts = rng.integers(8, 70, 2000)
            picks = rng.integers(0, len(lines), counts.sum())
            tags = rng.choice(TAGS, 2000, p=[0.42, 0.33, 0.15, 0.04, 0.03, 0.03])
            languages = rng.choice(["en", "en", "en", "en", "es", "de"], 2000)
            views = rng.integers(1, 10**6, 2000)
            start = 0
            for i in range(2000):
                text = "\n".join(lines[picks[start : start + counts[i]]])
                start += counts[i]
                lang = languages[i]
                block.append(
                    f'"Song, {n}",{tags[i]},Artist '
                    f'{n % 997},{1960 + n % 60},{views[i]},{{}},"[Verse 1]\n{text}",'
                    f"{n * 7 + 1},{lang},{lang},{lang}\n"
                )
                n += 1
            out.write("".join(block))
    return n


def with_helpers(path: str):
    from musicbook.corpus.genius import scan

    return scan(path, per_tag=PER_TAG, seed=1, quiet=True)


def with_pandas(path: str):
    """As commonly written: 50 000 rows at a time, filter, collect what is left, sample at the
    end."""
    import pandas as pd

    parts = []
    for chunk in pd.read_csv(path, chunksize=50_000):
        chunk = chunk[(chunk["language"] == "en") & chunk["lyrics"].fillna("").str.strip().ne("")]
        parts.append(chunk)
    groups = pd.concat(parts).groupby("tag")
    return pd.concat(rows.sample(min(len(rows), PER_TAG), random_state=1) for _, rows in groups)


def with_pandas_careful(path: str):
    """The same sample by the same draw as `scan`: needed columns only, and a running sample in
    place of a list."""
    import pandas as pd
    import polars as pl

    from musicbook.corpus.genius import COLUMNS, _places

    best = None
    for chunk in pd.read_csv(path, chunksize=50_000, usecols=list(COLUMNS), dtype={"id": str}):
        chunk = chunk[(chunk["language"] == "en") & chunk["lyrics"].fillna("").str.strip().ne("")]
        chunk = chunk.assign(
            place=_places(pl.Series("id", chunk["id"].to_numpy(object).tolist(), pl.String), 1)
        )
        best = chunk if best is None else pd.concat([best, chunk])
        best = best.sort_values(["place", "id"]).groupby("tag").head(PER_TAG)
    return best.sort_values(["tag", "place"])[list(COLUMNS)].reset_index(drop=True)


def with_duckdb(path: str):
    """The same filter and sample size in DuckDB; its own hash gives the draw, so the rows
    differ."""
    import duckdb

    duckdb.sql("SET memory_limit='900MB'; SET preserve_insertion_order=false;")
    return duckdb.sql(
        f"""SELECT id, title, artist, tag, language, lyrics
        FROM read_csv('{path}', all_varchar=true, header=true,
            quote='"', escape='"', max_line_size=10000000)
        WHERE language = 'en' AND length(trim(lyrics)) > 0
        QUALIFY row_number() OVER (PARTITION BY tag ORDER BY hash(id)) <= {PER_TAG} ORDER BY tag"""
    ).df()


WAYS = {
    "polars": with_helpers,
    "pandas": with_pandas,
    "pandas, careful": with_pandas_careful,
    "duckdb": with_duckdb,
}


def one(way: str, path: str) -> None:
    """Run one way in this process and print its figures as JSON."""
    import pandas  # noqa: F401  (imports are not what is measured)
    import polars  # noqa: F401

    import musicbook.corpus.genius  # noqa: F401

    before = time.perf_counter()
    cpu = time.process_time()
    frame = WAYS[way](path)
    wall = time.perf_counter() - before
    digest = ""
    if way in ("polars", "pandas, careful"):
        import hashlib

        digest = hashlib.sha256("\x1f".join(frame["id"].astype(str)).encode()).hexdigest()[:16]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "seconds": wall,
                "cpu": time.process_time() - cpu,
                "peak_mb": peak,
                "rows": len(frame),
                "ids": digest,
            }
        )
    )


def measure(way: str, path: Path) -> dict | None:
    """One run in a process of its own; None, with the reason printed, where it cannot be run."""
    command = [sys.executable, __file__, "--one", way, str(path)]
    python_path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": python_path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        print(f"{way}: left out ({done.stderr.strip().splitlines()[-1]})")
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def bench_scan(gigabytes: float) -> dict:
    out: dict = {"per_tag": PER_TAG}
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.csv", Path(folder) / "large.csv"
        for path, size in ((small, gigabytes / 4), (large, gigabytes)):
            out[f"{path.stem}_rows"] = make_table(path, size)
            out[f"{path.stem}_bytes"] = path.stat().st_size
        quarter = {way: found for way in WAYS if (found := measure(way, small))}
        rounds = [{way: measure(way, large) for way in quarter} for _ in range(ROUNDS)]  # in turns
    if rounds[0]["polars"]["ids"] != rounds[0]["pandas, careful"]["ids"]:
        raise SystemExit("the two samples differ")
    seconds = {way: [run[way]["seconds"] for run in rounds] for way in quarter}
    out["ways"] = [
        {
            "way": way,
            "seconds": float(np.median(seconds[way])),
            "fastest": min(seconds[way]),
            "slowest": max(seconds[way]),
            "cpu_s": float(np.median([run[way]["cpu"] for run in rounds])),
            "peak_mb": max(run[way]["peak_mb"] for run in rounds),
            "peak_mb_of_a_quarter": quarter[way]["peak_mb"],
            "time_over_polars": float(np.median(seconds[way]) / np.median(seconds["polars"])),
        }
        for way in quarter
    ]
    return out


def bench_embed(n: int) -> dict:
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    from musicbook.corpus.embedding import embed_texts
    from musicbook.corpus.encoders import load_minilm

    rng = np.random.default_rng(0)
    words = [
        "love",
        "night",
        "road",
        "river",
        "dance",
        "fire",
        "rain",
        "heart",
        "gone",
        "home",
        "light",
        "blue",
    ]
    texts = [
        " ".join(rng.choice(words, int(k))) + f" {i}" for i, k in enumerate(rng.integers(5, 250, n))
    ]
    model = load_minilm()
    model.encode(texts[:2])
    start = time.process_time()
    single = np.stack([model.encode(t) for t in texts])
    one_by_one = time.process_time() - start
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HELPERS_CACHE"] = folder
        start = time.process_time()
        ours = embed_texts(texts, quiet=True)
        batched = time.process_time() - start
        start = time.process_time()
        embed_texts(texts, quiet=True)
        again = time.process_time() - start
    return {
        "texts": n,
        "one_by_one_cpu_s": one_by_one,
        "embed_cpu_s": batched,
        "embed_again_cpu_s": again,
        "times_faster": one_by_one / batched,
        "texts_per_cpu_second": n / batched,
        "largest_difference": float(np.abs(ours - single).max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=1.1)
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "data" / "results" / "bench" / "lyrics.json"
    )
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one(*args.one)
        return
    result = {"scan": bench_scan(args.gigabytes), "embed": bench_embed(args.texts)}
    scan, embedding = result["scan"], result["embed"]
    print(
        f"\nscan of {scan['large_bytes'] / 1e9:.2f} GB, {scan['large_rows']} rows, "
        f"{PER_TAG} texts per tag"
    )
    print(
        f"{'':16}{'seconds':>9}{'CPU s':>8}{'peak MB':>9}{'peak MB, 1/4 of it':>20}"
        f"{'time over polars':>18}"
    )
    for row in scan["ways"]:
        figures = f"{row['seconds']:9.1f}{row['cpu_s']:8.1f}{row['peak_mb']:9.0f}"
        figures += f"{row['peak_mb_of_a_quarter']:20.0f}"
        print(f"{row['way']:16}{figures}{row['time_over_polars']:18.1f}")
    print()
    print(
        f"{embedding['texts']} texts: one by one {embedding['one_by_one_cpu_s']:.1f} CPU s, embed "
        f"{embedding['embed_cpu_s']:.1f} ({embedding['times_faster']:.1f} times), again "
        f"{embedding['embed_again_cpu_s']:.2f}"
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
