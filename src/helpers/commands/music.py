"""The commands that work on a reader's music, words and tables; each is one function (`python -m helpers --help`)."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .. import datasets
from ..cache import write_atomically
from ..corpus import acquire

app = typer.Typer()

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no summary.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]
Scheduler = Annotated[str | None, typer.Option(help="Address of a dask scheduler, e.g. tcp://host:8786.")]
Labels = Annotated[str | None, typer.Option(
    help="Where labels come from: folder, tags, none, or a table with genre and file; a choice is made where not given."
)]  # fmt: skip
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


def save_csv(table, path: Path, **options) -> None:
    """Write a table whole or not at all."""
    write_atomically(path, lambda p: table.to_csv(p, index=False, **options))


def _say(provenance, paths, report: Path, quiet: bool) -> int:
    """Write the report, one row a file, where there are files; print what was found; returns the exit code."""
    from ..corpus import folders
    from ..escape import for_csv, printable

    if paths:
        save_csv(for_csv(folders.report(provenance, paths)), report)
    for sentence in folders.read_report(provenance) if not quiet else ():
        typer.echo(printable(sentence), err=True)
    return LEFT_OUT if provenance.get("faults") or provenance.get("rows") else 0


def _extract(found, genres, out: Path, segment, jobs, scheduler, quiet, report: Path) -> int:
    """Extract a table to `out`, and write what was found to `report`; `genres` makes labels of the tags."""
    from ..corpus import folders
    from ..corpus.fast_features import extract_all
    from ..escape import for_csv

    made = extract_all(found.paths, segment=segment, n_jobs=jobs, client=_client(scheduler), quiet=quiet)
    kept = {track: found.paths[track] for track in made.tags}
    labels, sentence = genres(kept, tags=made.tags)
    if labels:
        made.table.insert(1, "genre", made.table["track_id"].map(labels))
    save_csv(for_csv(made.table), out, float_format="%.9g")
    provenance = folders.summary(found, made) | {"paths": found.paths, "sentences": [sentence] * bool(sentence)}
    code = _say(provenance, found.paths, report, quiet)
    if not quiet:
        typer.echo(f"{out}: {len(made.table)} rows of {len(made.tags)} tracks; {report}: what was found")
    return code


@app.command("features", epilog="Example: python -m helpers features ~/Music --out music.csv --jobs 4")
def extract_features(
    folder: Annotated[Path, typer.Argument(help="Folder of audio.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write.")] = Path("features.csv"),
    segment: Annotated[float | None, typer.Option(min=0.5, help="Cut tracks into segments, seconds.")] = None,
    labels: Labels = None,
    jobs: Jobs = CPUS,
    scheduler: Scheduler = None,
    quiet: Quiet = False,
) -> None:
    """Extract the 68 features of every file in a folder; an interrupted run goes on where it was. A report beside the
    table names every file: used or left out, and why."""
    from ..corpus.folders import choose_labels, survey

    found, report = survey(folder), out.with_name(f"{out.stem}_report.csv")
    genres = partial(choose_labels, folder=folder, how=labels)
    raise typer.Exit(_extract(found, genres, out, segment, jobs, scheduler, quiet, report))


@app.command(
    "lyrics", epilog="Example: python -m helpers lyrics song_lyrics.csv --tag rap --tag rock --out bank.npz"
)
def sample_lyrics(
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
    from ..corpus import embedding, genius

    source, wanted = acquire.find_lyrics_table(table), None if language == "any" else language
    sample = genius.scan(source, tags=tag, language=wanted, per_tag=per_tag, seed=seed, quiet=quiet)
    made = embedding.build_bank(sample, client=_client(scheduler), quiet=quiet)
    embedding.save_bank(made, out)
    if not quiet:
        typer.echo(f"{out}: {len(made.vectors)} vectors of {len(sample)} texts")
    if sample.attrs["faults"]:  # a warning has named them
        raise typer.Exit(LEFT_OUT)


def _minutes(X, recipe) -> str:
    """How long training will take, from two epochs on some of the rows; "" where it is soon done."""
    from .. import training

    if len(X) < 5000:
        return ""
    few, began = X[:: len(X) // 1000], time.perf_counter()
    training.fit(few, recipe.but(epochs=2, steps=None, anneal="none"), 0, use_cache=False)
    passes = recipe.steps * recipe.batch_size / len(X) if recipe.steps else recipe.epochs
    minutes = (time.perf_counter() - began) / 2 * passes * len(X) / len(few) / 60
    return f", {passes:.3g} epochs: about {minutes:.0f} minutes, unless the store has it"


@app.command("cluster", epilog="Example: python -m helpers cluster music.csv --clusters 8 --out playlists")
def cluster_music(
    source: Annotated[str, typer.Argument(help="Feature table (.csv, .parquet), folder of audio, or a data set.")],
    clusters: Annotated[int, typer.Option("--clusters", "-k", min=2, help="Number of clusters.")] = 10,
    method: Annotated[str, typer.Option(help="kmeans, ward, dbscan, hdbscan or spectral.")] = "kmeans",
    protocol: Annotated[
        str, typer.Option(help="Whose recipe trains the VAE: written, released or controlled.")
    ] = "controlled",
    labels: Labels = None,
    lyrics: Annotated[str, typer.Option(
        help="Use the folder's lyrics.csv: first (256 tokens of a text), windows (the mean of all pieces), or none."
    )] = "none",
    seed: Annotated[int, typer.Option(help="Seed of training and clustering.")] = 0,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Updates of the weights in all, instead of the recipe's passes.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=2, help="Rows an update, instead of the recipe's.")] = None,
    scheduler: Scheduler = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tracks.csv and the playlists.")] = Path(
        "clusters"
    ),
    embedding: Annotated[
        str | None, typer.Option(help="musicnn or musicnn-mtt: a pretrained network's numbers, and no VAE.")
    ] = None,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Train a VAE on a data set (that of phase 1 on sound; of phase 2 with --lyrics), cluster its latent space, write
    tracks.csv, and for a folder of audio a playlist per cluster and report.csv.

    Large tables want --steps and --batch; a training that is interrupted goes on where it was. With --scheduler the
    workers of a dask cluster extract the features of a folder, or encode and cluster a .parquet table (K-Means).
    With --embedding the numbers of a pretrained network, at length 1, are clustered as they are."""
    import pandas as pd
    from sklearn.preprocessing import normalize

    from .. import clustering, inputs, protocols, training
    from ..corpus import folders, partitions, playlists
    from ..escape import for_csv, printable

    chosen, own = protocols.get(protocol), Path(source).expanduser().is_dir()
    if not own and (labels or lyrics != "none"):
        raise ValueError("--labels and --lyrics are for a folder of audio; a table has its own labels")
    apart = scheduler is not None and source.endswith(".parquet")
    if apart and embedding is not None:
        raise ValueError("--embedding is for a folder of audio, not for a .parquet table")
    if apart and method != "kmeans":
        raise ValueError(f"with --scheduler a .parquet table is clustered by kmeans, not by {method}")
    client = _client(scheduler)
    options = {"labels": labels, "lyrics": lyrics, "client": client, "quiet": quiet} if own else {}
    tracks = datasets.load(source, embedding, **options)
    distinct = len(tracks.features.drop_duplicates())
    if distinct < clusters:
        raise ValueError(f"{tracks.name} has {distinct} different rows, fewer than the {clusters} clusters asked for; "
                         f"ask for fewer: --clusters {max(2, distinct // 3)}")  # fmt: skip
    if embedding is not None:
        latent = normalize(tracks.features.to_numpy())
    else:
        phase, name = (1, "basic_vae") if tracks.text is None or lyrics == "none" else (2, "enhanced_vae")
        X = inputs.zscore(tracks.features.to_numpy()) if apart else inputs.prepare(tracks, chosen, phase, seed).X
        recipe = chosen.recipes[name]
        recipe = recipe.but(steps=steps, batch_size=batch or recipe.batch_size)
        if not quiet:
            typer.echo(f"training on {tracks.n} rows{_minutes(X, recipe)}", err=True)
        fit = training.fit(X, recipe, seed)
        latent = fit.mu
    small = {"dbscan": {"min_samples": min(8, tracks.n // 2)}, "spectral": {"n_neighbors": min(10, tracks.n)},
             "hdbscan": {"min_cluster_size": max(2, min(15, tracks.n // 2))}}  # fmt: skip
    if apart:
        found, _ = partitions.kmeans(source, clusters, seed, fit.model(), client)
    else:
        found = clustering.cluster(latent, method, n_clusters=clusters, seed=seed, **small.get(method, {}))
    if client is not None:
        client.close()
    if paths := tracks.provenance.get("paths"):
        tags = tracks.provenance.get("tags", {})
        words = dict(zip(tracks.ids, tracks.genres)) if tracks.genres is not None else {
            i: tags.get(i, {}).get("genre") or tags.get(i, {}).get("artist", "") for i in tracks.ids
        }  # fmt: skip
        playlists.write(found, tracks.ids, paths, out, space=latent, words=words)
    else:
        save_csv(for_csv(pd.DataFrame({"track_id": tracks.ids, "cluster": found})), out / "tracks.csv")
    code = _say(tracks.provenance, paths, out / "report.csv", quiet)
    if not quiet:
        sizes = pd.Series(found).value_counts().sort_index()
        for sentence in folders.read_clusters(found, tracks.ids, tracks.provenance):
            typer.echo(printable(sentence), err=True)
        typer.echo(f"{out}: {tracks.n} tracks; " + ", ".join(f"{k}: {n}" for k, n in sizes.items()))
    raise typer.Exit(code)


@app.command("map", epilog="Example: python -m helpers map ~/Music --out my-music")
def map_music(
    source: Annotated[str, typer.Argument(help="Folder of audio, feature table (.csv), or the name of a data set.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the page; open its index.html.")] = Path("map"),
    clusters: Annotated[int, typer.Option("--clusters", "-k", min=2, help="Number of clusters, at most.")] = 10,
    protocol: Annotated[str, typer.Option(help="Whose recipe trains the VAE.")] = "controlled",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings that say how steady a cluster is.")] = 3,
    embedding: Annotated[str | None, typer.Option(
        help="musicnn, musicnn-mtt, or none (the VAE). Not given: musicnn for a folder, where its weights are here."
    )] = None,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Write a page about a collection: a map to hear, clusters in words, doubles, nearest tracks, playlists."""
    from ..widgets import collection

    tracks = datasets.load(source)
    by = collection.at_hand(tracks) if embedding is None else None if embedding == "none" else embedding
    found = collection.survey(tracks, protocol, seeds, clusters, embedding=by)
    page = collection.write_page(found, out)
    if not quiet:
        typer.echo(f"{page}: open it in a browser; groups by {found.by} and K-Means")


@app.command("audit", epilog="Example: python -m helpers audit songs.csv --labels genre --groups artist")
def audit_table(
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

    from ..audit import examination

    report = examination.of_csv(table, labels, groups, measured or (), leave_out or (), seed)
    if to_html:
        report.to_html(to_html)
    typer.echo(json.dumps(report.to_dict(), indent=1) if as_json else str(report))
    raise typer.Exit({"clean": 0, "findings": 4, "cannot tell": 5}[report.verdict])


@app.command("data", epilog="Example: python -m helpers data --gtzan ~/Downloads/gtzan.zip")
def make_data(
    gtzan: Annotated[str | None, typer.Option(envvar="GTZAN", help="Your copy: folder or archive.")] = None,
    genius: Annotated[str | None, typer.Option(envvar="GENIUS", help="Your copy: table or .zip.")] = None,
    msd: Annotated[str | None, typer.Option(envvar="MSD", help="Your copy of Million Song Dataset lists.")] = None,
    jobs: Jobs = CPUS,
    quiet: Quiet = False,
) -> None:
    """Make data/gtzan.csv from the full GTZAN (yours, or Kaggle's); a larger bank of lyrics where GENIUS is given.

    With MSD, and without GTZAN, only data/msd_<source>.parquet of what that folder holds."""
    if msd:
        from ..corpus import msd as lists

        made = lists.convert(msd, datasets.data_dir(), quiet)
        for table, said in made:
            if not quiet:
                typer.echo(f"{table}: {said}")
        if not gtzan:
            raise typer.Exit(LEFT_OUT if any("rows left out" in said for _, said in made) else 0)
    from ..corpus.folders import Found

    raw, out = datasets.data_dir() / "raw", datasets.data_dir() / "gtzan.csv"
    tracks = acquire.find_gtzan(acquire.locate("gtzan", gtzan, raw))
    problems = acquire.verify(tracks)
    for row in problems.head(20).itertuples():
        typer.echo(f"{row.track_id}: {row.problem}", err=True)
    if len(problems) > 20:
        typer.echo(f"… and {len(problems) - 20} more", err=True)
    genres = {track: track.split(".")[0] for track in tracks}
    found, report = Found(tracks), raw / "gtzan_report.csv"
    code = _extract(found, lambda kept, tags: (genres, ""), out, None, jobs, None, quiet, report)
    if genius:
        sample_lyrics(acquire.locate("genius", genius, raw), raw / "lyrics_bank.npz", None, "en", 1000, 0, None, quiet)
    raise typer.Exit(code)
