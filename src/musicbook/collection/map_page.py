"""The map of a collection as one page of HTML that loads nothing from elsewhere: groups by name on
the map, a track to hear under the pointer, what is most like it, playlists. `map_page.js` and
`map_page.css` beside this module draw it. Page "What is in my music?", and `musicbook map`."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import HTML

from helpers.escape import for_csv, playlist_entry, printable
from helpers.store import check_writable, write_atomically
from helpers.tracks import Tracks
from musicbook.chapters.cluster_well import stable_groups
from musicbook.chapters.sound import players
from musicbook.collection import playlists, survey
from musicbook.collection.survey import Collection

STYLE, SCRIPT = (Path(__file__).with_name(f"map_page.{ending}") for ending in ("css", "js"))
PLAYED = {".mp3", ".flac", ".wav", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".mp4", ".webm"}
WRITTEN = ("index.html", "tracks.csv", "groups.csv", "report.csv")
FOUND_AGAIN = (
    "Each time the tracks were grouped again, we looked for the group most like this one. The "
    "table shows the overlap of the two: 1 means the same tracks. Below "
    f"{stable_groups.STEADY}, we call a group loose."
)
BETWEEN = "They belong to no group that returns, or to several."
Sounds = Sequence[str | None]


# ---- what the page is made of --------------------------------------------------------------------


def track_names(tracks: Tracks) -> tuple[list[str], list[str]]:
    """For each track a title and what stands beside it: artist and title from the file's tags, else
    the file's name and its folder."""
    tags = tracks.provenance.get("tags", {})
    titles, beside = [], []
    for track in tracks.ids.tolist():
        own = tags.get(track, {})
        folder, _, file = track.rpartition("/")
        titles.append(printable(own.get("title") or file))
        beside.append(printable(own.get("artist") or folder))
    return titles, beside


def _full_names(tracks: Tracks) -> list[str]:
    """Artist and title of each track in one line, as players show them."""
    tags = tracks.provenance.get("tags", {})
    lines = []
    for track, title in zip(tracks.ids.tolist(), track_names(tracks)[0]):
        artist = tags.get(track, {}).get("artist")
        lines.append(f"{artist} - {title}" if artist else title)
    return lines


def page_data(
    found: Collection, sounds: Sounds | None = None, paths: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Everything that the script draws. `sounds` (n,) are addresses of what a track sounds like;
    `paths` {track: file} let the page make playlists."""
    tracks, labels = found.tracks, found.groups.labels
    titles, beside = track_names(tracks)
    x, y = _scaled(found.points)
    places = {track: place for place, track in enumerate(tracks.ids.tolist())}
    pairs = survey.same_recordings(tracks)
    doubles = [
        [places[a], places[b]]
        for a, b in zip(pairs["File"], pairs["Sounds like"])
        if a in places and b in places
    ]
    groups = []
    for group, overlap in enumerate(found.groups.returns):
        rows = found.rows_of(group)
        middle = _middle(x, y, rows)
        core = rows[np.abs(x[rows] - x[middle]) <= 200]
        groups.append(
            {
                "name": found.names[group],
                "words": found.described[group],
                "loose": bool(overlap < stable_groups.STEADY),
                "rows": rows.tolist(),
                "first": int(rows[0]),
                "x": int(x[middle]),
                "top": int(np.quantile(y[core], 0.9)),
            }
        )
    files = None
    if paths is not None:
        files = [_entry(paths[track]) for track in tracks.ids.tolist()]
    return {
        "names": titles,
        "artists": beside,
        "group": labels.tolist(),
        "x": x.tolist(),
        "y": y.tolist(),
        "near": found.near.tolist(),
        "sounds": [None] * tracks.n if sounds is None else list(sounds),
        "groups": groups,
        "between": np.flatnonzero(labels < 0).tolist(),
        "why_between": BETWEEN,
        "doubles": doubles,
        "paths": files,
        "clips": not any((one or "").startswith("file:") for one in sounds or ()),
    }


def _entry(path: str) -> str:
    """A file's line in a playlist that the page writes. A name whose bytes are no UTF-8 becomes an
    address, since a page is UTF-8 throughout."""
    entry = playlist_entry(path)
    try:
        entry.encode()
    except UnicodeEncodeError:
        return Path(path).absolute().as_uri()
    return entry


def _scaled(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 2) as whole numbers from 0 to 2000, each axis by itself."""
    low, high = points.min(axis=0), points.max(axis=0)
    share = (points - low) / np.where(high > low, high - low, 1)
    x, y = np.round(2000 * share).astype(int).T
    return x, y


def _middle(x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> int:
    """The track of a group (positions `rows`) with the smallest sum of distances to the others on
    the map: above it goes the group's name."""
    own = np.column_stack([x[rows], y[rows]]).astype(float)
    own = own[:: max(1, len(own) // 500)]
    distances = np.linalg.norm(own[:, None] - own[None], axis=2).sum(axis=1)
    return int(rows[:: max(1, len(rows) // 500)][distances.argmin()])


# ---- the page ------------------------------------------------------------------------------------


def page_text(
    found: Collection, sounds: Sounds | None = None, paths: Mapping[str, str] | None = None
) -> str:
    """The whole page as HTML."""
    data = json.dumps(page_data(found, sounds, paths), separators=(",", ":"), ensure_ascii=False)
    data = data.replace("</", "<\\/")  # a name that would end the script
    title = html.escape(printable(found.tracks.name))
    up, right = found.axes
    heard = any(sounds or ())
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f"<title>{title}: a map of the collection</title>",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<link rel="icon" href="data:,"><style>{STYLE.read_text()}</style></head><body>',
            f'<header class="top"><h1>{title}</h1>',
            f"<p>{html.escape(survey.invitation(found, heard))}</p>",
            "</header>",
            STAGE.format(up=_axis(up, "up", "↑ "), right=_axis(right, "right", "", " →")),
            f'<main class="more">{_more(found)}</main>',
            PLAYER,
            f'<script type="application/json" id="data">{data}</script>',
            f"<script>{SCRIPT.read_text()}</script></body></html>",
            "",
        ]
    )


STAGE = """<div class="app">
<section class="stage" id="stage" aria-label="Map of the tracks">
<canvas id="map" tabindex="0" role="application"
 aria-label="Map. Arrow keys go from track to track, Enter plays."></canvas>
{up}{right}
<div class="tools">
<button type="button" id="hover" aria-pressed="false">Hear on hover</button>
<button type="button" id="closer" aria-label="Closer">+</button>
<button type="button" id="farther" aria-label="Farther">−</button>
<button type="button" id="whole" aria-label="The whole map">All</button>
</div>
<p class="hint" id="hint">Press a point to hear it.</p>
<div class="tip" id="tip" hidden></div>
</section>
<section class="side" id="side" aria-label="Groups and tracks">
<div class="search"><input type="search" id="search" placeholder="Find a track or an artist"
 aria-label="Find a track or an artist" autocomplete="off"></div>
<div id="panel"></div>
</section>
</div>
<noscript><p class="more">The map needs JavaScript; the tables below say the same.</p></noscript>"""

PLAYER = """<footer class="player" id="player"><div class="inner">
<button type="button" id="toggle" class="play" aria-label="Play" disabled>▶</button>
<button type="button" id="next" class="play" aria-label="Next track" disabled>»</button>
<div class="now"><div id="now"><strong>Nothing is playing</strong>
<span>Press a point on the map, or play a group through.</span></div>
<progress id="gone" max="1" value="0" aria-label="Played"></progress></div>
<select id="length" aria-label="How much is played">
<option value="taste">12 s</option><option value="whole">whole</option>
</select>
<audio id="audio" preload="none"></audio>
</div></footer>"""


def _axis(name: str | None, place: str, before: str = "", after: str = "") -> str:
    """What one direction of the map means, written at its end; nothing where it means nothing."""
    if name is None:
        return ""
    return f'<p class="axis {place}">{before}{html.escape(name)}{after}</p>\n'


def _more(found: Collection) -> str:
    """Below the map: doubles, files that were left out, all tracks, how the groups were chosen."""
    same = survey.same_recordings(found.tracks)
    parts = ["<h2>Doubles</h2>"]
    if len(same):
        parts.append(_html_table(same.drop(columns="Distance")))
    else:
        parts.append("<p>No two files sound like the same recording.</p>")
    faults = found.tracks.provenance.get("faults", [])
    if faults:
        noun = "file" if len(faults) == 1 else "files"
        parts.append(f"<h2>Left out</h2><p>{len(faults)} {noun} could not be used.</p>")
        parts.append(_html_table(pd.DataFrame(faults, columns=["File", "Why"])))
    titles, beside = track_names(found.tracks)
    table = pd.DataFrame({"Track": titles, "Artist or folder": beside})
    table["Group"] = survey.track_table(found)["group"]
    parts.append(f"<details><summary>All {len(table)} tracks as a table</summary>")
    parts.append(_html_table(table.sort_values(["Group", "Track"], kind="stable")))
    parts.append("</details><details><summary>How the groups were made</summary>")
    sentences = [survey.how_made(found), survey.collection_sentence(found), how_many(found)]
    parts.append(f"<p>{html.escape(' '.join(sentences))}</p>")
    if found.groups.n:
        parts.append(f"<p>{html.escape(FOUND_AGAIN)}</p>")
        again = survey.group_table(found).reset_index()[["Group", "Tracks", "Returns"]]
        parts.append(_html_table(again.rename(columns={"Returns": "Found again"})))
    tried = found.groups.tried
    if len(tried) > 1:
        shown = pd.DataFrame(
            {
                "Groups asked for": tried["groups"].map("{:.0f}".format),
                "Groups that return surely": tried["return surely"].map("{:.0f}".format),
                "Tracks in them": tried["share of tracks"].map("{:.0%}".format),
            }
        )
        parts.append(_html_table(shown))
    parts.append("</details>")
    return "\n".join(parts)


def how_many(found: Collection) -> str:
    """Why there are as many groups as there are, in plain sentences."""
    groups = found.groups
    gone = groups.made - groups.n
    if len(groups.tried) == 1:
        sentence = f"{groups.made} groups were asked for."
    else:
        sentence = (
            f"Of the numbers in the table we chose {groups.made}: there the count of groups that "
            "return surely, times the share of the tracks in them, is largest."
        )
    if gone:
        noun = "group" if gone == 1 else "groups"
        sentence += f" {gone} {noun} did not return, and their tracks stand between groups."
    return sentence


def _html_table(table: pd.DataFrame) -> str:
    """A plain HTML table, everything in it escaped; on a phone each row becomes a block."""
    heads = [html.escape(str(name)) for name in table.columns]
    lines = ['<table class="wide"><thead><tr>']
    lines += [f'<th scope="col">{head}</th>' for head in heads]
    lines.append("</tr></thead><tbody>")
    for row in table.itertuples(index=False):
        cells = [html.escape(printable(str(value))) for value in row]
        shown = [f'<td data-label="{head}">{cell}</td>' for head, cell in zip(heads, cells)]
        lines.append(f"<tr>{''.join(shown)}</tr>")
    lines.append("</tbody></table>")
    return "\n".join(lines)


def in_frame(found: Collection, sounds: Sounds | None = None, height: int = 760) -> HTML:
    """The page inside of another one, a notebook's, in a frame of its own."""
    name = html.escape(f"Map of {printable(found.tracks.name)}", quote=True)
    text = html.escape(page_text(found, sounds), quote=True)
    # In a division, since IPython warns of a frame that stands alone.
    return HTML(
        f'<div><iframe title="{name}" srcdoc="{text}" loading="lazy" allow="autoplay" '
        f'style="width:100%;height:{height}px;border:0"></iframe></div>'
    )


# ---- files ---------------------------------------------------------------------------------------


def check_target(out: Path) -> None:
    """Refuse a folder that holds files which are not from here; ValueError. `map` asks before any
    work is done."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out}: this is a file; name a folder")
    ours = ("index.html", "tracks.csv")
    if out.exists() and any(out.iterdir()) and not any((out / name).exists() for name in ours):
        raise ValueError(f"{out}: this folder has other files in it; name a new one")
    for name in WRITTEN:
        check_writable(out / name)


def write_page(found: Collection, out: Path, clips: bool = False) -> Path:
    """Write the page of a collection into the folder `out`, beside what `write_tables` writes. The
    page plays the files where they are; with `clips` it brings six seconds of each instead, and
    names no file of this machine, so that it can be given away with the folder of the clips. Sound
    that no browser plays is brought as clips in any case. Returns the page."""
    check_target(out)
    write_tables(found, out)
    paths = None if clips else found.tracks.provenance.get("paths")
    text = page_text(found, _sounds(found.tracks, out, clips), paths)
    page = out / "index.html"
    return write_atomically(page, partial(Path.write_text, data=text, encoding="utf-8"))


def write_tables(found: Collection, out: Path) -> None:
    """Write tracks.csv and groups.csv into the folder `out`, and for a folder of audio a playlist a
    group."""
    check_target(out)
    tracks, table = found.tracks, survey.track_table(found)
    paths = tracks.provenance.get("paths")
    if paths:
        playlists.write(
            found.groups.labels,
            tracks.ids,
            paths,
            out / "playlists",
            space=found.space,
            titles=found.names,
            names=dict(zip(tracks.ids.tolist(), _full_names(tracks))),
        )
        table["path"] = [printable(paths[track]) for track in tracks.ids.tolist()]
    for name, content in (("tracks", table), ("groups", survey.group_table(found).reset_index())):
        write = partial(for_csv(content).to_csv, index=False)
        write_atomically(out / f"{name}.csv", write)


def _sounds(tracks: Tracks, out: Path, clips: bool) -> list[str | None]:
    """The address of what each track sounds like, (n,): its own file where a browser can play it,
    else a clip, which is written; None where there is no sound."""
    paths = tracks.provenance.get("paths", {})
    sounds: list[str | None] = [None] * tracks.n
    need = []
    for place, track in enumerate(tracks.ids.tolist()):
        path = Path(paths[track]) if track in paths else None
        if path is not None and not clips and path.suffix.lower() in PLAYED:
            sounds[place] = path.absolute().as_uri()
        else:
            need.append(place)
    if need:
        folder = out / "clips"
        for place, name in zip(need, players.write_clips(tracks.rows(np.array(need)), folder)):
            sounds[place] = name and f"clips/{name}"
    return sounds
