"""Recordings that a collection has twice: exact copies, other bit rates, other cuts of the same
sound.

A fingerprint after Haitsma and Kalker (2002): 32 bits a frame say where the energy rises faster in
one band than in the next. Coders and volume leave most bits alone, and a cut only moves them. Used
for folders of audio."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

STEP, WIDTH = 2, 16  # frames of 23 ms: one fingerprint every 46 ms, of 370 ms
LOWEST = 12  # mel band, at about 280 Hz; 33 pairs of bands from there reach 3 kHz
# share of bits that may differ: MP3 at 64 kbit/s and other cuts stay below 0.22, other pieces above
# 0.33
ERRORS = 0.28
OVERLAP = 86  # fingerprints, 4 s, that two recordings must have in common
COMMON = 50  # a 32-bit pattern in more recordings than that tells nothing


def fingerprint(mel: np.ndarray) -> np.ndarray:
    """(m,) uint32 of a mel power spectrogram (n_frames, 128): a bit is 1 where a band gains on the
    next one."""
    bands = mel[:, LOWEST : LOWEST + 66].reshape(len(mel), 33, 2).sum(axis=2, dtype=np.float64)
    total = np.concatenate([np.zeros((1, 33)), np.cumsum(bands, axis=0)])[::STEP]
    energy = total[WIDTH // STEP :] - total[: -(WIDTH // STEP)]
    rise = np.diff(np.diff(energy, axis=1), axis=0) < 0
    return np.packbits(rise, axis=1).view(">u4").ravel().astype(np.uint32)


def same_recording_groups(prints: Mapping[str, np.ndarray]) -> list[list[str]]:
    """Groups of names whose fingerprints (m_i,) uint32 show the same recording, in the order given.

    Patterns that two recordings share propose how they lie on each other; of OVERLAP fingerprints
    or more in that place no more than ERRORS of the bits may differ. Time grows with the number of
    fingerprints, not with that of pairs."""
    names = list(prints)
    arrays = [np.asarray(prints[name], np.uint32) for name in names]
    parent = list(range(len(names)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    exact: dict[bytes, int] = {}
    for i, bits in enumerate(arrays):
        if bits.any():  # silence has no fingerprint
            parent[i] = exact.setdefault(bits.tobytes(), i)
    firsts = list(exact.values())
    for i, j, lag in _proposals(arrays, firsts):
        if root(i) != root(j) and _alike(arrays[i], arrays[j], lag):
            parent[max(root(i), root(j))] = min(root(i), root(j))
    groups: dict[int, list[str]] = {}
    for i, name in enumerate(names):
        groups.setdefault(root(i), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _proposals(arrays: list[np.ndarray], chosen: list[int]) -> np.ndarray:
    """(n, 3) rows (i, j, lag): fingerprint t of i and t + lag of j have a pattern in common, at two
    places or more."""
    sizes = [len(arrays[i]) for i in chosen]
    if not chosen:
        return np.empty((0, 3), int)
    bits = np.concatenate([arrays[i] for i in chosen])
    owner = np.repeat(chosen, sizes)
    place = np.concatenate([np.arange(n) for n in sizes])
    order = np.argsort(bits, kind="stable")
    bits, owner, place = bits[order], owner[order], place[order]
    sounding = int(np.searchsorted(bits, 1))  # 0 is silence
    bits, owner, place = bits[sounding:], owner[sounding:], place[sounding:]
    ends = np.flatnonzero(np.append(np.diff(bits) != 0, True)) + 1
    length = np.diff(np.concatenate([[0], ends]))
    proposals = []
    for ahead in range(1, COMMON):  # each pattern with the next one, the one after it, ...
        inside = np.repeat((length > ahead) & (length <= COMMON), length)
        here = np.flatnonzero(
            inside[:-ahead] & (bits[:-ahead] == bits[ahead:]) & (owner[:-ahead] != owner[ahead:])
        )
        proposals.append(
            np.stack([owner[here], owner[here + ahead], place[here + ahead] - place[here]], axis=1)
        )
    rows, times = np.unique(np.concatenate(proposals), axis=0, return_counts=True)
    return rows[times > 1]


def _alike(a: np.ndarray, b: np.ndarray, lag: int) -> bool:
    a, b = a[max(0, -lag) :], b[max(0, lag) :]
    n = min(len(a), len(b))
    a, b = a[:n], b[:n]
    sounding = int(((a != 0) | (b != 0)).sum())
    return sounding >= OVERLAP and int(np.bitwise_count(a ^ b).sum()) <= ERRORS * 32 * sounding
