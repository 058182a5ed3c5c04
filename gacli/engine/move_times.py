"""What moves of a job take, from what its placements took so far."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gacli.core.placement import PlacementState
from gacli.store.placements import PlacementRecord

# What a move takes before a job has made one, in real seconds; replaced by what was observed as soon as it was.
BOOT_S = 60.0
CHECKPOINT_S = 5.0
RESTART_S = 10.0
BANDWIDTH_BYTES_PER_S = 50e6


def boot_s(placements: Sequence[PlacementRecord], site: str, scale: float) -> float:
    """Seconds, on the job's clock, until a machine at `site` is ready; scale: the clock's."""
    there = [placement for placement in placements if placement.target_site == site]
    return observed_s(there or placements, PlacementState.TARGET_REQUESTED, PlacementState.TARGET_READY, BOOT_S * scale)


def restart_s(placements: Sequence[PlacementRecord], scale: float) -> float:
    """Seconds, on the job's clock, from the script's start to its first step; scale: the clock's."""
    return observed_s(placements, PlacementState.STARTING, PlacementState.CONFIRMED, RESTART_S * scale)


def observed_s(
    placements: Sequence[PlacementRecord], start: PlacementState, end: PlacementState, otherwise_s: float
) -> float:
    """Mean seconds, on the job's clock, from one state to another over the placements that passed both."""
    spans = [
        (p.times[end.value] - p.times[start.value]).total_seconds()
        for p in placements
        if start.value in p.times and end.value in p.times
    ]
    return sum(spans) / len(spans) if spans else otherwise_s


def bandwidth_bytes_per_s(placements: Sequence[PlacementRecord], scale: float) -> float:
    """Bytes per second of the job's clock over all copies so far; scale: the clock's."""
    copied = [
        (p.moved_bytes, p.times[PlacementState.VERIFIED.value] - p.times[PlacementState.COPYING.value])
        for p in placements
        if p.moved_bytes > 0 and PlacementState.VERIFIED.value in p.times
    ]
    seconds = sum((span for _, span in copied), timedelta()).total_seconds()
    return sum(size for size, _ in copied) / seconds if seconds > 0 else BANDWIDTH_BYTES_PER_S / scale
