"""The ledger's intervals as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from gacli.core.basis import Accounted
from gacli.core.energy import JOULES_PER_KWH
from gacli.store.database import to_text
from gacli.views.carbon_output import csv_text

COLUMNS = (
    "job", "instance", "site", "zone", "generation", "phase", "start", "end", "duration_s", "energy_j", "energy_kwh",
    "power_w", "pue", "intensity_g_per_kwh", "emissions_g", "meter", "modelled", "signal", "scope", "quality",
    "carbon_source", "extrapolated",
)  # fmt: skip


def intervals_csv(job_id: str, accounted: Sequence[Accounted]) -> str:
    """A header and a line an interval, in the order of time; docs/reports.md says what the columns are."""
    if not accounted:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow(COLUMNS)
        return out.getvalue()
    return csv_text(dict(zip(COLUMNS, _row(job_id, one), strict=True)) for one in accounted)


def _row(job_id: str, one: Accounted) -> tuple[object, ...]:
    emission = one.emission
    energy = emission.energy
    duration_s = (energy.end - energy.start).total_seconds()
    return (
        job_id,
        one.instance_id,
        energy.site,
        emission.zone,
        energy.generation,
        energy.phase.value,
        to_text(energy.start),
        to_text(energy.end),
        duration_s,
        energy.energy_j,
        energy.energy_j / JOULES_PER_KWH,
        energy.energy_j / duration_s if duration_s > 0 else None,
        emission.pue,
        emission.intensity_g_per_kwh,
        emission.emissions_g,
        energy.meter,
        energy.modelled,
        None if one.signal is None else one.signal.value,
        None if one.scope is None else one.scope.value,
        emission.quality.value,
        emission.carbon_source,
        emission.extrapolated,
    )
