"""The commands that work on a reader's music, words and tables; each is one function (`python -m
musicbook --help`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from helpers.escape import printable
from helpers.store import check_writable, write_atomically
from helpers.tracks import data_dir, made_data_dir
from musicbook.corpus import acquire, sources

if TYPE_CHECKING:
    from musicbook.corpus.folders import FolderContents

app = typer.Typer()


def given_path(name: str | Path) -> Path:
    """A path as it was given. FileNotFoundError for "", which is the folder that one is in to
    `Path`, and which an unset variable of a script gives."""
    if not str(name).strip():
        raise FileNotFoundError("an empty name was given; '.' is the folder that you are in")
    return Path(name)


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no summary.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a dask scheduler, e.g. tcp://host:8786.")
]
Labels = Annotated[
    str | None,
    typer.Option(
        help="Where labels come from: folder, tags, none, or a table with genre and file. "
        "Of a table: the column. Not given: a choice is made, and said."
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of every random step.")]
LEFT_OUT = 3  # exit code: done, but something could not be used
CPUS = os.cpu_count() or 1
PAGE_LIMIT = 20_000  # tracks that a page can show and a browser can draw


def _client(address: str | None):
    if address is None:
        return None
    from distributed import Client

    try:
        return Client(address, timeout="10s")
    except OSError as error:
        raise ValueError(
            f"no dask scheduler answers at {address} ({type(error).__name__})"
        ) from None


def refuse_inputs(targets: Iterable[Path], inputs: Iterable[str | Path]) -> None:
    """ValueError where an output would replace a file that the command reads."""
    there = [target for target in targets if target.is_file()]
    if not there:
        return
    real = {os.path.realpath(given) for given in inputs}
    for target in there:
        if os.path.realpath(target) in real:
            raise ValueError(f"{target}: this file is an input; choose another name")


def save_csv(table, path: Path, **options) -> None:
    """Write a table whole or not at all."""
    write_atomically(path, lambda p: table.to_csv(p, index=False, **options))


def _report_beside(out: Path) -> Path | None:
    """Where the report on the table `out` goes; None beside a pipe or a device, as /dev/stdout."""
    if os.path.abspath(out).startswith("/dev/") or (out.exists() and not out.is_file()):
        return None
    return out.with_name(f"{out.stem}_report.csv")


def _write_report(provenance: dict[str, Any], paths: Mapping | None, report: Path | None) -> None:
    """The table `report`, one row a file, where there are files."""
    from helpers.escape import for_csv
    from musicbook.corpus import reports

    if paths and report is not None:
        save_csv(for_csv(reports.file_report(provenance, paths)), report)


def _say(line: str, err: bool = False) -> None:
    """Print a line that may hold names of files, which a terminal cannot always show."""
    typer.echo(printable(line), err=err)


def _print_report(provenance: dict[str, Any]) -> None:
    """What was read and what was left out, in sentences, to stderr."""
    from musicbook.corpus import reports

    for sentence in reports.report_sentences(provenance):
        _say(sentence, err=True)


def _exit_code(provenance: dict[str, Any]) -> int:
    if provenance.get("faults") or provenance.get("rows"):
        return LEFT_OUT
    return 0


def _extract(
    survey: FolderContents,
    labels_of: Callable[..., tuple[dict[str, str], str]],
    out: Path,
    report: Path | None,
    *,
    segment: float | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    quiet: bool = False,
) -> int:
    """Write the features of every file of a `survey` to `out`, and one row a file to `report`;
    returns the exit code. `labels_of(paths, tags=...)` gives {track: genre} and a sentence."""
    from helpers.escape import for_csv
    from musicbook.corpus import folders
    from musicbook.corpus.fast_features import extract_all

    extracted = extract_all(
        survey.paths, segment=segment, n_jobs=jobs, client=_client(scheduler), quiet=quiet
    )
    kept = {track: survey.paths[track] for track in extracted.tags}
    labels, sentence = labels_of(kept, tags=extracted.tags)
    if labels:
        extracted.table.insert(1, "genre", extracted.table["track_id"].map(labels))
    save_csv(for_csv(extracted.table), out, float_format="%.9g")
    provenance = folders.provenance_of(survey, extracted) | {"paths": survey.paths}
    provenance["sentences"] = [sentence] if sentence else []
    _write_report(provenance, survey.paths, report)
    if not quiet:
        _print_report(provenance)
        rows, tracks = len(extracted.table), len(extracted.tags)
        beside = f"; {report}: what was found" if report else ""
        _say(f"{out}: {rows} rows of {tracks} tracks{beside}", err=report is None)
    return _exit_code(provenance)


@app.command(
    "features", epilog="Example: python -m musicbook features ~/Music --out music.csv --jobs 4"
)
def extract_features(
    folder: Annotated[str, typer.Argument(help="Folder of audio.")],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", parser=given_path, metavar="FILE", help="Table to write."),
    ] = Path("features.csv"),
    segment: Annotated[
        float | None,
        typer.Option(min=0.5, max=30.0, help="Cut tracks into segments, seconds."),
    ] = None,
    labels: Labels = None,
    jobs: Jobs = CPUS,
    scheduler: Scheduler = None,
    quiet: Quiet = False,
) -> None:
    """Extract the 68 features of every file in a folder; an interrupted run goes on where it was. A
    report beside the table names every file: used or left out, and why.

    Exit codes: 0 done, 1 the folder cannot be used, 2 wrong usage, 3 done, but files were left
    out."""
    from musicbook.corpus import folder_labels, folders

    report = _report_beside(out)
    targets = [target for target in (out, report) if target is not None]
    for target in targets:
        check_writable(target)
    files = folders.look_through(folder)
    refuse_inputs(targets, [*files.paths.values(), labels or ""])
    code = _extract(
        files,
        partial(folder_labels.choose_labels, folder=Path(folder), how=labels),
        out,
        report,
        segment=segment,
        jobs=jobs,
        scheduler=scheduler,
        quiet=quiet,
    )
    raise typer.Exit(code)


@app.command(
    "lyrics",
    epilog="Example: python -m musicbook lyrics song_lyrics.csv --tag rap --tag rock "
    "--out bank.npz",
)
def sample_lyrics(
    table: Annotated[
        Path,
        typer.Argument(
            parser=given_path,
            metavar="TABLE",
            help="The Genius table: .csv, .parquet, or a folder that holds it.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", parser=given_path, metavar="FILE", help="Bank of vectors to write."
        ),
    ] = Path("lyrics_bank.npz"),
    tag: Annotated[
        list[str] | None, typer.Option(help="Tag to take (repeat it); all by default.")
    ] = None,
    language: Annotated[str, typer.Option(help='Language to take; "any" takes all.')] = "en",
    per_tag: Annotated[int, typer.Option(min=1, help="Texts of each tag.")] = 1000,
    seed: Seed = 0,
    scheduler: Scheduler = None,
    quiet: Quiet = False,
) -> None:
    """Sample texts of each tag from a table of lyrics of any size and embed them; resumable.

    Exit codes: 0 done, 1 the table cannot be used, 2 wrong usage, 3 done, but rows were left
    out."""
    from musicbook.corpus import embedding, genius

    check_writable(out)
    source, wanted = acquire.find_lyrics_table(table), None if language == "any" else language
    refuse_inputs([out], [source])
    sample = genius.scan(source, tags=tag, language=wanted, per_tag=per_tag, seed=seed, quiet=quiet)
    made = embedding.build_bank(sample, client=_client(scheduler), quiet=quiet)
    embedding.save_bank(made, out)
    if not quiet:
        _say(f"{out}: {len(made.vectors)} vectors of {len(sample)} texts")
    if sample.attrs["faults"]:  # a warning has named them
        raise typer.Exit(LEFT_OUT)


@app.command(
    "map",
    epilog="Example: python -m musicbook map ~/Music --out my-music",
)
def map_music(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder of audio, feature table (.csv, .parquet, .npz), or the name of a data set."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            parser=given_path,
            metavar="FOLDER",
            help="Folder for the page; open its index.html.",
        ),
    ] = Path("map"),
    clusters: Annotated[
        int | None,
        typer.Option("--clusters", "-k", min=2, help="Number of groups. Not given: it is found."),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="umap, spectral, kmeans, ward, hdbscan or vae. Not given: umap."),
    ] = None,
    embedding: Annotated[
        str | None,
        typer.Option(
            help="musicnn, musicnn-mtt, or none: the 68 features. Not given: musicnn, whose "
            "weights (29 MB) are fetched once and checked; the features where that is not possible."
        ),
    ] = None,
    repeats: Annotated[
        int,
        typer.Option(min=0, help="How often the grouping is repeated to see which groups return."),
    ] = 10,
    clips: Annotated[
        bool,
        typer.Option(
            "--clips",
            help="Bring six seconds of each track, so that the page can be given away; without "
            "it the page plays your files where they are.",
        ),
    ] = False,
    labels: Labels = None,
    seed: Seed = 0,
    scheduler: Scheduler = None,
    quiet: Quiet = False,
) -> None:
    """Map a collection: a page to look at and listen to, its groups, playlists, and tables.

    Writes index.html, tracks.csv, groups.csv and, for a folder of audio, report.csv and playlists.
    A group that does not return when the grouping is repeated is not shown; its tracks are "between
    groups". Tables of more than 20,000 tracks get no page.

    Exit codes: 0 done, 1 the input cannot be used, 2 wrong usage, 3 done, but files were left
    out (report.csv says which and why)."""
    if scheduler is not None and source.endswith(".parquet"):
        return _cluster_large(source, out, clusters, method, seed, scheduler, quiet)
    from musicbook.collection import map_page, survey

    if not source.strip():
        raise ValueError("the source is empty; name a folder of audio or a table")
    folder = Path(source).expanduser().is_dir()
    if labels and source in sources.NAMES:
        raise ValueError(f"--labels is for music of your own; {source} has its labels")
    map_page.check_target(out)
    refuse_inputs([out / name for name in map_page.WRITTEN], [source, labels or ""])
    client, options = _client(scheduler), dict[str, Any]()
    if folder:
        options = {"lyrics": "none", "client": client, "quiet": quiet}
    tracks = sources.load(source, labels=labels, **options)
    if client is not None:
        client.close()
    mapped = survey.survey(tracks, embedding, method, clusters, repeats, seed)
    if mapped.tracks.n <= PAGE_LIMIT:
        map_page.write_page(mapped, out, clips)
    else:
        map_page.write_tables(mapped, out)
    provenance = mapped.tracks.provenance
    _write_report(provenance, tracks.provenance.get("paths"), out / "report.csv")
    if not quiet:
        _print_report(provenance)
        for line in survey.read_groups(mapped):
            _say(line)
        _say(survey.collection_sentence(mapped))
        if mapped.tracks.n <= PAGE_LIMIT:
            _say(f"{out / 'index.html'}: open it in a browser")
        else:
            _say(f"{out / 'tracks.csv'}: {mapped.tracks.n} tracks are too many for a page")
    code = _exit_code(provenance)
    raise typer.Exit(code)


def _cluster_large(
    source: str,
    out: Path,
    clusters: int | None,
    method: str | None,
    seed: int,
    scheduler: str,
    quiet: bool,
) -> None:
    """K-Means of a .parquet table by the workers of a dask cluster, a row group at a time; writes
    tracks.csv."""
    import pandas as pd
    import pyarrow.parquet as pq

    from helpers.escape import for_csv
    from musicbook.corpus import partitions

    if method not in (None, "kmeans"):
        raise ValueError(f"with --scheduler a .parquet table is grouped by kmeans, not by {method}")
    client = _client(scheduler)
    labels, _ = partitions.kmeans(source, clusters or 10, seed, client=client)
    client.close()
    ids = pq.read_table(source, columns=["track_id"])["track_id"].to_pandas().astype(str)
    table = pd.DataFrame({"track_id": ids, "cluster": labels})
    save_csv(for_csv(table), out / "tracks.csv")
    if not quiet:
        _say(f"{out / 'tracks.csv'}: {len(table)} tracks in {clusters or 10} groups")


@app.command("data", epilog="Example: python -m musicbook data --gtzan ~/Downloads/gtzan.zip")
def make_data(
    gtzan: Annotated[
        Path | None,
        typer.Option(
            envvar="GTZAN", parser=given_path, metavar="PATH", help="Your copy: folder or archive."
        ),
    ] = None,
    genius: Annotated[
        Path | None,
        typer.Option(
            envvar="GENIUS", parser=given_path, metavar="PATH", help="Your copy: table or .zip."
        ),
    ] = None,
    msd: Annotated[
        Path | None,
        typer.Option(
            envvar="MSD",
            parser=given_path,
            metavar="PATH",
            help="Your copy of Million Song Dataset lists.",
        ),
    ] = None,
    jobs: Jobs = CPUS,
    quiet: Quiet = False,
) -> None:
    """Make data/gtzan.csv from the full GTZAN (yours, or Kaggle's); a larger bank of lyrics where
    GENIUS is given.

    With MSD, and without GTZAN, only data/msd_<source>.parquet of what that folder holds.

    Exit codes: 0 done, 1 the copy cannot be used, 2 wrong usage, 3 done, but files or rows were
    left out."""
    if msd:
        code = _convert_msd(msd, quiet)
        if not gtzan:
            raise typer.Exit(code)
    from musicbook.corpus.folders import FolderContents

    raw, table = made_data_dir() / "raw", made_data_dir() / "gtzan.csv"
    bank = data_dir() / "raw" / "lyrics_bank.npz"  # where the pages look for it
    for target in [table, *([bank] if genius else [])]:
        _check_made(target)
    tracks = acquire.find_gtzan(acquire.locate("gtzan", gtzan, raw))
    problems = acquire.verify(tracks)
    for row in problems.head(20).itertuples():
        _say(f"{row.track_id}: {row.problem}", err=True)
    if len(problems) > 20:
        typer.echo(f"… and {len(problems) - 20} more", err=True)
    genres = {track: track.split(".")[0] for track in tracks}
    code = _extract(
        FolderContents(tracks),
        lambda paths, tags: (genres, ""),
        table,
        raw / "gtzan_report.csv",
        jobs=jobs,
        quiet=quiet,
    )
    if genius:
        lyrics = acquire.locate("genius", genius, raw)
        sample_lyrics(lyrics, bank, None, "en", 1000, 0, None, quiet)
    raise typer.Exit(code)


def _check_made(target: Path) -> None:
    """`check_writable`, and how another folder is named."""
    try:
        check_writable(target)
    except OSError as error:
        hint = "HELPERS_DATA names the folder for such tables"
        raise OSError(error.errno, f"{error.strerror}; {hint}") from None


def _convert_msd(folder: Path, quiet: bool) -> int:
    """Make tables of the Million Song Dataset's lists; returns the exit code."""
    from musicbook.corpus import msd

    _check_made(made_data_dir() / "msd.parquet")
    converted = msd.convert(folder, made_data_dir(), quiet)
    for table, sentence in converted:
        if not quiet:
            _say(f"{table}: {sentence}")
    return LEFT_OUT if any("rows left out" in sentence for _, sentence in converted) else 0
