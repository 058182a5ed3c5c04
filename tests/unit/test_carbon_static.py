"""Annual averages, given or computed from the typical days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gacli.carbon.static import StaticSource
from gacli.carbon.typical import TypicalSource, typical_zones
from gacli.core.carbon import Quality, Scope, reading_at
from gacli.errors import CarbonUnavailable, ConfigError

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


def test_one_reading_for_each_year_touched() -> None:
    readings = StaticSource({"DE": 344.5}).readings(
        "DE", NEW_YEAR - timedelta(seconds=1), datetime(2025, 1, 1, tzinfo=UTC)
    )

    assert [(reading.at.isoformat(), reading.period_s / 86400) for reading in readings] == [
        ("2023-01-01T00:00:00+00:00", 365),
        ("2024-01-01T00:00:00+00:00", 366),
        ("2025-01-01T00:00:00+00:00", 365),
    ]
    assert {reading.intensity_g_per_kwh for reading in readings} == {344.5}
    assert {(reading.quality, reading.scope, reading.source) for reading in readings} == {
        (Quality.STATIC, Scope.UNKNOWN, "static")
    }
    assert reading_at(readings, NEW_YEAR) == readings[1]


@pytest.mark.parametrize("zone", typical_zones())
def test_default_is_the_mean_of_the_typical_days_over_a_year(zone: str) -> None:
    hourly = TypicalSource().readings(zone, datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 12, 31, 23, tzinfo=UTC))

    (reading,) = StaticSource().readings(zone, NEW_YEAR, NEW_YEAR)

    mean = sum(hour.intensity_g_per_kwh for hour in hourly) / len(hourly)
    assert reading.intensity_g_per_kwh == pytest.approx(mean)
    assert reading.scope is Scope.LIFECYCLE


@pytest.mark.parametrize("value", [-1, 2000.1, float("nan"), float("inf")])
def test_absurd_value_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="static carbon intensity of DE: expected 0 to 2000 gCO2eq/kWh, found"):
        StaticSource({"FR": 40, "DE": value})


def test_zone_without_a_value() -> None:
    with pytest.raises(CarbonUnavailable, match="no carbon intensity for zone FR; zones with a value: DE"):
        StaticSource({"DE": 350}).readings("FR", NEW_YEAR, NEW_YEAR)
    with pytest.raises(CarbonUnavailable, match="no carbon intensity for zone FR; zones with a value: none"):
        StaticSource({}).readings("FR", NEW_YEAR, NEW_YEAR)
    with pytest.raises(CarbonUnavailable, match="no typical days for zone 'XX'"):
        StaticSource().readings("XX", NEW_YEAR, NEW_YEAR)
