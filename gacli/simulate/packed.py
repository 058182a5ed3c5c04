"""A forecast in a sixth of its space, for those that are kept by the ten thousand."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gacli.core.forecast import Forecast, ForecastPoint

_FIELDS = ("intensity_g_per_kwh", "low50_g_per_kwh", "high50_g_per_kwh", "low90_g_per_kwh", "high90_g_per_kwh")


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """head: everything but the points. values: point by point, in the order of _FIELDS."""

    head: Forecast
    first_at: datetime
    values: array[float]

    @staticmethod
    def of(forecast: Forecast) -> Packed:
        """forecast: at least one point; their renewable shares are not kept."""
        values = array("d", (getattr(point, field) for point in forecast.points for field in _FIELDS))
        return Packed(head=replace(forecast, points=()), first_at=forecast.points[0].at, values=values)

    def unpack(self) -> Forecast:
        """The forecast again."""
        step, values = timedelta(seconds=self.head.step_s), self.values
        points = tuple(
            ForecastPoint(
                at=self.first_at + (at // len(_FIELDS)) * step,
                intensity_g_per_kwh=values[at],
                low50_g_per_kwh=values[at + 1],
                high50_g_per_kwh=values[at + 2],
                low90_g_per_kwh=values[at + 3],
                high90_g_per_kwh=values[at + 4],
            )
            for at in range(0, len(values), len(_FIELDS))
        )
        return replace(self.head, points=points)
