"""Several sources for one zone, in order: what is believed now, and why not the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gacli.core.carbon import Reading
from gacli.core.failover import Rules, Standing, choose, fault, level_factor, levelled, without_spikes
from gacli.errors import CarbonUnavailable
from gacli.ports.carbon import CarbonSource

_OVERLAP = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What a chain gave for one zone.

    readings: of the source in use, ascending, marked where they only stand in. because: why the first source is not in
    use, empty while it is.
    """

    readings: list[Reading]
    standing: Standing
    because: str


class Chain:
    """The fleet's sources, in order of preference; zones may have an order of their own. Implements CarbonSource."""

    def __init__(
        self,
        sources: Sequence[CarbonSource],
        *,
        rules: Rules,
        zones: Mapping[str, Sequence[CarbonSource]] | None = None,
    ) -> None:
        self._sources = tuple(sources)
        self._zones = {zone: tuple(own) for zone, own in (zones or {}).items()}
        self.rules = rules

    @property
    def name(self) -> str:
        return ", else ".join(source.name for source in self._sources)

    @property
    def live(self) -> bool:
        return any(source.live for source in (*self._sources, *(one for own in self._zones.values() for one in own)))

    def sources(self, zone: str) -> tuple[CarbonSource, ...]:
        """The zone's sources, the preferred one first."""
        return self._zones.get(zone, self._sources)

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        """What `ask` gives somebody who knows nothing yet."""
        return self.ask(zone, start, end).readings

    def ask(
        self, zone: str, start: datetime, now: datetime, standing: Standing | None = None, known: Sequence[Reading] = ()
    ) -> Heard:
        """Readings in force anywhere in [start, now] of the first source that is sound.

        standing: what was in use. known: readings used so far, whose level a stand-in takes over. A stand-in's readings
        may be compared once it has stood in for the hold-off, if it is a service that sees the same grid and could be
        brought to the level of what it stands in for; until then they carry the reason why not.

        Raises CarbonUnavailable, naming what is wrong with each, when no source is sound.
        """
        sources = self.sources(zone)
        answers: dict[int, list[Reading]] = {}
        failures: dict[int, CarbonUnavailable] = {}
        heard: dict[int, str] = {}
        for position, source in enumerate(sources):
            if standing is not None and position > standing.source and not heard[standing.source]:
                break
            try:
                answers[position], heard[position] = self._sound(source, zone, start, now, known), ""
            except CarbonUnavailable as error:
                failures[position], heard[position] = error, error.message
            if standing is None and not heard[position]:
                break
        chosen = choose(standing, heard, now, self.rules.hold_off_s)
        if chosen is None or heard[chosen.source]:
            if len(failures) == 1:
                raise failures[0]
            raise CarbonUnavailable(f"no sound source for {zone}: " + "; ".join(heard.values()))
        if chosen.source == 0:
            return Heard(readings=answers[0], standing=chosen, because="")
        source, because = sources[chosen.source], self._because(sources, chosen)
        if standing is None or standing.source != chosen.source:
            reference = [reading for reading in known if not reading.stand_in and reading.at <= now]
            chosen = replace(chosen, factor=self._factor(source, zone, reference, now))
        readings = self._marked(sources, chosen, answers[chosen.source])
        return Heard(readings=readings, standing=chosen, because=because)

    def _sound(
        self, source: CarbonSource, zone: str, start: datetime, now: datetime, known: Sequence[Reading]
    ) -> list[Reading]:
        """A source's readings; CarbonUnavailable when it has none that may be believed."""
        readings = source.readings(zone, start, now)
        # A file or a table is as its owner checked it: only services are late, frozen or out of their minds.
        if source.live:
            before = [reading for reading in known if reading.source == source.name]
            # Who asks for what is new alone would never see for how long it has been the same.
            said = {reading.at: reading for reading in [*before, *readings]}
            trusted = before[-1] if before else None
            if wrong := fault([said[at] for at in sorted(said)], now, self.rules, trusted):
                raise CarbonUnavailable(f"{source.name}: {wrong}")
            return without_spikes(readings)
        return readings

    @staticmethod
    def _because(sources: Sequence[CarbonSource], chosen: Standing) -> str:
        told = [wrong for position, wrong in chosen.faults.items() if position < chosen.source]
        told += [f"{sources[p].name} is sound again since {since:%H:%M} UTC" for p, since in chosen.sound_since.items()]
        return "; ".join(told)

    def _factor(self, source: CarbonSource, zone: str, reference: Sequence[Reading], now: datetime) -> float | None:
        if not source.live or not reference:
            return None
        try:
            return level_factor(reference, source.readings(zone, now - _OVERLAP, now), now)
        except CarbonUnavailable:
            return None

    def _marked(self, sources: Sequence[CarbonSource], chosen: Standing, readings: Sequence[Reading]) -> list[Reading]:
        first, source = sources[0].name, sources[chosen.source].name
        usable_from = chosen.since + timedelta(seconds=self.rules.hold_off_s)
        marked = []
        for reading in readings:
            if chosen.factor is None:
                marked.append(replace(reading, stand_in=f"{source} stands in for {first}"))
                continue
            moved = levelled(reading, chosen.factor, first)
            early = f"{source} has stood in for {first} only since {chosen.since:%H:%M} UTC"
            marked.append(moved if reading.at >= usable_from else replace(moved, stand_in=early))
        return marked
