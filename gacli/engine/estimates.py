"""What is stated beside a job's operational emissions and never added to them: network, embodied emissions, SCI."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gacli.config.models import Config
from gacli.core.accounting_assumptions import Assumptions
from gacli.core.basis import Accounted
from gacli.core.embodied import Embodied, ReservedHardware, embodied_of
from gacli.core.network import NetworkUse, network_use
from gacli.core.placement import PlacementState
from gacli.core.sci import FunctionalUnit, SciStatement, sci_of
from gacli.core.site import Site
from gacli.ports.machine import EPOCHS
from gacli.store import Store
from gacli.store.journal import Event
from gacli.store.placements import PlacementRecord

_RECORD = Assumptions()
_EVENTS_AT_A_TIME = 5000


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimates:
    """network: of the checkpoints that placements copied. unknown_bytes: those for which no intensity is recorded.

    embodied: None where it was left out. not_stated: sites that were used and whose hardware nobody has told; their
    embodied emissions are missing. sci: per run, and per step and epoch where the script tells them; empty when average
    and marginal intensities are mixed, or nothing was used.
    """

    network: NetworkUse
    unknown_bytes: int
    embodied: Embodied | None
    not_stated: tuple[str, ...]
    sci: tuple[SciStatement, ...]


def stated_hardware(config: Config) -> dict[str, ReservedHardware]:
    """By site, for those that state any."""
    return {
        site.name: ReservedHardware(
            gpu=site.hardware.gpu,
            gpus=0.0 if site.hardware.gpu is None else site.hardware.gpus,
            server_share=site.hardware.server,
        )
        for site in config.sites
        if site.hardware is not None
    }


def estimates_of(
    store: Store,
    sites: Sequence[Site],
    job_id: str,
    accounted: Sequence[Accounted],
    hardware: Mapping[str, ReservedHardware],
    assumptions: Assumptions = _RECORD,
) -> Estimates:
    """accounted: all of the job. hardware: by site, see `stated_hardware`."""
    network, unknown_bytes = _network(store, sites, job_id, assumptions)
    held_s: dict[str, float] = {}
    for one in accounted:
        energy = one.emission.energy
        held_s[energy.site] = held_s.get(energy.site, 0.0) + (energy.end - energy.start).total_seconds()
    not_stated = tuple(site for site in held_s if site not in hardware)
    embodied = None
    if assumptions.embodied:
        parts = [embodied_of(hardware[s], held_s[s], assumptions.hardware) for s in held_s if s in hardware]
        embodied = sum(parts, Embodied()) if parts else None
    return Estimates(
        network=network,
        unknown_bytes=unknown_bytes,
        embodied=embodied,
        not_stated=not_stated if assumptions.embodied else (),
        sci=_statements(store, job_id, accounted, embodied, not_stated),
    )


def _statements(
    store: Store,
    job_id: str,
    accounted: Sequence[Accounted],
    embodied: Embodied | None,
    not_stated: Sequence[str],
) -> tuple[SciStatement, ...]:
    signals = list(dict.fromkeys(one.signal for one in accounted if one.signal is not None))
    if len(signals) != 1:
        return ()
    progress = store.journal.progress(job_id)
    counts = {FunctionalUnit.RUN: 1.0}
    if progress is not None:
        counts[FunctionalUnit.STEP] = float(progress.step)
        counts[FunctionalUnit.EPOCH] = progress.metrics.get(EPOCHS, 0.0)
    unknown = () if embodied is None else (*embodied.unknown, *(f"hardware of {site}" for site in not_stated))
    return tuple(
        sci_of(
            (one.emission for one in accounted),
            unit=unit,
            count=count,
            embodied_g=None if embodied is None else embodied.emissions_g,
            signal=signals[0],
            unknown_hardware=unknown,
        )
        for unit, count in counts.items()
        if math.isfinite(count) and count > 0
    )


def _network(store: Store, sites: Sequence[Site], job_id: str, assumptions: Assumptions) -> tuple[NetworkUse, int]:
    zones = {site.name: site.zone for site in sites}
    sent = _sent(store, job_id)
    use, unknown_bytes = NetworkUse(), 0
    for placement in store.placements.of_job(job_id):
        if placement.moved_bytes == 0 or placement.target_site is None:
            continue
        source = None if placement.source_instance is None else store.instances.get(placement.source_instance).site
        # What came from this machine was carried from a place whose grid nobody told: the target's stands for it.
        here = placement.target_site if source is None else source
        ends = [_intensity(store, job_id, zones, site, placement) for site in (here, placement.target_site)]
        carried = 1 if source is None or _straight(placement, sent) else 2
        if ends[0] is None or ends[1] is None:
            unknown_bytes += carried * placement.moved_bytes
        else:
            use += network_use(carried * placement.moved_bytes, ends[0], ends[1], assumptions.kwh_per_gb)
    return use, unknown_bytes


def _sent(store: Store, job_id: str) -> list[Event]:
    """Every arrival of a checkpoint at a machine."""
    arrivals: list[Event] = []
    after = 0
    while batch := store.journal.events(job_id, after=after, limit=_EVENTS_AT_A_TIME):
        arrivals += [event for event in batch if event.kind == "checkpoint" and event.body.get("action") == "sent"]
        after = batch[-1].event_id
    return arrivals


def _straight(placement: PlacementRecord, sent: Sequence[Event]) -> bool:
    """True when it is recorded that the checkpoint went straight; through this machine it is carried twice."""
    began, ended = (placement.times.get(state.value) for state in (PlacementState.COPYING, PlacementState.VERIFIED))
    return any(
        event.body.get("path") == "direct" and event.body.get("site") == placement.target_site
        for event in sent
        if began is not None and began <= event.at and (ended is None or event.at <= ended)
    )


def _intensity(
    store: Store, job_id: str, zones: Mapping[str, str], site: str, placement: PlacementRecord
) -> float | None:
    """When the copy began; None where no reading of the site is recorded."""
    at = placement.times.get(PlacementState.COPYING.value)
    if at is None or site not in zones:
        return None
    readings = store.ledger.readings(job_id, zones[site], at, at)
    return readings[-1].intensity_g_per_kwh if readings else None
