"""What is expected of each zone, for policies that look ahead."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from gacli.core.decision import Foresight
from gacli.core.forecast import Forecast
from gacli.engine.context import Context
from gacli.errors import CarbonUnavailable

_HORIZON_S: Final = 96 * 3600.0
_HOUR: Final = timedelta(hours=1)


class Outlooks:
    """The newest forecast by zone, made anew each hour of the job's clock; none for a policy that asks for none.

    A policy with perfect foresight is told what a file or table says of the time to come; of a service nobody knows.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._foresight: Foresight = getattr(context.policy, "foresight", Foresight.NONE)
        self._hours: dict[str, datetime] = {}
        self._newest: dict[str, Forecast | None] = {}

    def of(self, zone: str) -> Forecast | None:
        """None when there is none; never older than an hour and a poll."""
        return self._newest.get(zone)

    def refresh(self, zone: str, now: datetime) -> None:
        """Make the hour's forecast if that was not done yet; asks services, and may take seconds."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        if self._foresight is Foresight.NONE or self._hours.get(zone) == hour:
            return
        try:
            perfect = self._foresight is Foresight.PERFECT
            self._newest[zone] = self._known(zone, hour) if perfect else self._expected(zone, now)
        except CarbonUnavailable:
            self._newest[zone] = None
        self._hours[zone] = hour

    def _expected(self, zone: str, now: datetime) -> Forecast:
        # Loaded here alone, for it needs NumPy.
        from gacli.carbon.outlook import outlook

        return outlook(self._context.carbon, zone, now, _HORIZON_S)

    def _known(self, zone: str, hour: datetime) -> Forecast | None:
        from gacli.simulate.truth import PerfectOracle

        source = self._context.carbon.sources(zone)[0]
        if source.live:
            return None
        end = hour + timedelta(seconds=_HORIZON_S)
        oracle = PerfectOracle({zone: source.readings(zone, hour - _HOUR, end)}, horizon_s=_HORIZON_S)
        return oracle.forecast(zone, hour)
