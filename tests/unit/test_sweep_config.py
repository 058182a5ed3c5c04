"""The file of a sweep: what is wrong is told with its place, what is right is taken as it stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gacli.config.sweep import load_sweep
from gacli.errors import ConfigError, GaError, TraceError
from gacli.sweep.grid import Plan

DATA = Path(__file__).parents[1] / "data" / "sweep"
SMALL = (DATA / "small.yaml").read_text()
SAMPLE = Path(__file__).parents[2] / "sample-configs" / "greenepoch.yaml"


def plan_of(text: str, folder: Path) -> Plan:
    path = folder / "sweep.yaml"
    path.write_text(text)
    return Plan(load_sweep(path, traces=DATA / "traces"))


def replaced(old: str, new: str) -> str:
    assert old in SMALL
    return SMALL.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        pytest.param("kind: sweep", "kind: experiment", "sweep.yaml:2: kind: found", id="another kind of file"),
        pytest.param("alpha: 0.9", "alpa: 0.9", "alpa: unknown key; did you mean alpha?", id="unknown key"),
        pytest.param(
            "{count: 12}",
            "{from: 300, to: 200, step: 5}",
            "thresholds.to: found 200 below `from`, 300",
            id="thresholds reversed",
        ),
        pytest.param("{count: 12}", "{from: 300, to: 400}", "all of `from`, `to`", id="thresholds without a step"),
        pytest.param("{count: 12}", "{count: 12, from: 3}", "found `count` and a range", id="thresholds twice"),
        pytest.param(
            "{count: 12}", "{from: 0, to: 2000, step: 0.01}", "found more than 5000", id="too many thresholds"
        ),
        pytest.param("limit: 200%", "limit: 0%", "limit: found 0, expected a percentage above", id="no time"),
        pytest.param("zone: XX-SUN", "zone: XX-SUM", 'for "XX-SUM"; did you mean XX-SUN?', id="unknown zone"),
        pytest.param("name: long", "name: short", 'found "short" again', id="names not unique"),
        pytest.param(
            "busy: 700W}, boot: 5m}\n  - {name: sunny",
            "busy: 7W}, boot: 5m}\n  - {name: sunny",
            "found busy 7W below idle 60W",
            id="busy below idle",
        ),
        pytest.param(
            "2024-01-03T00:00:00Z]", "2024-01-01T00:00:00Z]", "found a time that is not after", id="starts out of order"
        ),
        pytest.param(
            "starts: [2024-01-01T00:00:00Z, 2024-01-02T06:30:00Z, 2024-01-03T00:00:00Z]",
            "starts: {years: [2024]}",
            "both `years` and `every`",
            id="years alone",
        ),
        pytest.param("work: 20h", "work: 20d", "but the last run may last until", id="trace shorter than a run"),
        pytest.param("2024-01-01T00:00:00Z,", "2023-12-31T00:00:00Z,", "but the first run starts", id="too early"),
        pytest.param(
            "{folder: traces}", "{folder: traces, repeat_year: true}", "expected the whole of 2024", id="part of it"
        ),
        pytest.param("limit: 200%", "limit: 9000000%", "would be polled over 2,200,000 times", id="far too many polls"),
        pytest.param("poll: 15m", "poll: 15m\nbackend: spark", "one of threading, loky,", id="unknown backend"),
    ],
)
def test_what_is_wrong_is_told(old: str, new: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        plan_of(replaced(old, new), tmp_path)
    message = " ".join(raised.value.message.split())
    assert told in message
    assert "sweep.yaml:" in message
    assert raised.value.exit_code == 2


def test_a_folder_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(SMALL)
    with pytest.raises(ConfigError, match=r"carbon\.folder: found no folder") as raised:
        load_sweep(path)
    assert "--traces" in raised.value.hint


def test_average_and_marginal_traces_are_not_mixed(tmp_path: Path) -> None:
    text = (DATA / "traces" / "XX-SUN.csv").read_text()
    (tmp_path / "XX-SUN.csv").write_text(text.replace("carbon_intensity", "marginal_carbon_intensity"))
    (tmp_path / "XX-WIND.csv").write_text((DATA / "traces" / "XX-WIND.csv").read_text())
    with pytest.raises(ConfigError, match="average and marginal"):
        load_sweep(DATA / "small.yaml", traces=tmp_path)


def test_an_empty_trace_is_told_with_its_name(tmp_path: Path) -> None:
    for zone in ("XX-SUN", "XX-WIND"):
        (tmp_path / f"{zone}.csv").write_text("")
    with pytest.raises(TraceError, match="found an empty file"):
        load_sweep(DATA / "small.yaml", traces=tmp_path)


def test_years_are_gone_through_from_their_first_hour(tmp_path: Path) -> None:
    starts = "starts: {years: [2024, 2025], every: 100d}"
    text = SMALL.replace("starts: [2024-01-01T00:00:00Z, 2024-01-02T06:30:00Z, 2024-01-03T00:00:00Z]", starts)
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    loaded = load_sweep(path, traces=DATA / "traces")
    first = [datetime(year, 1, 1, tzinfo=UTC) for year in (2024, 2025)]
    assert loaded.starts == tuple(at + number * timedelta(days=100) for at in first for number in range(4))


def test_the_sample_is_sound_but_for_its_traces() -> None:
    with pytest.raises(GaError, match="found no folder"):
        load_sweep(SAMPLE)
