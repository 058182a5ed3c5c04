"""The open placement in the journal: entering states, telling, waiting."""

from __future__ import annotations

from gacli.core.job import JobState
from gacli.core.placement import PlacementState
from gacli.engine.context import Context
from gacli.errors import GaError
from gacli.store.placements import PlacementRecord, Purpose

_ENDING = (Purpose.FINISH, Purpose.FAIL, Purpose.STOP)

_CONFIRMED = (PlacementState.CONFIRMED, PlacementState.RELEASING_SOURCE)

# Real seconds between two tries to reach a machine that must be asked.
_RETRY_S = 2.0


class PlacementLog:
    """Writes the placement's transitions, and remembers until when nothing is to be tried again."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._retry_at = 0.0

    @property
    def waiting(self) -> bool:
        """True while the last failed try is too recent."""
        return self._retry_at > self._context.clock.epoch_s()

    def enter(self, record: PlacementRecord, state: PlacementState, detail: str = "") -> PlacementRecord:
        with self._context.store.transaction():
            entered = self._context.store.placements.enter(record, state, self._context.now(), detail)
            self.tell(entered)
            restore_state(self._context)
            return entered

    def tell(self, record: PlacementRecord) -> None:
        store = self._context.store
        source = None if record.source_instance is None else store.instances.get(record.source_instance).site
        self._context.event(
            "placement", placement=record.placement_id, purpose=record.purpose.value, state=record.state.value,
            source=source, target=record.target_site, reason=record.reason, detail=record.detail,
        )  # fmt: skip

    def wait_for(self, site: str, error: Exception) -> None:
        """A machine that must be asked does not answer: it is asked again, and nobody assumes that it is dead.

        Raises `error` when it is not an expected failure.
        """
        if not isinstance(error, GaError):
            raise error
        self._retry_at = self._context.clock.epoch_s() + _RETRY_S
        self._context.set_state(JobState.BLOCKED, f"waiting for {site}: {error.message.splitlines()[0]}")


def restore_state(context: Context) -> None:
    """Name the job's state by what is under way: the open placement, else the trainer that has not ended."""
    record = context.store.placements.open(context.job_id)
    if record is None or (record.target_site is not None and record.state in _CONFIRMED):
        generation = context.store.jobs.generation(context.job_id, context.job().generation)
        # Its first step is known, though perhaps not yet its first power sample, which makes its record `live`.
        if generation is not None and generation.state != "ended":
            context.set_state(JobState.RUNNING)
        return
    if record.target_site is not None:
        state = JobState.PLACING if record.source_instance is None else JobState.MOVING
    else:
        state = JobState.FINISHING if record.purpose in _ENDING else JobState.PAUSING
    context.set_state(state, f"{record.purpose}: {record.reason}")
