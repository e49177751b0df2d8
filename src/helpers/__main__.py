"""Command line for the long jobs: `python -m helpers features|lyrics|cluster|audit|data|embedded --help`.

What is finished is kept in the store (HELPERS_CACHE names its folder): an interrupted job goes on where it was. Exit
codes: 0 done, 1 an input cannot be used (one sentence says why), 2 wrong usage, 3 done, but some files were left out.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from . import datasets
from .cache import write_atomically
from .corpus import acquire

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__, rich_markup_mode=None
)
embedded = typer.Typer(no_args_is_help=True, help="Rebuild the tables that are committed under data/.")
app.add_typer(embedded, name="embedded")

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no summary.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]
Scheduler = Annotated[str | None, typer.Option(help="Address of a dask scheduler, e.g. tcp://host:8786.")]
LEFT_OUT = 3
CPUS = os.cpu_count() or 1


def _client(address: str | None):
    if address is None:
        return None
    from distributed import Client

    try:
        return Client(address, timeout="10s")
    except OSError as error:
        raise ValueError(f"no dask scheduler answers at {address} ({type(error).__name__})") from None


def _save_csv(table, path: Path, **options) -> None:
    write_atomically(path, lambda p: table.to_csv(p, index=False, **options))


def _extract(paths, genres, out: Path, segment, jobs, scheduler, quiet, report: Path) -> int:
    """Extract a table to `out`, and write what was left out to `report`."""
    from .corpus.fast_features import extract_table

    table, faults = extract_table(paths, segment=segment, n_jobs=jobs, client=_client(scheduler), quiet=quiet)
    if genres:
        table.insert(1, "genre", table["track_id"].map(genres))
    _save_csv(table, out, float_format="%.9g")
    if len(faults):
        _save_csv(faults, report)
    else:
        report.unlink(missing_ok=True)
    if not quiet:
        typer.echo(f"{out}: {len(table)} rows of {table['track_id'].nunique()} tracks")
        if len(faults):
            typer.echo(f"{report}: {len(faults)} files were left out")
    return LEFT_OUT if len(faults) else 0


@app.command(epilog="Example: python -m helpers features ~/Music --out music.csv --jobs 4")
def features(
    folder: Annotated[Path, typer.Argument(help="Folder of audio; sub-folders are genres when every file is in one.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write.")] = Path("features.csv"),
    segment: Annotated[float | None, typer.Option(min=0.5, help="Cut tracks into segments, seconds.")] = None,
    jobs: Jobs = CPUS,
    scheduler: Scheduler = None,
    quiet: Quiet = False,
) -> None:
    """Extract the 68 features of every file in a folder; an interrupted run goes on where it was."""
    from .corpus.folders import find_audio, genres_from_folders

    paths, report = find_audio(folder), out.with_name(f"{out.stem}_faults.csv")
    raise typer.Exit(_extract(paths, genres_from_folders(paths, folder), out, segment, jobs, scheduler, quiet, report))


@app.command(
    epilog="Example: python -m helpers lyrics song_lyrics.csv --tag rap --tag rock --per-tag 2000 --out bank.npz"
)
def lyrics(
    table: Annotated[Path, typer.Argument(help="The Genius table: .csv, .parquet, or a folder that holds it.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Bank of vectors to write.")] = Path("lyrics_bank.npz"),
    tag: Annotated[list[str] | None, typer.Option(help="Tag to take (repeat it); all by default.")] = None,
    language: Annotated[str, typer.Option(help='Language to take; "any" takes all.')] = "en",
    per_tag: Annotated[int, typer.Option(min=1, help="Texts of each tag.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 0,
    scheduler: Scheduler = None,
    quiet: Quiet = False,
) -> None:
    """Sample texts of each tag from a table of lyrics of any size and embed them; resumable."""
    from .corpus import embedding, genius

    source, wanted = acquire.find_lyrics_table(table), None if language == "any" else language
    sample = genius.scan(source, tags=tag, language=wanted, per_tag=per_tag, seed=seed, quiet=quiet)
    made = embedding.build_bank(sample, client=_client(scheduler), quiet=quiet)
    embedding.save_bank(made, out)
    if not quiet:
        typer.echo(f"{out}: {len(made.vectors)} vectors of {len(sample)} texts")


@app.command(epilog="Example: python -m helpers cluster music.csv --clusters 8 --out playlists")
def cluster(
    source: Annotated[str, typer.Argument(help="Feature table (.csv), folder of audio, or the name of a data set.")],
    clusters: Annotated[int, typer.Option("--clusters", "-k", min=2, help="Number of clusters.")] = 10,
    method: Annotated[str, typer.Option(help="kmeans, ward, dbscan, hdbscan or spectral.")] = "kmeans",
    protocol: Annotated[
        str, typer.Option(help="Whose recipe trains the VAE: written, released or controlled.")
    ] = "controlled",
    seed: Annotated[int, typer.Option(help="Seed of training and clustering.")] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tracks.csv and the playlists.")] = Path(
        "clusters"
    ),
    quiet: Quiet = False,
) -> None:
    """Train the VAE of phase 1 on a data set, cluster its latent space, write tracks.csv and a playlist per cluster."""
    import pandas as pd

    from . import clustering, inputs, protocols, training
    from .corpus.folders import write_playlists

    chosen, tracks = protocols.get(protocol), datasets.load(source)
    if tracks.n < clusters:
        raise ValueError(f"{tracks.name} has {tracks.n} rows, fewer than the {clusters} clusters asked for")
    latent = training.fit(inputs.prepare(tracks, chosen, 1, seed).X, chosen.recipes["basic_vae"], seed).mu
    labels = clustering.cluster(latent, method, n_clusters=clusters, seed=seed)
    if paths := tracks.provenance.get("paths"):
        write_playlists(labels, tracks.ids, paths, out)
    else:
        _save_csv(pd.DataFrame({"track_id": tracks.ids, "cluster": labels}), out / "tracks.csv")
    if not quiet:
        sizes = pd.Series(labels).value_counts().sort_index()
        typer.echo(f"{out}: {tracks.n} tracks; " + ", ".join(f"{k}: {n}" for k, n in sizes.items()))


@app.command(epilog="Example: python -m helpers audit songs.csv --labels genre --groups artist --html audit.html")
def audit(
    table: Annotated[Path, typer.Argument(help="Table (.csv): one row a song or segment.")],
    labels: Annotated[str | None, typer.Option(help="Column of the labels; without it, rows alone are judged.")] = None,
    groups: Annotated[str | None, typer.Option(help="Column of what must stay together: track, artist.")] = None,
    measured: Annotated[list[str] | None, typer.Option(help="Block known to be measured (repeat it).")] = None,
    leave_out: Annotated[list[str] | None, typer.Option(help="Column that no model sees (repeat it).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of folds and permutations.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    to_html: Annotated[Path | None, typer.Option("--html", help="Page to write.")] = None,
) -> None:
    """Look for the label in a table of features, and for rows that are no independent observations.

    Exit codes: 0 clean, 4 something was found, 5 cannot be told, 1 the table cannot be used."""
    import json

    from .audit import examination

    report = examination.of_csv(table, labels, groups, measured or (), leave_out or (), seed)
    if to_html:
        report.to_html(to_html)
    typer.echo(json.dumps(report.to_dict(), indent=1) if as_json else str(report))
    raise typer.Exit({"clean": 0, "findings": 4, "cannot tell": 5}[report.verdict])


@app.command(epilog="Example: python -m helpers data --gtzan ~/Downloads/gtzan.zip")
def data(
    gtzan: Annotated[str | None, typer.Option(envvar="GTZAN", help="Your copy: folder or archive.")] = None,
    genius: Annotated[str | None, typer.Option(envvar="GENIUS", help="Your copy: table or .zip.")] = None,
    jobs: Jobs = CPUS,
    quiet: Quiet = False,
) -> None:
    """Make data/gtzan.csv from the full GTZAN (yours, or Kaggle's); a larger bank of lyrics where GENIUS is given."""
    raw, out = datasets.data_dir() / "raw", datasets.data_dir() / "gtzan.csv"
    tracks = acquire.find_gtzan(acquire.locate("gtzan", gtzan, raw))
    problems = acquire.verify(tracks)
    for row in problems.head(20).itertuples():
        typer.echo(f"{row.track_id}: {row.problem}", err=True)
    if len(problems) > 20:
        typer.echo(f"… and {len(problems) - 20} more", err=True)
    genres = {track: track.split(".")[0] for track in tracks}
    code = _extract(tracks, genres, out, None, jobs, None, quiet, raw / "gtzan_faults.csv")
    if genius:
        lyrics(acquire.locate("genius", genius, raw), raw / "lyrics_bank.npz", None, "en", 1000, 0, None, quiet)
    raise typer.Exit(code)


@embedded.command("features", epilog="Example: python -m helpers embedded features ~/gtzan_mini")
def embedded_features(
    folder: Annotated[Path, typer.Argument(help="GTZAN mini: <genre>/<genre>.0000N.flac")], jobs: Jobs = 1
) -> None:
    """data/gtzan_mini_tracks.csv and data/gtzan_mini_segments.csv."""
    from .corpus.fast_features import extract_table

    tracks = acquire.find_gtzan(folder)
    for segment, name in ((None, "gtzan-mini-tracks"), (3.0, "gtzan-mini")):
        table, faults = extract_table(tracks, segment=segment, n_jobs=jobs)
        if len(faults):
            raise ValueError(f"{faults['path'].iloc[0]}: {faults['reason'].iloc[0]}")
        table.insert(1, "genre", table["track_id"].str.split(".").str[0])
        _save_csv(table, datasets.data_dir() / datasets.EMBEDDED[name], float_format="%.9g", lineterminator="\n")


@embedded.command("lyrics", epilog="Example: python -m helpers embedded lyrics genius_sample.csv")
def embedded_lyrics(
    table: Annotated[Path, typer.Argument(help="Table with the columns lyrics, tag and language.")],
) -> None:
    """data/lyrics_bank.npz: every text of a table, and the excerpts of the released protocol."""
    import pandas as pd

    from .corpus import embedding

    embedding.save_bank(embedding.build_bank(pd.read_csv(table)), datasets.data_dir() / "lyrics_bank.npz")


@embedded.command("sentences", epilog="Example: python -m helpers embedded sentences")
def embedded_sentences() -> None:
    """data/sentences.npz: the vectors of our own sentences."""
    from .corpus import embedding

    embedding.build_sentences(datasets.data_dir() / "sentences.npz")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; errors of the user's input become one sentence on stderr and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        return app(arguments, standalone_mode=False) or 0  # an exit code is returned, not raised
    except typer.Abort:
        return 130
    except Exception as error:
        if hasattr(error, "format_message"):  # wrong usage, as click words it
            typer.echo(f"error: {error.format_message()}", err=True)
            return getattr(error, "exit_code", 2)
        if isinstance(error, (ValueError, OSError, RuntimeError)):
            message = error.strerror if isinstance(error, OSError) and error.errno and error.strerror else str(error)
            named = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
            typer.echo(f"error: {named}{message}", err=True)
            return 1
        raise


if __name__ == "__main__":
    sys.exit(main())
