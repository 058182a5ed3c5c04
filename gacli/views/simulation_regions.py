"""Heat maps of an experiment's regions: how clean each one is by the hour, and where policies train."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from gacli.core.carbon import Reading
from gacli.forecast.arrays import Floats
from gacli.sweep.study import Study
from gacli.views.carbon_output import kind_words
from gacli.views.charts.style import Theme, dress, figure, rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW_IN, _FRAME_IN = 0.3, 1.1
_DAY = 24


def draw_regions(study: Study, theme: Theme) -> Figure:
    """Above, each zone's mean intensity by hour of the day over the starts' span; below, the share of its training that
    each policy did at each site, over all runs."""
    experiment = study.experiment
    shares = _shares(study)
    zones_in, policies_in = (_ROW_IN * count + _FRAME_IN for count in (len(experiment.sites), len(shares)))
    note = f"{kind_words(experiment.signal, experiment.scope)} intensity"
    made = figure(theme, f"{experiment.name}: regions", note, zones_in + policies_in)
    hours, places = made.subplots(2, 1, height_ratios=[zones_in, policies_in])
    by_hour = np.array(
        [_mean_day(experiment.readings_by_zone[site.zone], experiment.starts[0], experiment.end)
         for site in experiment.sites]
    )  # fmt: skip
    _draw(hours, by_hour, [f"{site.name} ({site.zone})" for site in experiment.sites], range(_DAY), theme, "{:.0f}")
    hours.set_title("mean gCO₂eq/kWh by hour of the day, UTC", loc="left", fontsize=9.5, color=theme.ink)
    names = [site.name for site in experiment.sites]
    _draw(places, 100 * np.array(list(shares.values())), list(shares), names, theme, "{:.0f}")
    places.set_title("training by site, % of its time", loc="left", fontsize=9.5, color=theme.ink)
    return made


def _draw(axes: Axes, values: Floats, named: Sequence[str], across: Sequence[object], theme: Theme, form: str) -> None:
    axes.imshow(values, aspect="auto", cmap="YlOrBr", vmin=0)
    dress(axes, theme, "")
    axes.grid(visible=False)
    rows(axes, named)
    axes.set_xticks(range(len(across)), [str(one) for one in across])
    darkest = values.max() if values.size else 0.0
    for (row, column), value in np.ndenumerate(values):
        ink = "#ffffff" if value > 0.62 * darkest else "#1f2328"
        axes.text(column, row, form.format(value), ha="center", va="center", fontsize=7.5, color=ink)


def _mean_day(readings: Sequence[Reading], start: datetime, end: datetime) -> Floats:
    """Means of the readings that begin in each hour; NaN where none does."""
    sums, counts = np.zeros(_DAY), np.zeros(_DAY)
    for reading in readings:
        if start <= reading.at < end:
            sums[reading.at.hour] += reading.intensity_g_per_kwh
            counts[reading.at.hour] += 1
    means: Floats = np.divide(sums, counts, out=np.full(_DAY, np.nan), where=counts > 0)
    return means


def _shares(study: Study) -> dict[str, list[float]]:
    """By policy: the part of its training at each site, over the runs of all jobs."""
    trained_s = {
        label: dict.fromkeys((s.name for s in study.experiment.sites), 0.0) for label in study.experiment.policies
    }
    for run in study.runs:
        for site, time_s in run.train_s.items():
            trained_s[run.policy][site] += time_s
    return {
        label: [time_s / max(sum(by_site.values()), 1e-9) for time_s in by_site.values()]
        for label, by_site in trained_s.items()
    }
