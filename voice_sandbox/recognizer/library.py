"""The clips that can be heard: loaded from folders of WAVs with a `transcripts.jsonl`, packed for matching."""

from __future__ import annotations

import json
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import soxr
from numpy.typing import NDArray

from voice_sandbox.recognizer.features import BANDS, CONTEXT, HOP, RATE, Floats, Samples, levels, spectra
from voice_sandbox.recognizer.voicing import FLOOR_DBFS, RANGE_DB, VoicedSpan, spread_words, weights

THRESHOLD: Final = 0.75
"""Cosine of two frames above which they speak for one clip, below which against it."""
MISMATCH: Final = 0.22
"""What a fully voiced frame costs where the other side is silent."""
ENTRY_PENALTY: Final = 2.0
"""Evidence asked for before a clip counts as heard: 80 ms of a perfect match."""
MIDDLE_PENALTY: Final = 3.5
"""The same for a clip that is joined more than 250 ms after its start."""
EXIT_PENALTY: Final = 0.6
"""What leaving a clip before its end costs."""
_EDGE_FRAMES: Final = 25
_LEAD_FRAMES: Final = 5
_FAINT_FRAMES: Final = 4.0
_BLOCK: Final = 512  # products of 10 frames with a block stay below the size from which OpenBLAS starts threads
_MAX_CLIP_S: Final = 30
_MAX_CLIPS: Final = 1_000


class LibraryClipError(ValueError):
    """A clip folder cannot be used: a file is missing, is no 16-bit mono WAV, or is longer than 30 s."""


@dataclass(frozen=True, slots=True)
class LibraryClip:
    """One clip. `first` and `end` bound its frames in the packed library; word times count from the clip's start.

    `voiced_start` and `voiced_end` are frames of the clip: the first voiced one and the one after the last. Before
    `faint_until`, and from `faint_from` on, there is less voice than in 40 ms at full strength.
    """

    name: str
    transcript: str
    words: tuple[VoicedSpan, ...]
    noise: bool
    first: int
    end: int
    voiced_start: int
    voiced_end: int
    faint_until: int
    faint_from: int


@dataclass(frozen=True, slots=True)
class _Loaded:
    name: str
    transcript: str
    noise: bool
    samples: Samples


class ClipLibrary:
    """Clips side by side, ten milliseconds a column.

    A column is BANDS + 3 numbers, so that one matrix product of a stream frame [w x, w, w^2, 1] gives, for every
    column, the evidence w v (cos - THRESHOLD) - MISMATCH (w - v)^2, with w and v the voice weights of both sides.
    """

    def __init__(self, loaded: Sequence[_Loaded]) -> None:
        self.clips: list[LibraryClip] = []
        columns: list[Floats] = []
        entry: list[Floats] = []
        leave: list[Floats] = []
        first = 0
        for item in loaded:
            level = levels(item.samples)
            voiced = np.flatnonzero(level > max(FLOOR_DBFS, float(level.max(initial=-200.0)) - RANGE_DB))
            if not voiced.size:
                raise LibraryClipError(f"{item.name}: no voiced frame")
            start, stop = int(voiced[0]), int(voiced[-1]) + 1
            columns.append(_columns(item.samples, level))
            entry.append(_entry_costs(level.size, voiced, start))
            until, faint = _faint_edges(level)
            leave.append(np.where(np.arange(level.size) >= faint, 0.0, EXIT_PENALTY).astype(np.float32))
            words = () if item.noise else spread_words(item.transcript, level)
            end = first + level.size
            self.clips.append(
                LibraryClip(item.name, item.transcript, words, item.noise, first, end, start, stop, until, faint)
            )
            first = end
        self.size = first
        packed = np.concatenate([np.zeros((BANDS + 3, 0), np.float32), *columns], axis=1)
        padded = np.pad(packed, ((0, 0), (0, -first % _BLOCK)))
        self._blocks = np.ascontiguousarray(padded.reshape(BANDS + 3, -1, _BLOCK).transpose(1, 0, 2))
        self.entry_costs = np.concatenate([np.zeros(0, np.float32), *entry])
        self.exit_costs = np.concatenate([np.zeros(0, np.float32), *leave])
        self.firsts = np.array([clip.first for clip in self.clips], dtype=np.intp)
        self._owner = np.repeat(np.arange(len(self.clips)), [clip.end - clip.first for clip in self.clips])

    def __len__(self) -> int:
        return len(self.clips)

    @staticmethod
    def load(dirs: Sequence[Path]) -> ClipLibrary:
        """Reads every folder's `transcripts.jsonl`: one object a line with `file`, `transcript` and optionally `noise`.

        WAVs at another rate than 16 kHz are converted. Raises ClipError for a folder that cannot be used.
        """
        loaded = [_read(folder, row) for folder in dirs for row in _rows(folder)]
        if len(loaded) > _MAX_CLIPS:
            raise LibraryClipError(f"at most {_MAX_CLIPS} clips")
        return ClipLibrary(loaded)

    def evidence(self, spectrum: Floats, weight: Floats) -> Floats:
        """How much each of at most 10 frames speaks for each column, (n, columns).

        Takes unit spectra (n, BANDS) and voice weights (n,).
        """
        column = weight[:, None]
        rows = np.concatenate([column * spectrum, column, column**2, np.ones_like(column)], axis=1)
        product = np.matmul(rows, self._blocks)
        return product.transpose(1, 0, 2).reshape(weight.size, -1)[:, : self.size]

    def clip_at(self, column: int) -> LibraryClip:
        """The clip that owns a column."""
        return self.clips[int(self._owner[column])]


def _columns(samples: Samples, level: Floats) -> Floats:
    weight = weights(level, float(level.max()))
    padded = np.concatenate([np.zeros(CONTEXT, np.int16), samples[: level.size * HOP]])
    unit = spectra(padded)
    column = weight[:, None]
    rest = [(2 * MISMATCH - THRESHOLD) * column, np.full_like(column, -MISMATCH), -MISMATCH * column**2]
    return np.concatenate([column * unit, *rest], axis=1).astype(np.float32).T


def _faint_edges(level: Floats) -> tuple[int, int]:
    weight = weights(level, float(level.max()))
    strong = (np.cumsum(weight) > _FAINT_FRAMES) & (np.cumsum(weight[::-1])[::-1] > _FAINT_FRAMES)
    if not strong.any():
        return 0, level.size
    places = np.flatnonzero(strong)
    return int(places[0]), int(places[-1]) + 1


def _entry_costs(size: int, voiced: NDArray[np.intp], start: int) -> Floats:
    costs = np.full(size, 1e6, np.float32)
    costs[voiced] = MIDDLE_PENALTY
    costs[max(0, start - _LEAD_FRAMES) : start + _EDGE_FRAMES] = ENTRY_PENALTY
    return costs


def _rows(folder: Path) -> list[dict[str, Any]]:
    try:
        lines = (folder / "transcripts.jsonl").read_text(encoding="utf-8").splitlines()
        return [cast("dict[str, Any]", json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise LibraryClipError(f"{folder}: no readable transcripts.jsonl") from error


def _read(folder: Path, row: dict[str, Any]) -> _Loaded:
    name = str(row.get("file", ""))
    try:
        with wave.open(str(folder / name)) as file:
            if file.getnchannels() != 1 or file.getsampwidth() != 2:
                raise LibraryClipError(f"{name}: not a 16-bit mono WAV")
            rate, frames = file.getframerate(), file.getnframes()
            if frames > rate * _MAX_CLIP_S:
                raise LibraryClipError(f"{name}: longer than {_MAX_CLIP_S} s")
            samples = np.frombuffer(file.readframes(frames), dtype="<i2").astype(np.int16)
    except (OSError, EOFError, wave.Error) as error:
        raise LibraryClipError(f"{name}: no readable WAV") from error
    if rate != RATE:
        samples = soxr.resample(samples, rate, RATE)
    return _Loaded(name, str(row.get("transcript", "")), bool(row.get("noise", False)), samples)
