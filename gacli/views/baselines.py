"""A job beside every baseline of the same work, in words, rows and JSON."""

from __future__ import annotations

from gacli.core.baseline import Saving
from gacli.core.basis import basis_of
from gacli.core.energy import JOULES_PER_KWH
from gacli.engine.accounting import Baselines
from gacli.store.database import to_text
from gacli.views import formatting as fmt
from gacli.views.accounted import intensity_words

WHAT_THEY_ARE = {
    "stay": "all at the site where the job started",
    "best-site": "all at the best single site, known afterwards",
    "clairvoyant": "the least possible with moves, all intensities known beforehand",
}


def baseline_rows(baselines: Baselines) -> list[tuple[str, str, str, str]]:
    """Policy, where, emissions and what was saved against it."""
    return [
        (saving.baseline.policy, _where(saving, baselines), fmt.mass(saving.baseline.emissions_g), _saved(saving))
        for saving in baselines.savings
    ]


def baseline_notes(baselines: Baselines) -> list[str]:
    """What stands below the rows: what was captured, what they rest on, and what is missing."""
    notes = []
    bound, times = baselines.bound, baselines.move_times
    if bound is not None and times is not None:
        captured = baselines.captured_percent
        if captured is not None:
            notes.append(f"{fmt.percent(captured)} of what could have been saved against staying was saved")
        elif not baselines.pauses:
            notes.append("nothing could have been saved against staying")
        what = "a bound that no policy attains; never paused"
        if baselines.pauses:
            what = "a bound without pauses, below which this job may be, as it was paused"
        notes.append(
            f"clairvoyant: {what}, {fmt.duration(times.downtime_s)} of downtime a"
            f" move, at most {bound.most_moves} moves at multiples of {fmt.duration(bound.step_s)}"
        )
    if baselines.readings:
        basis = basis_of((), baselines.readings)
        sources = dict.fromkeys(fmt.plain(reading.source) for reading in baselines.readings)
        notes.append(f"compared under {intensity_words(basis.signals, basis.scopes)} from {', '.join(sources)}")
    if baselines.left_out:
        notes.append(f"without readings, left out: {', '.join(baselines.left_out)}")
    if baselines.unavailable:
        notes.append(f"best-site and clairvoyant are not known: {fmt.plain(baselines.unavailable)}")
    return notes


def baselines_json(baselines: Baselines) -> dict[str, object]:
    """Nothing is rounded."""
    bound, times = baselines.bound, baselines.move_times
    basis = basis_of((), baselines.readings)
    return {
        "policies": [
            {
                "policy": saving.baseline.policy,
                "site": saving.baseline.site,
                "emissions_g": saving.baseline.emissions_g,
                "energy_kwh": saving.baseline.energy_j / JOULES_PER_KWH,
                "end": None if saving.baseline.end is None else to_text(saving.baseline.end),
                "saved_g": saving.saved_g,
                "saved_percent": saving.percent,
            }
            for saving in baselines.savings
        ],
        "captured_percent": baselines.captured_percent,
        "route": None
        if bound is None
        else [{"site": leg.site, "start": to_text(leg.start), "end": to_text(leg.end)} for leg in bound.legs],
        "step_s": None if bound is None else bound.step_s,
        "downtime_s": None if times is None else times.downtime_s,
        "boot_s": None if times is None else dict(times.boot_s),
        "signals": [signal.value for signal in basis.signals],
        "scopes": [scope.value for scope in basis.scopes],
        "sources": list(dict.fromkeys(reading.source for reading in baselines.readings)),
        "left_out": list(baselines.left_out),
        "unavailable": baselines.unavailable or None,
    }


def _where(saving: Saving, baselines: Baselines) -> str:
    if saving.baseline.policy != "clairvoyant" or baselines.bound is None:
        return saving.baseline.site
    moves = max(0, len(baselines.bound.legs) - 1)
    return f"from {saving.baseline.site}, {fmt.plural(moves, 'move')}" if moves else saving.baseline.site


def _saved(saving: Saving) -> str:
    share = f" ({fmt.percent(saving.percent)})" if saving.percent is not None else ""
    return f"{fmt.mass(saving.saved_g)}{share}"
