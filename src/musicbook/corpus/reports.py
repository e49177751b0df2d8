"""What was found in a folder or a table, as a table of its files and in sentences.

Both are made of the provenance of a data set. Used by page "Audio baseline" and the commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from helpers.escape import printable
from musicbook.corpus.audio import NEEDED

NAMED = 20  # of a long list that many are named


def file_report(provenance: Mapping[str, Any], paths: Mapping[str, Any]) -> pd.DataFrame:
    """One row for every file: track_id, path, used, what is said of it, the first of the recordings
    that are the same, artist, title and genre tag."""
    remarks: dict[str, list[str]] = {}
    for track, remark in provenance.get("remarks", []):
        remarks.setdefault(track, []).append(remark)
    same_as: dict[str, str] = {}
    for first, *others in provenance.get("doubles", []):
        same_as |= dict.fromkeys(others, first)
    left_out = dict(map(tuple, provenance.get("faults", [])))
    nowhere = [name for name in left_out if name not in paths]
    rows = []
    for track in [*paths, *nowhere]:
        tags = provenance.get("tags", {}).get(track, {})
        row = {
            "track_id": track,
            "path": printable(paths.get(track, "")),
            "used": track not in left_out,
            "said": left_out.get(track) or "; ".join(remarks.get(track, [])),
            "same_as": same_as.get(track, ""),
        }
        rows.append(row | {tag: tags.get(tag, "") for tag in ("artist", "title", "genre")})
    return pd.DataFrame(rows)


def report_sentences(provenance: Mapping[str, Any], most: int = NAMED) -> list[str]:
    """What was found in a folder or a table, in sentences: used, left out and why, odd, doubles,
    labels, words. Of long lists `most` are named. The sentences hold names as they are: escape them
    where they go."""
    faults, remarks = provenance.get("faults", []), provenance.get("remarks", [])
    sentences = []
    if "found" in provenance:
        what = "files" if "paths" in provenance else "rows"
        total = provenance["found"]
        used = f"used {total - len(faults)}, left out {len(faults)}"
        sentences.append(f"Found {total} {what}, {used}.")
    passed = sorted(provenance.get("passed", {}).items())
    if passed:
        counts = ", ".join(f"{printable(ending)} {n}" for ending, n in passed)
        sentences.append(f"Not sound, by their ending: {counts}.")
    if faults:
        sentences.append(f"Left out: {_some(_with_reasons(faults), most)}.")
    missing = sum(NEEDED in reason for _, reason in faults)
    if missing:
        sentences.append(f"{missing} of them need a decoder that is not here; {NEEDED}.")
    if remarks:
        sentences.append(f"Used, though odd: {_some(_with_reasons(remarks), most)}.")
    doubles = [" = ".join(group) for group in provenance.get("doubles", [])]
    if doubles:
        several = f"{len(doubles)} recordings are there more than once"
        alike = _some(doubles, most)
        sentences.append(f"{several} and are drawn together in intervals: {alike}.")
    rows = [f"{place}: {reason}" for place, reason in provenance.get("rows", [])]
    if rows:
        sentences.append(f"Rows that could not be used: {_some(rows, most)}.")
    return sentences + list(provenance.get("sentences", []))


def _some(items: Sequence[str], most: int) -> str:
    """The first `most` items, and how many more there are."""
    text = "; ".join(items[:most])
    if len(items) > most:
        text += f"; and {len(items) - most} more"
    return text


def _with_reasons(pairs: Sequence[Sequence[str]]) -> list[str]:
    return [f"{name} ({reason})" for name, reason in pairs]
