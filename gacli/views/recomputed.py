"""A job accounted again under other assumptions, always beside its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gacli.core.carbon import Scope
from gacli.core.energy import JOULES_PER_KWH
from gacli.engine.recompute import Recomputed, RecomputedTotal
from gacli.views import formatting as fmt


@dataclass(frozen=True, kw_only=True, slots=True)
class Recomputation:
    """result, and under which assumptions: pue of all sites or by site; None is as it was recorded."""

    result: Recomputed
    pue: Mapping[str, float] | float | None
    source: str | None
    scope: Scope | None


def assumption_words(recomputation: Recomputation) -> str:
    """`PUE 1.5; readings from typical`."""
    words = []
    match recomputation.pue:
        case None:
            pass
        case float(value):
            words.append(f"PUE {value:g}")
        case by_site:
            words += [f"PUE {value:g} at {site}" for site, value in by_site.items()]
    if recomputation.source is not None:
        words.append(f"readings from {recomputation.source}")
    if recomputation.scope is not None:
        words.append("life cycle emissions" if recomputation.scope is Scope.LIFECYCLE else "direct emissions")
    return "; ".join(words)


def recomputed_rows(recomputation: Recomputation) -> list[tuple[str, str, str, str]]:
    """Site, recorded, recomputed and the difference; the last row is all of it."""
    result = recomputation.result
    rows = [
        (site, *_figures(sum(t.recorded.emissions_g for t in own), sum(t.now.emissions_g for t in own)))
        for site, own in _by_site(result).items()
    ]
    return [*rows, ("all sites", *_figures(result.recorded_emissions_g, result.emissions_g))]


def recomputed_note(recomputation: Recomputation) -> str:
    """What stands below the rows."""
    raw = recomputation.result.raw_percent
    share = "" if raw is None else f"; {fmt.percent(raw)} of the energy placed in time by raw telemetry"
    return f"a recomputation, not the record, and no saving is stated for it{share}"


def recomputed_json(recomputation: Recomputation) -> dict[str, object]:
    """Nothing is rounded."""
    result, pue = recomputation.result, recomputation.pue
    return {
        "pue": dict(pue) if isinstance(pue, Mapping) else pue,
        "source": recomputation.source,
        "scope": None if recomputation.scope is None else recomputation.scope.value,
        "energy_kwh": result.energy_j / JOULES_PER_KWH,
        "emissions_g": result.emissions_g,
        "recorded_emissions_g": result.recorded_emissions_g,
        "raw_percent": result.raw_percent,
        "sites": [
            {
                "site": site,
                "emissions_g": sum(total.now.emissions_g for total in own),
                "recorded_emissions_g": sum(total.recorded.emissions_g for total in own),
            }
            for site, own in _by_site(result).items()
        ],
    }


def _by_site(result: Recomputed) -> dict[str, list[RecomputedTotal]]:
    names = dict.fromkeys(total.recorded.site for total in result.totals)
    return {name: [total for total in result.totals if total.recorded.site == name] for name in names}


def _figures(recorded_g: float, now_g: float) -> tuple[str, str, str]:
    share = f" ({fmt.percent(100.0 * (now_g - recorded_g) / recorded_g)})" if recorded_g > 0 else ""
    return fmt.mass(recorded_g), fmt.mass(now_g), f"{fmt.mass(now_g - recorded_g)}{share}"
