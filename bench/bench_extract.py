"""Feature extraction: this project against plain librosa calls, in one run.

    python bench/bench_extract.py [FOLDER] [--tracks 100]

FOLDER holds half-minute sound files (by default GTZAN mini beside the checkout; without it,
synthetic clips are made). Per track: CPU seconds of the 68 features by plain librosa calls
(`helpers.features.extract`, which page "From sound to numbers" prints) and of
`musicbook.corpus.fast_features.extract_clip`; the same with decoding (`librosa.load` against
`load_audio`); the wall time of `extract_table` with 1 and 2 processes, and how much longer than a
bare loop over the files it takes, for the store.  Writes data/results/bench/extract.json and prints
the table."""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # one thread, so that CPU time is comparable

import argparse  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from helpers import features  # noqa: E402
from musicbook.corpus import audio, fast_features, folders, synth  # noqa: E402


def plain_load(path: Path) -> np.ndarray:
    import librosa

    return librosa.load(path, sr=features.SR, duration=audio.SECONDS)[0]


def cpu(function, items: list) -> tuple[float, list]:
    """CPU seconds a call, and the results."""
    start = time.process_time()
    results = [function(item) for item in items]
    return (time.process_time() - start) / len(items), results


def make_clips(folder: Path, n: int) -> None:
    import soundfile as sf

    for i in range(n):
        style = sorted(synth.STYLES)[i % 10]
        sf.write(
            folder / f"{style}.{i:05d}.flac", synth.clip(style, seed=i, seconds=30.0), features.SR
        )


def measure(paths: dict[str, Path]) -> dict:
    files = list(paths.values())
    clips = [audio.load_audio(p)[0] for p in files]
    (
        features.extract(clips[0]),
        fast_features.extract_clip(clips[0]),
        plain_load(files[0]),
    )  # compile
    plain_s, plain = cpu(features.extract, clips)
    ours_s, ours = cpu(fast_features.extract_clip, clips)
    plain_decode, theirs = cpu(plain_load, files)
    ours_decode, read = cpu(audio.load_audio, files)
    out = {
        "tracks": len(files),
        "plain_cpu_s": plain_s,
        "ours_cpu_s": ours_s,
        "ratio": plain_s / ours_s,
        "plain_decode_cpu_s": plain_decode,
        "ours_decode_cpu_s": ours_decode,
        "ratio_with_decoding": (plain_s + plain_decode) / (ours_s + ours_decode),
        "same_samples": all(np.array_equal(a, b[0]) for a, b in zip(theirs, read)),
        "largest_difference": {
            block: float(np.abs(np.array(plain)[:, columns] - np.array(ours)[:, columns]).max())
            for block, columns in features.BLOCKS.items()
        },
    }
    bare, stored = [], []
    for jobs in (1, 2, 1):
        if jobs > 1:  # start the processes and compile in them before the clock runs
            table(dict(list(paths.items())[:4]), jobs)
        else:
            bare.append(cpu(fast_features.extract_file, files)[0])
        start, began = time.perf_counter(), time.process_time()
        table(paths, jobs)
        seconds = time.perf_counter() - start
        stored += [(time.process_time() - began) / len(files)] if jobs == 1 else []
        out[f"table_{jobs}_wall_s_per_track"] = seconds / len(files)
        out[f"table_{jobs}_projected_s_for_1000"] = 1000 * seconds / len(files)
    return out | {"table_over_bare_loop": min(stored) / min(bare)}


def table(paths: dict[str, Path], jobs: int) -> None:
    """`extract_table` with a store that has nothing yet."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HELPERS_CACHE"] = folder
        fast_features.extract_table(paths, n_jobs=jobs, quiet=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", nargs="?", type=Path, default=ROOT.parent / "shared" / "data" / "gtzan_mini"
    )
    parser.add_argument("--tracks", type=int, default=100)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "data" / "results" / "bench" / "extract.json"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder, what = args.folder, "real tracks"
        if not folder.is_dir():
            folder, what = Path(made), "synthetic clips"
            make_clips(folder, args.tracks)
        found = folders.find_audio(folder)
        paths = dict(list(found.items())[:: max(1, len(found) // args.tracks)][: args.tracks])
        result = {"material": what, **measure(paths)}
    print(f"{result['tracks']} {what} of 30 s, CPU milliseconds a track, one thread")
    print(f"{'':14}{'plain librosa':>15}{'helpers':>10}{'ratio':>8}")

    def line(name: str, plain_s: float, ours_s: float, ratio: float) -> str:
        return f"{name:14}{plain_s * 1e3:15.1f}{ours_s * 1e3:10.1f}{ratio:8.1f}"

    print(line("68 features", result["plain_cpu_s"], result["ours_cpu_s"], result["ratio"]))
    both = [result[f"{way}_cpu_s"] + result[f"{way}_decode_cpu_s"] for way in ("plain", "ours")]
    print(line("with decoding", *both, result["ratio_with_decoding"]))
    for jobs in (1, 2):
        print(
            f"extract_table, {jobs} process(es): 1000 tracks in "
            f"{result[f'table_{jobs}_projected_s_for_1000']:.0f} s"
        )
    print(f"extract_table over a bare loop, CPU: {result['table_over_bare_loop']:.2f}")
    print("largest difference:", {k: f"{v:.1e}" for k, v in result["largest_difference"].items()})
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
