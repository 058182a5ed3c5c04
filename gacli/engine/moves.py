"""How often a job has changed its site."""

from __future__ import annotations

from collections.abc import Sequence

from gacli.core.placement import PlacementState
from gacli.store import Store
from gacli.store.placements import PlacementRecord, Purpose


def moves_of(store: Store, placements: Sequence[PlacementRecord]) -> int:
    """Finished moves among a job's placements, and resumptions at another site than where it was paused."""
    moves, paused_at = 0, None
    for placement in placements:
        if placement.state is not PlacementState.FINISHED:
            continue
        if placement.purpose in (Purpose.PAUSE, Purpose.WAIT) and placement.source_instance is not None:
            paused_at = store.instances.get(placement.source_instance).site
        resumed_elsewhere = placement.purpose is Purpose.RESUME and placement.target_site != paused_at
        moves += placement.purpose is Purpose.MOVE or resumed_elsewhere
    return moves
