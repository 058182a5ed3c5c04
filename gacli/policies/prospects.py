"""What is known of a site now and expected of it later, and whether a plan may rest on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gacli.core.forecast import Forecast
from gacli.core.snapshot import SiteView
from gacli.policies.present import Present, Unusable, unlike_kinds


@dataclass(frozen=True, kw_only=True, slots=True)
class Prospect:
    """A site with its reading in force, fresh and sound, and a forecast of the same kind that goes on from it."""

    now: Present
    forecast: Forecast

    @property
    def view(self) -> SiteView:
        return self.now.view

    @property
    def name(self) -> str:
        return self.now.name


def prospect(site: Present, instant: datetime, reach_s: float) -> Prospect | Unusable:
    """The site with its forecast, or why no plan can rest on that. reach_s: how far ahead it has to say something."""
    forecast = site.view.forecast
    if forecast is None or not forecast.points:
        return Unusable(because=f"{site.name} has no forecast")
    like_forecast = replace(site.reading, signal=forecast.signal, scope=forecast.scope)
    if unlike := unlike_kinds(like_forecast, site.reading):
        theirs, mine = unlike
        return Unusable(because=f"{site.name}'s forecast is {theirs}, its reading {mine}: not comparable")
    if forecast.end < instant + timedelta(seconds=reach_s):
        return Unusable(because=f"{site.name}'s forecast ends at {forecast.end:%Y-%m-%d %H:%M}Z")
    if forecast.points[0].at > max(instant, site.reading.at + timedelta(seconds=site.reading.period_s)) + timedelta(
        seconds=forecast.step_s
    ):
        return Unusable(because=f"{site.name}'s forecast begins at {forecast.points[0].at:%Y-%m-%d %H:%M}Z")
    return Prospect(now=site, forecast=forecast)
