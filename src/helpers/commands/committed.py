"""The commands that make the tables anew which are committed under data/ (`python -m helpers embedded --help`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import datasets
from ..corpus import acquire
from .music import Jobs, save_csv

app = typer.Typer(no_args_is_help=True, help="Rebuild the tables that are committed under data/.")


@app.command("features", epilog="Example: python -m helpers embedded features ~/gtzan_mini")
def make_features(
    folder: Annotated[Path, typer.Argument(help="GTZAN mini: <genre>/<genre>.0000N.flac")], jobs: Jobs = 1
) -> None:
    """data/gtzan_mini_tracks.csv and data/gtzan_mini_segments.csv."""
    from ..corpus.fast_features import extract_table

    tracks = acquire.find_gtzan(folder)
    for segment, name in ((None, "gtzan-mini-tracks"), (3.0, "gtzan-mini")):
        table, faults = extract_table(tracks, segment=segment, n_jobs=jobs)
        if len(faults):
            raise ValueError(f"{faults['path'].iloc[0]}: {faults['reason'].iloc[0]}")
        table.insert(1, "genre", table["track_id"].str.split(".").str[0])
        save_csv(table, datasets.data_dir() / datasets.EMBEDDED[name], float_format="%.9g", lineterminator="\n")


@app.command("lyrics", epilog="Example: python -m helpers embedded lyrics genius_sample.csv")
def make_lyrics(
    table: Annotated[Path, typer.Argument(help="Table with the columns lyrics, tag and language.")],
) -> None:
    """data/lyrics_bank.npz: every text of a table, and the excerpts of the released protocol."""
    import pandas as pd

    from ..corpus import embedding

    embedding.save_bank(embedding.build_bank(pd.read_csv(table)), datasets.data_dir() / "lyrics_bank.npz")


@app.command("sentences", epilog="Example: python -m helpers embedded sentences")
def make_sentences() -> None:
    """data/sentences.npz: the vectors of our own sentences."""
    from ..corpus import embedding

    embedding.build_sentences(datasets.data_dir() / "sentences.npz")


@app.command("musicnn", epilog="Example: python -m helpers embedded musicnn ~/gtzan_mini")
def make_musicnn(
    folder: Annotated[Path, typer.Argument(help="GTZAN mini: <genre>/<genre>.0000N.flac")], jobs: Jobs = 1
) -> None:
    """data/gtzan_mini_musicnn.npz: what a pretrained network hears in each track."""
    from ..corpus import pretrained

    pretrained.build_committed(acquire.find_gtzan(folder), jobs)


@app.command("paired", epilog="Example: python -m helpers embedded paired ~/paired")
def make_paired(
    folder: Annotated[Path, typer.Argument(help="Folder with tracks.csv, features.csv and lyrics.npz; audio/ if any.")],
) -> None:
    """data/paired.npz: songs with their own words; made again from the audio that is there, it must agree."""
    from ..corpus import paired

    typer.echo(f"{paired.build(folder)}: written")
    for row in paired.agreement(folder).itertuples():
        typer.echo(f"{row.block}: {row.songs} songs, largest difference {row.difference:.2g}")
