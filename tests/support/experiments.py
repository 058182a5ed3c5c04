"""Experiments in a folder of a test's own, on made-up grids."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data" / "experiment"
START = datetime(2024, 6, 1, tzinfo=UTC)
# Zone → mean, swing and cleanest hour, in gCO2eq/kWh and UTC.
GRIDS = {"XX-SUN": (300.0, 200.0, 12), "XX-WIND": (250.0, 100.0, 0)}


def write_traces(folder: Path, *, hours: int = 72) -> Path:
    """One hourly trace a zone of GRIDS from START on."""
    folder.mkdir(exist_ok=True)
    for zone, (mean, swing, cleanest) in GRIDS.items():
        rows = [
            f"{START + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ},"
            f"{mean - swing * math.cos(2 * math.pi * (hour - cleanest) / 24):.3f}"
            for hour in range(hours)
        ]
        (folder / f"{zone}.csv").write_text("datetime_utc,carbon_intensity_gco2_per_kwh\n" + "\n".join(rows) + "\n")
    return folder


def write_experiment(
    folder: Path, replace: Mapping[str, str] | None = None, *, name: str = "e.yaml", hours: int = 72
) -> Path:
    """good.yaml with pieces of its text replaced, each of which must be there, beside traces."""
    text = (DATA / "good.yaml").read_text(encoding="utf-8")
    for old, new in (replace or {}).items():
        assert old in text
        text = text.replace(old, new)
    write_traces(folder / "traces", hours=hours)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
