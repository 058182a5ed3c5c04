"""A job's energy by the device that used it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from gacli.store.devices import DeviceEnergy
from gacli.views import formatting as fmt

# What `uncertainty` is called for people.
_HOW = {"counter": "counter", "integrated": "power, integrated", "model": ""}
_WHOLE = "host"


def device_rows(devices: Sequence[DeviceEnergy]) -> Iterator[tuple[str, str, str, str]]:
    """Device, by what it was metered, energy and share of all; one for each way in which it was. GPUs come first."""
    energy_j: dict[tuple[str, str, str], float] = defaultdict(float)
    for one in devices:
        energy_j[one.device, one.meter, one.uncertainty] += one.energy_j
    whole_j = sum(energy_j.values())
    for (device, meter, uncertainty), part_j in sorted(energy_j.items(), key=lambda item: _order(*item[0])):
        how = _HOW[uncertainty]
        by = f"{meter} ({how})" if how else meter
        name = "whole machine" if device == _WHOLE else device
        yield name, by, fmt.energy(part_j), fmt.percent(100.0 * part_j / whole_j) if whole_j > 0 else ""


def devices_json(devices: Sequence[DeviceEnergy]) -> list[dict[str, object]]:
    """For `ga report --json`; nothing is rounded or summed."""
    return [{**asdict(one), "phase": one.phase.value} for one in devices]


def _order(device: str, meter: str, uncertainty: str) -> tuple[object, ...]:
    number = re.fullmatch(r"gpu(\d+)", device)
    return (device == _WHOLE, number is None, int(number[1]) if number else 0, device, meter, uncertainty)
