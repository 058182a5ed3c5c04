"""Several sources for one zone: what is asked, what is used, and what may be compared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gacli.carbon.chain import Chain, Heard
from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.failover import Rules
from gacli.errors import CarbonUnavailable

START = datetime(2024, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Service:
    """Knows a sawtooth of hours times its own level; tells when it was asked."""

    live = True

    def __init__(self, name: str, level: float = 1.0) -> None:
        self.name = name
        self.level = level
        self.broken = ""
        self.frozen_from = 10**6
        self.asked = 0

    def readings(self, zone: str, start: datetime, end: datetime) -> list[Reading]:
        self.asked += 1
        if self.broken:
            raise CarbonUnavailable(self.broken)
        first, last = ((instant - START) // HOUR for instant in (start, end))
        return [
            Reading(
                zone=zone,
                at=START + hour * HOUR,
                period_s=3600.0,
                intensity_g_per_kwh=self.level * (300.0 + 10 * (min(hour, self.frozen_from) % 12)),
                signal=Signal.AVERAGE,
                scope=Scope.LIFECYCLE,
                quality=Quality.MEASURED,
                source=self.name,
            )
            for hour in range(first, last + 1)
        ]


class Table(Service):
    live = False


class Poll:
    """Asks a chain as the engine does: from the newest known reading on."""

    def __init__(self, *sources: Service) -> None:
        self.chain = Chain(sources, rules=Rules(max_age_s=7200.0, hold_off_s=1800.0))
        self.known: list[Reading] = []
        self.heard: Heard | None = None

    def __call__(self, hours: float) -> Heard:
        now = START + hours * HOUR
        start = self.known[-1].at if self.known else now - 24 * HOUR
        standing = None if self.heard is None else self.heard.standing
        self.heard = self.chain.ask("DE", start, now, standing, self.known)
        merged = {reading.at: reading for reading in [*self.heard.readings, *self.known]}
        self.known = [merged[instant] for instant in sorted(merged)]
        return self.heard


def test_others_are_not_asked_while_the_first_is_sound() -> None:
    first, second = Service("first"), Service("second")
    heard = Poll(first, second)(48)
    assert {reading.source for reading in heard.readings} == {"first"}
    assert (heard.because, second.asked) == ("", 0)


def test_another_service_takes_over_the_level_and_is_compared_after_the_hold_off() -> None:
    first, second = Service("first"), Service("second", level=1.4)
    poll = Poll(first, second)
    poll(48)
    first.broken = "first: HTTP 500"
    heard = poll(49)
    newest = heard.readings[-1]
    assert newest.source == "second at the level of first"
    assert newest.intensity_g_per_kwh == pytest.approx(310.0)
    assert "only since 01:00 UTC" in newest.stand_in
    assert heard.because == "first: HTTP 500"
    later = poll(50).readings[-1]
    assert later.intensity_g_per_kwh == pytest.approx(320.0)
    assert later.stand_in == ""


def test_first_is_taken_back_after_the_hold_off() -> None:
    first, second = Service("first"), Service("second", level=1.4)
    poll = Poll(first, second)
    poll(48)
    first.broken = "first: HTTP 500"
    poll(49)
    first.broken = ""
    assert "first is sound again since 01:15 UTC" in poll(49.25).because
    assert poll(49.5).standing.source == 1
    back = poll(49.75)
    assert (back.standing.source, back.because, back.readings[-1].source) == (0, "", "first")


def test_table_that_stands_in_is_never_compared() -> None:
    first, table = Service("first"), Table("typical")
    poll = Poll(first, table)
    poll(48)
    first.broken = "first: HTTP 500"
    for hours in (49, 60, 100):
        assert poll(hours).readings[-1].stand_in == "typical stands in for first"


def test_table_that_is_the_choice_is_compared() -> None:
    assert {reading.stand_in for reading in Poll(Table("typical"))(48).readings} == {""}


def test_service_without_a_common_day_is_never_compared() -> None:
    first, second = Service("first"), Service("second", level=1.4)
    first.broken = "first: HTTP 500"
    poll = Poll(first, second)
    poll(48)
    newest = poll(60).readings[-1]
    assert (newest.source, newest.stand_in) == ("second", "second stands in for first")


def test_frozen_service_is_found_out_by_who_asks_it_for_what_is_new() -> None:
    first, second = Service("first"), Service("second")
    poll = Poll(first, second)
    first.frozen_from = 30
    used = {hours: poll(hours).standing.source for hours in range(24, 84)}
    assert {hours for hours, source in used.items() if source == 1} == set(range(79, 84))
    assert poll(84).because.startswith("first: exactly 360.0 g/kWh for ")


def test_none_sound_is_told_with_every_reason() -> None:
    first, second = Service("first"), Service("second")
    first.broken, second.broken = "first: HTTP 500", "second: no answer within 10 s"
    with pytest.raises(CarbonUnavailable, match=r"DE: first: HTTP 500; second: no answer within 10 s"):
        Poll(first, second)(48)
    with pytest.raises(CarbonUnavailable, match=r"^first: HTTP 500$"):
        Poll(first)(48)


def test_zone_with_sources_of_its_own() -> None:
    every, own = Service("every"), Service("own")
    chain = Chain([every], rules=Rules(max_age_s=7200.0, hold_off_s=1800.0), zones={"GB": [own]})
    now = START + 48 * HOUR
    assert [chain.readings(zone, now, now)[0].source for zone in ("DE", "GB")] == ["every", "own"]
    assert (chain.name, chain.live) == ("every", True)
