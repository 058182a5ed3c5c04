"""Network, embodied emissions and SCI of a job, in words and JSON: each named as the estimate that it is."""

from __future__ import annotations

from gacli.core.embodied import Embodied
from gacli.core.network import BYTES_PER_GB, Range
from gacli.core.sci import SciStatement
from gacli.engine.estimates import Estimates
from gacli.views import formatting as fmt

_FORMULA = "(O + M) per R, ISO/IEC 21031:2024"


def network_words(estimates: Estimates) -> str:
    """Empty when nothing was copied."""
    use, words = estimates.network, []
    if use.moved_bytes:
        factor = use.energy_kwh.times(BYTES_PER_GB / use.moved_bytes)
        grams = use.emissions_g
        words.append(
            f"{fmt.mass(grams.low)} to {fmt.mass(grams.high)}, likely {fmt.mass(grams.default)}: an estimate for"
            f" {fmt.size(use.moved_bytes)} carried by moves at {factor.low:g} to {factor.high:g} kWh/GB"
            f" (likely {factor.default:g})"
        )
    if estimates.unknown_bytes:
        words.append(f"not known for {fmt.size(estimates.unknown_bytes)}, without an intensity")
    return "; ".join(words)


def embodied_words(estimates: Estimates) -> str:
    """Empty when it was left out on purpose, and before anything was used."""
    embodied, missing = estimates.embodied, ", ".join(estimates.not_stated)
    if embodied is None:
        return f"not stated: no hardware is configured for {missing}" if missing else ""
    words = [f"{fmt.mass(embodied.emissions_g)}: an estimate by published figures, for the time of the machines"]
    if embodied.unknown:
        words.append(f"no figure is known for {', '.join(map(fmt.plain, embodied.unknown))}")
    if missing:
        words.append(f"not stated for {missing}")
    return "; ".join(words)


def embodied_sources(estimates: Estimates) -> list[str]:
    """Each kind of hardware with its part and where its figure is from."""
    return [f"{name}: {fmt.mass(emissions_g)} ({source})" for name, source, emissions_g in _by_kind(estimates.embodied)]


def sci_words(estimates: Estimates) -> str:
    """Every statement on one line, with what has to be said beside it. Empty without one."""
    if not estimates.sci:
        return ""
    values = ", ".join(f"{fmt.mass(one.g_per_unit)} per {one.unit.value}" for one in estimates.sci)
    return f"{values} [{sci_note(estimates.sci[0])}]"


def sci_note(statement: SciStatement) -> str:
    """What its value holds."""
    if statement.embodied_g is None:
        complete = "not complete: without embodied emissions"
    elif statement.complete:
        complete = "embodied emissions included"
    else:
        complete = f"not complete: without {', '.join(map(fmt.plain, statement.unknown_hardware))}"
    return f"{_FORMULA}; {statement.signal.value} intensity, location-based; {complete}"


def estimate_lines(estimates: Estimates) -> list[str]:
    """All of it, for a terminal."""
    named = {
        "network": network_words(estimates),
        "embodied": embodied_words(estimates),
        "SCI": sci_words(estimates),
    }
    lines = []
    for name, words in named.items():
        if words:
            lines.append(f"{name}: {words}")
            lines += [f"  {source}" for source in embodied_sources(estimates)] if name == "embodied" else []
    return lines


def estimates_json(estimates: Estimates) -> dict[str, object]:
    """Nothing is rounded."""
    network, embodied = estimates.network, estimates.embodied
    return {
        "network": {
            "carried_bytes": network.moved_bytes,
            "unknown_bytes": estimates.unknown_bytes,
            "energy_kwh": _range_json(network.energy_kwh),
            "emissions_g": _range_json(network.emissions_g),
        },
        "embodied": None
        if embodied is None
        else {
            "emissions_g": embodied.emissions_g,
            "parts": [
                {"hardware": name, "source": source, "emissions_g": emissions_g}
                for name, source, emissions_g in _by_kind(embodied)
            ],
            "unknown": list(embodied.unknown),
            "not_stated": list(estimates.not_stated),
        },
        "sci": [
            {
                "per": one.unit.value,
                "count": one.count,
                "g": one.g_per_unit,
                "energy_kwh": one.energy_kwh,
                "operational_g": one.operational_g,
                "embodied_g": one.embodied_g,
                "signal": one.signal.value,
                "complete": one.complete,
            }
            for one in estimates.sci
        ],
    }


def _by_kind(embodied: Embodied | None) -> list[tuple[str, str, float]]:
    """Name, source and emissions of each kind of hardware."""
    kinds: dict[tuple[str, str], float] = {}
    for part in () if embodied is None else embodied.parts:
        kind = (part.hardware.name, part.hardware.source)
        kinds[kind] = kinds.get(kind, 0.0) + part.emissions_g
    return [(*kind, emissions_g) for kind, emissions_g in kinds.items()]


def _range_json(span: Range) -> dict[str, float]:
    return {"low": span.low, "default": span.default, "high": span.high}
