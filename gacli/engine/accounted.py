"""A job's ledger, each interval with what is recorded of the reading that it was accounted under."""

from __future__ import annotations

from collections.abc import Sequence

from gacli.core.basis import Accounted
from gacli.core.carbon import Reading, reading_at
from gacli.store import Store
from gacli.store.ledger import LedgerEntry


def read_accounted(store: Store, job_id: str) -> tuple[Accounted, ...]:
    """Every interval of the job in the order of time."""
    entries = store.ledger.entries(job_id)
    if not entries:
        return ()
    start = entries[0].emission.energy.start
    end = max(entry.emission.energy.end for entry in entries)
    zones = dict.fromkeys(entry.emission.zone for entry in entries)
    readings = {zone: store.ledger.readings(job_id, zone, start, end) for zone in zones}
    return tuple(_accounted(entry, readings[entry.emission.zone]) for entry in entries)


def _accounted(entry: LedgerEntry, readings: Sequence[Reading]) -> Accounted:
    source = entry.emission.carbon_source
    reading = reading_at(readings, entry.emission.energy.start)
    if reading is None or reading.source != source:
        # Readings that arrived late may lie before the one that was in force when the interval was accounted.
        reading = next((one for one in readings if one.source == source), None)
    return Accounted(
        instance_id=entry.instance_id,
        emission=entry.emission,
        signal=None if reading is None else reading.signal,
        scope=None if reading is None else reading.scope,
    )
