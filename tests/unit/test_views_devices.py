"""Energy by device as the report tells it."""

from __future__ import annotations

from gacli.core.energy import Phase
from gacli.store.devices import DeviceEnergy
from gacli.views.devices import device_rows, devices_json


def energy(device: str, energy_j: float, meter: str = "nvml", uncertainty: str = "counter") -> DeviceEnergy:
    return DeviceEnergy(
        instance_id="digits-1-oslo-1",
        site="oslo",
        generation=1,
        phase=Phase.TRAIN,
        device=device,
        meter=meter,
        uncertainty=uncertainty,
        energy_j=energy_j,
    )


DEVICES = [
    energy("host", 0.9e6, "model", "model"),
    energy("dram", 0.1e6, "rapl"),
    energy("gpu10", 2e6),
    energy("gpu2", 1e6, "nvidia-smi", "integrated"),
    energy("gpu2", 4e6),
    energy("cpu", 1e6, "model", "model"),
    energy("gpu2", 1e6),
]


def test_rows_are_summed_in_the_order_of_devices() -> None:
    assert list(device_rows(DEVICES)) == [
        ("gpu2", "nvidia-smi (power, integrated)", "278 Wh", "10 %"),
        ("gpu2", "nvml (counter)", "1.39 kWh", "50 %"),
        ("gpu10", "nvml (counter)", "556 Wh", "20 %"),
        ("cpu", "model", "278 Wh", "10 %"),
        ("dram", "rapl (counter)", "27.8 Wh", "1 %"),
        ("whole machine", "model", "250 Wh", "9 %"),
    ]


def test_nothing_is_no_row_and_no_share() -> None:
    assert list(device_rows([])) == []
    assert [row[3] for row in device_rows([energy("cpu", 0.0)])] == [""]


def test_json_sums_nothing() -> None:
    told = devices_json(DEVICES)
    assert len(told) == len(DEVICES)
    assert told[1] == {
        "instance_id": "digits-1-oslo-1", "site": "oslo", "generation": 1, "phase": "train", "device": "dram",
        "meter": "rapl", "uncertainty": "counter", "energy_j": 1e5,
    }  # fmt: skip
