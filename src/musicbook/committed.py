"""The commands that make the tables anew which are committed under data/ (`python -m musicbook
embedded --help`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from helpers.store import check_writable
from helpers.tracks import EMBEDDED, data_dir
from musicbook.collection.commands import Jobs, given_path, save_csv
from musicbook.corpus import acquire

Mini = Annotated[
    Path,
    typer.Argument(
        parser=given_path, metavar="FOLDER", help="GTZAN mini: <genre>/<genre>.0000N.flac"
    ),
]

app = typer.Typer(
    no_args_is_help=True,
    help="Rebuild the tables that are committed under data/. "
    "Exit codes: 0 done, 1 an input cannot be used, 2 wrong usage.",
)


def _lyrics_table(path: Path) -> pd.DataFrame:
    """A table with the columns tag, language and lyrics; ValueError, naming the file, for none."""
    try:
        table = pd.read_csv(path)
    except ValueError as error:  # pandas' own errors are ValueErrors
        raise ValueError(f"{path}: not a readable UTF-8 table ({error})") from None
    for column in ("tag", "language", "lyrics"):
        if column not in table:
            raise ValueError(f"{path}: the table of lyrics has no column {column}")
    return table


@app.command("features", epilog="Example: python -m musicbook embedded features ~/gtzan_mini")
def make_features(
    folder: Mini,
    jobs: Jobs = 1,
) -> None:
    """data/gtzan_mini_tracks.csv, data/gtzan_mini_thirds.csv and data/gtzan_mini_segments.csv.

    Exit codes: 0 done, 1 an input cannot be used, 2 wrong usage."""
    from musicbook.corpus.fast_features import extract_table

    tracks = acquire.find_gtzan(folder)
    lengths = {"gtzan-mini-tracks": None, "gtzan-mini-thirds": 10.0, "gtzan-mini": 3.0}  # seconds
    for name in lengths:
        check_writable(data_dir() / EMBEDDED[name])
    for name, segment in lengths.items():
        table, faults = extract_table(tracks, segment=segment, n_jobs=jobs)
        if len(faults):
            raise ValueError(f"{faults['path'].iloc[0]}: {faults['reason'].iloc[0]}")
        table.insert(1, "genre", table["track_id"].str.split(".").str[0])
        save_csv(table, data_dir() / EMBEDDED[name], float_format="%.9g", lineterminator="\n")


@app.command("lyrics", epilog="Example: python -m musicbook embedded lyrics genius_sample.csv")
def make_lyrics(
    table: Annotated[
        Path,
        typer.Argument(
            parser=given_path,
            metavar="TABLE",
            help="Table with the columns lyrics, tag and language.",
        ),
    ],
) -> None:
    """data/lyrics_bank.npz: every text of a table, and the excerpts of the released protocol.

    Exit codes: 0 done, 1 an input cannot be used, 2 wrong usage."""
    from musicbook.corpus import embedding

    texts, bank = _lyrics_table(table), data_dir() / "lyrics_bank.npz"
    check_writable(bank)
    embedding.save_bank(embedding.build_bank(texts), bank)


@app.command("sentences", epilog="Example: python -m musicbook embedded sentences")
def make_sentences() -> None:
    """data/sentences.npz: the vectors of our own sentences.

    Exit codes: 0 done, 1 an input cannot be used, 2 wrong usage."""
    from musicbook.corpus import embedding

    check_writable(data_dir() / "sentences.npz")
    embedding.build_sentences(data_dir() / "sentences.npz")


@app.command("verses", epilog="Example: python -m musicbook embedded verses")
def make_verses() -> None:
    """data/verses.npz: our own verses in seven languages, by the three encoders.

    Exit codes: 0 done, 1 an input cannot be used, 2 wrong usage."""
    from musicbook.chapters.own_words import verses

    check_writable(data_dir() / verses.VECTORS)
    verses.build_verses()


@app.command("musicnn", epilog="Example: python -m musicbook embedded musicnn ~/gtzan_mini")
def make_musicnn(
    folder: Mini,
    jobs: Jobs = 1,
) -> None:
    """data/gtzan_mini_musicnn.npz and data/demo_musicnn.npz: what a pretrained network hears.

    Exit codes: 0 done, 1 an input cannot be used, 2 wrong usage."""
    from musicbook.corpus import pretrained

    for name in pretrained.COMMITTED.values():
        check_writable(data_dir() / name)
    pretrained.build_gtzan_mini(acquire.find_gtzan(folder), jobs)
    pretrained.build_demo()


@app.command("paired", epilog="Example: python -m musicbook embedded paired ~/paired")
def make_paired(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=given_path,
            metavar="FOLDER",
            help="Folder with tracks.csv, features.csv and lyrics.npz; audio/ if any.",
        ),
    ],
) -> None:
    """data/paired.npz, and paired_words.npz and paired_musicnn.npz where the folder has their
    numbers; made again from the audio that is there, they must agree.

    Exit codes: 0 done, 1 an input cannot be used, 2 wrong usage."""
    from musicbook.corpus import paired

    check_writable(data_dir() / EMBEDDED["paired"])
    for path in paired.write_paired(folder):
        typer.echo(f"{path}: written")
    for row in paired.distance_from_committed(folder).itertuples():
        typer.echo(f"{row.block}: {row.songs} songs, largest difference {row.difference:.2g}")


@app.command("author", epilog="Example: python -m musicbook embedded author ~/repository ...")
def make_author_facts(
    folder: Annotated[Path, typer.Argument(help="A copy of the author's repository.")],
    features: Annotated[Path, typer.Option(help="The 68 features of full GTZAN, a table.")],
    words: Annotated[Path, typer.Option(help="Real lyrics: columns tag, language and lyrics.")],
    out: Annotated[Path | None, typer.Option(help="Where to write; data/author_facts.csv.")] = None,
) -> None:
    """data/author_facts.csv: what the author's own checkpoints show, on inputs that are named.

    Exit codes: 0 done, 1 an input cannot be used, 2 wrong usage."""
    from musicbook.chapters.results import author
    from musicbook.corpus.feature_tables import read_table

    check_writable(out or data_dir() / "author_facts.csv")
    table = _lyrics_table(words)
    tracks = read_table(features, features.stem)
    figures = author.facts(folder, tracks, table, (features.name, words.name))
    for row in figures.itertuples():
        typer.echo(f"{row.name:32s} {row.value:10.4f}  {row.what}")
    path = out or data_dir() / "author_facts.csv"
    typer.echo(f"{author.save_facts(figures, path)}: written")
