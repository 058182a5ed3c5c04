"""Keeps the job's readings: asks the source, records what it said, survives its absence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gacli.carbon.chain import Heard
from gacli.carbon.typical import TypicalSource, typical_zones
from gacli.core.carbon import Quality, Reading, Scope, Signal, reading_at
from gacli.core.failover import Standing
from gacli.core.forecast import Forecast
from gacli.engine.context import Context
from gacli.engine.outlooks import Outlooks
from gacli.errors import CarbonUnavailable
from gacli.ports.machine import OnStep

# How far back policies may look (hold times, trends).
WINDOW_S = 24 * 3600.0
# Mean of the world's generation in 2024, rounded (Ember, Global Electricity Review 2025: 473 gCO2/kWh).
_WORLD_G_PER_KWH = 473.0
_TASK: Final = "carbon"
_WORKERS = 4


class CarbonWatch:
    """Readings of every zone of the fleet, recorded once in the store and kept in memory for the window."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._next_poll: datetime | None = None
        self._failed: dict[str, str] = {}
        self._retry_at: dict[str, datetime] = {}
        self._known: dict[str, list[Reading]] = {}
        self._standing: dict[str, Standing] = {}
        self._because: dict[str, str] = {}
        self._outlooks = Outlooks(context)

    @property
    def zones(self) -> list[str]:
        return sorted({site.zone for site in self._context.plan.sites})

    def tick(self) -> bool:
        """Poll when it is due; True when every zone's source has answered or failed."""
        now = self._context.now()
        if self._next_poll is not None and now < self._next_poll and not self._context.tasks.busy(_TASK):
            return False
        answers = self._poll(now)
        if answers is None:
            return False
        # From when it was due, not from when it was done: polls keep their pace, and one that was missed is left out.
        poll = timedelta(seconds=self._context.plan.poll_s)
        due = now if self._next_poll is None else self._next_poll
        self._next_poll = due + ((now - due) // poll + 1) * poll
        for zone, answer in answers.items():
            self._heard(zone, answer, now)
        self._tell(now)
        return True

    def outlook(self, zone: str) -> Forecast | None:
        """What is expected of the zone, where the policy looks ahead."""
        return self._outlooks.of(zone)

    def window(self, zone: str, now: datetime) -> tuple[Reading, ...]:
        """Known readings of the last day up to `now`, ascending."""
        start = now - timedelta(seconds=WINDOW_S)
        known = self._known.get(zone, [])
        return tuple(reading for reading in known if start <= reading.at <= now) or tuple(known[-1:])

    def between(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """Readings for accounting [start, end], never empty; a file or table that may know newer ones is asked first.

        While nothing at all is known of the zone, a named fallback stands in: its typical days, else the world's mean.
        It is used for accounting alone, never shown to a policy.
        """
        known = self._known.get(zone, [])
        newest = known[-1] if known else None
        covered = newest is not None and newest.at + timedelta(seconds=newest.period_s) > end
        # Services are asked beside the loop, with the next poll.
        if not covered and not self._context.carbon.live and self._retry_at.get(zone, end) <= end:
            self._heard(zone, self._ask(zone, end), end)
            newest = self._known[zone][-1] if self._known.get(zone) else None
            if newest is None or newest.at + timedelta(seconds=newest.period_s) <= end:
                # Nothing newer exists yet: a late source is asked again with the next poll, not on every sample.
                self._retry_at[zone] = end + timedelta(seconds=self._context.plan.poll_s)
        ledger, job_id = self._context.store.ledger, self._context.job_id
        return (
            ledger.readings(job_id, zone, start, end)
            or ledger.readings(job_id, zone, start, end + timedelta(days=366))
            or fallback_readings(zone, start, end)
        )

    def _poll(self, now: datetime) -> dict[str, Heard | CarbonUnavailable] | None:
        """What every zone's sources say, with outlooks made; None while services are still being asked."""
        zones = self.zones
        if not self._context.carbon.live:
            return {zone: self._ask_all_of(zone, now) for zone in zones}

        def ask_all(_: OnStep) -> dict[str, Heard | CarbonUnavailable]:
            # At the same time: a service that does not answer keeps its zones waiting, not those of another.
            with ThreadPoolExecutor(max_workers=min(len(zones), _WORKERS), thread_name_prefix="ga-carbon") as pool:
                return dict(zip(zones, pool.map(lambda zone: self._ask_all_of(zone, now), zones), strict=True))

        done = self._context.tasks.once(_TASK, ask_all)
        return None if done is None else done.unwrap()

    def _ask_all_of(self, zone: str, now: datetime) -> Heard | CarbonUnavailable:
        answer = self._ask(zone, now)
        self._outlooks.refresh(zone, now)
        return answer

    def _ask(self, zone: str, now: datetime) -> Heard | CarbonUnavailable:
        """What the zone's chain says of the time since the newest known reading. Changes nothing."""
        known = self._known.get(zone, [])
        start = known[-1].at if known else now - timedelta(seconds=WINDOW_S)
        try:
            return self._context.carbon.ask(zone, start, now, self._standing.get(zone), known)
        except CarbonUnavailable as error:
            return error

    def _heard(self, zone: str, answer: Heard | CarbonUnavailable, now: datetime) -> None:
        """Keep and record what a chain said, and tell when it fails or changes its source."""
        context = self._context
        known = self._known.get(zone, [])
        if isinstance(answer, CarbonUnavailable):
            # Once until it answers again: the messages of one trouble differ in their times.
            if zone not in self._failed:
                context.event("warning", about="carbon", zone=zone, message=answer.message)
            self._failed[zone] = answer.message
            return
        self._failed.pop(zone, None)
        self._told(zone, answer)
        readings = [reading for reading in answer.readings if reading.at <= now]
        context.store.ledger.record_readings(context.job_id, readings)
        merged = {reading.at: reading for reading in [*readings, *known]}
        # Longer than a service may say the same: that is seen by what it said before.
        limit = now - timedelta(seconds=context.carbon.rules.frozen_s + WINDOW_S)
        kept = sorted((reading for reading in merged.values()), key=lambda reading: reading.at)
        newest_before = reading_at(kept, limit)
        self._known[zone] = [reading for reading in kept if reading.at >= limit or reading is newest_before]

    def _told(self, zone: str, answer: Heard) -> None:
        """Say so when the zone's source is another one than before."""
        before = self._standing.get(zone)
        self._standing[zone], self._because[zone] = answer.standing, answer.because
        if (0 if before is None else before.source) == answer.standing.source:
            return
        name = self._context.carbon.sources(zone)[answer.standing.source].name
        why = f" ({answer.because})" if answer.because else ""
        kind = "warning" if answer.standing.source else "note"
        self._context.event(kind, about="carbon", zone=zone, message=f"{zone}: carbon intensity from {name}{why}")

    def _tell(self, now: datetime) -> None:
        zones: dict[str, dict[str, object]] = {}
        for zone in self.zones:
            reading = reading_at(self._known.get(zone, []), now)
            if reading is None:
                zones[zone] = {"unavailable": self._failed.get(zone, "no reading")}
                continue
            zones[zone] = {
                "intensity_g_per_kwh": round(reading.intensity_g_per_kwh, 1),
                "age_s": round(reading.age_s(now), 1),
                "quality": reading.quality.value,
                "signal": reading.signal.value,
                "scope": reading.scope.value,
                "source": reading.source,
                "stale": reading.is_stale(now, self._context.plan.max_age_s),
                "stand_in": reading.stand_in,
                "because": self._because.get(zone, ""),
            }
        self._context.event("carbon", zones=zones)


def fallback_readings(zone: str, start: datetime, end: datetime) -> list[Reading]:
    """What stands in for a zone of which no source has said anything yet; the source's name tells."""
    if zone in typical_zones():
        return [replace(reading, source="fallback: typical") for reading in TypicalSource().readings(zone, start, end)]
    return [
        Reading(
            zone=zone,
            at=start,
            period_s=(end - start).total_seconds(),
            intensity_g_per_kwh=_WORLD_G_PER_KWH,
            signal=Signal.AVERAGE,
            scope=Scope.LIFECYCLE,
            quality=Quality.STATIC,
            source="fallback: world mean",
        )
    ]
