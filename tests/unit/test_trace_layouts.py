"""Every CSV layout, read from a file of its own, against readings written down by hand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.carbon.formats import detect
from gacli.carbon.trace import read_trace
from gacli.core.carbon import Scope
from gacli.errors import TraceError

DATA = Path(__file__).parent.parent / "data" / "carbon"
CASES: list[dict[str, Any]] = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))


def _copy(source: Path, folder: Path, form: str) -> Path:
    content = source.read_bytes()
    if form == "plain":
        return source
    if form == "gzip":
        target = folder / f"{source.name}.gz"
        target.write_bytes(gzip.compress(content))
    elif form == "byte order mark":
        target = folder / source.name
        target.write_bytes(b"\xef\xbb\xbf" + content)
    else:
        target = folder / source.name
        target.write_bytes(b"\r\n".join(content.splitlines()) + b"\r\n\r\n")
    return target


@pytest.mark.parametrize("form", ["plain", "gzip", "byte order mark", "CRLF and blank last line"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['file']}-{case['scope']}")
def test_layout_is_read_as_written_down(case: dict[str, Any], form: str, tmp_path: Path) -> None:
    path = _copy(DATA / case["file"], tmp_path, form)

    trace = read_trace(path, zone=case["zone"], scope=Scope(case["scope"]))

    assert (trace.layout, trace.signal.value, trace.scope.value, trace.step_s, trace.name, trace.filled) == (
        case["layout"],
        case["signal"],
        case["read_as"],
        case["step_s"],
        path.name,
        0,
    )
    assert [
        [
            reading.at.isoformat(),
            pytest.approx(reading.intensity_g_per_kwh),
            reading.quality.value,
            reading.renewable_percent,
        ]
        for reading in trace.readings
    ] == case["readings"]
    for reading in trace.readings:
        assert (reading.zone, reading.signal, reading.scope, reading.period_s, reading.source) == (
            case["zone"],
            trace.signal,
            trace.scope,
            trace.step_s,
            f"trace:{path.name}",
        )
    assert trace.file_estimated == sum(quality == "estimated" for _, _, quality, _ in case["readings"])


def test_every_layout_has_a_file() -> None:
    assert {case["file"] for case in CASES} == {path.name for path in DATA.glob("*.csv")}


@pytest.mark.parametrize("unit", ["gCO₂eq/kWh", "gCO2eq/kWh", "gCO?eq/kWh", "gCOâ‚‚eq/kWh"])
def test_a_damaged_subscript_does_not_hide_the_column(unit: str) -> None:
    header = ["Datetime (UTC)", "Zone id", f"Carbon intensity {unit} (direct)", f"Carbon intensity {unit} (Life cycle)"]

    columns = detect(header, scope=Scope.DIRECT, where="DE.csv:1")

    assert columns.values[0][0] == 2


def test_a_portal_file_without_the_scope_is_refused() -> None:
    header = ["Datetime (UTC)", "Zone id", "Carbon intensity gCO₂eq/kWh (direct)"]

    with pytest.raises(TraceError, match=r"^DE\.csv:1: expected a column for the lifecycle .*\(direct\)`"):
        detect(header, scope=Scope.LIFECYCLE, where="DE.csv:1")


def test_a_column_that_comes_twice_is_refused() -> None:
    with pytest.raises(TraceError, match="expected one column `value`, found 2"):
        detect(["point_time", "value", "Value"], scope=Scope.DIRECT, where="x.csv:1")


@given(lbs_per_mwh=st.floats(0, 4400))
def test_pounds_per_megawatt_hour_become_grams_per_kilowatt_hour(lbs_per_mwh: float) -> None:
    columns = detect(["point_time", "value"], scope=Scope.LIFECYCLE, where="x.csv:1")

    row = columns.parse(["2024-01-01T00:00Z", repr(lbs_per_mwh)], zone="US-CAL-CISO", where="x.csv:2")

    # One pound is 453.59237 g, one MWh is 1000 kWh.
    assert row.intensity_g_per_kwh == pytest.approx(lbs_per_mwh * 453.59237 / 1000)
