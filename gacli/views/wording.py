"""Phrases that tables and lines share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gacli.core.carbon import Quality, Signal
from gacli.ports.machine import StepProgress
from gacli.views import formatting as fmt
from gacli.views.emissions import Emissions
from gacli.views.placement_stages import Underway

QUALITY_WORDS = {
    Quality.MEASURED: "measured",
    Quality.ESTIMATED: "estimated",
    Quality.FORECAST: "forecast",
    Quality.TYPICAL: "typical days",
    Quality.STATIC: "annual averages",
}


def step_label(key: str, step: StepProgress, underway: Underway | None) -> str:
    """`copying checkpoint from frankfurt`, `setting up pip install -r requirements.txt`."""
    words = [step.what]
    if underway is not None and step.unit == "bytes":
        if key.startswith("fetch:") and underway.source is not None:
            words.append(f"from {underway.source}")
        elif underway.target is not None:
            words.append(f"to {underway.target}")
    if step.detail:
        words.append(fmt.plain(step.detail))
    return " ".join(words)


def step_amount(step: StepProgress) -> str:
    """`12.3 MB of 40 MB (8.1 MB/s)`, `1 of 3 steps`; empty when nothing is counted."""
    if step.done is None:
        return ""
    if step.unit != "bytes":
        total = "" if step.total is None else f" of {step.total:g}"
        return f"{step.done:g}{total} {step.unit}".rstrip()
    total = "" if step.total is None else f" of {fmt.size(step.total)}"
    return f"{fmt.size(step.done)}{total}" + (f" ({fmt.speed(step.rate)})" if step.rate else "")


def saving(baseline_site: str, baseline_g: float, actual_g: float) -> str:
    """`staying at frankfurt would have emitted 820 g: 316 g less (38.5 %)`."""
    stayed = f"staying at {baseline_site} would have emitted {fmt.mass(baseline_g)}"
    saved_g = baseline_g - actual_g
    share = f" ({fmt.percent(abs(100.0 * saved_g / baseline_g))})" if baseline_g > 0 else ""
    if abs(saved_g) < 0.0005 * baseline_g:
        return f"{stayed}: as much"
    return f"{stayed}: {fmt.mass(abs(saved_g))} {'saved' if saved_g > 0 else 'more emitted'}{share}"


def basis(emissions: Emissions, signals: Sequence[Signal]) -> str:
    """What the figures rest on: `average · energy modelled 12 % · typical days`; nothing is left unsaid."""
    words = [" and ".join(signal.value for signal in signals)] if signals else []
    modelled = emissions.account.modelled_percent
    if modelled:
        words.append(f"energy modelled {fmt.percent(modelled)}")
    for quality, share in emissions.quality_percent.items():
        if quality is not Quality.MEASURED and share > 0:
            words.append(QUALITY_WORDS[quality] + ("" if share > 99.95 else f" {fmt.percent(share)}"))
    if emissions.extrapolated_percent > 0:
        words.append(f"last known value held {fmt.percent(emissions.extrapolated_percent)}")
    return " · ".join(words)


def limit_text(body: Mapping[str, Any]) -> str:
    """What came of a limit of GPUs, from its event: `gpu0, gpu1: 250 W (of 100 to 300 W; was 300 W)`."""
    if body["refused"]:
        return f"GPUs are not limited: {body['refused']}"
    if not body["gpus"]:
        return "GPUs: no limit"
    groups: dict[str, list[str]] = {}
    for gpu in body["gpus"]:
        groups.setdefault(_limited(gpu, lifted=body["limit_id"] is None), []).append(gpu["device"])
    return "; ".join(f"{', '.join(devices)}: {words}" for words, devices in groups.items())


def _limited(gpu: Mapping[str, Any], *, lifted: bool) -> str:
    if gpu["refused"]:
        return f"cannot be limited ({gpu['refused']})"
    value, unit = (gpu["clock_mhz"], "MHz") if gpu["clock_mhz"] is not None else (gpu["power_w"], "W")
    now = "clocks are free" if value is None else f"{value:g} {unit}"
    if lifted:
        return f"{now} again"
    known = [] if gpu["low"] is None else [f"of {gpu['low']:g} to {gpu['high']:g} {unit}"]
    known += [] if gpu["was_w"] is None else [f"was {gpu['was_w']:g} W"]
    return now + (f" ({'; '.join(known)})" if known else "")
