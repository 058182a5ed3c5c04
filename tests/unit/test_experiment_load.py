"""The YAML of an experiment → what is to be simulated, or messages that say what to correct and where."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.experiments import DATA, write_experiment, write_traces

from gacli.config.experiment import load_experiment
from gacli.config.experiment_checks import stay_s
from gacli.config.experiment_draws import failures_of, starts_of
from gacli.config.experiment_fields import parse_allowance, parse_speed
from gacli.config.experiment_model import ExperimentJobConfig, FailuresConfig, StartsConfig
from gacli.config.quantities import Unexpected
from gacli.core.carbon import Scope, Signal
from gacli.errors import ConfigError, TraceError
from gacli.policies.hysteresis import Hysteresis
from gacli.policies.stay import Stay
from gacli.simulate.scenario import Outage

HOUR = timedelta(hours=1)
BEGIN = datetime(2024, 2, 1, tzinfo=UTC)


class Bad(TypedDict, total=False):
    case: str
    replace: dict[str, str]
    traces: dict[str, str]
    expect: list[str]


def drawn_starts(earliest: datetime, latest: datetime, count: int, seed: int) -> StartsConfig:
    written = {"earliest": earliest.isoformat(), "latest": latest.isoformat(), "count": count, "seed": seed}
    return StartsConfig.model_validate(written)


BAD: list[Bad] = yaml.safe_load((DATA / "bad.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad["case"])
def test_bad_experiment_gets_one_message_with_its_place(
    bad: Bad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path, bad.get("replace"))
    for name, text in bad.get("traces", {}).items():
        (tmp_path / "traces" / name).write_text(text)
    with pytest.raises((ConfigError, TraceError)) as caught:
        load_experiment(Path("e.yaml"))
    flat = " ".join(str(caught.value).split())
    for fragment in bad["expect"]:
        assert fragment in flat
    assert caught.value.exit_code == 2
    assert "Traceback" not in flat
    assert "pydantic" not in flat


def test_a_grid_is_every_combination_of_its_values(tmp_path: Path) -> None:
    written = "policies: [{name: hysteresis, label: h, hold_readings: 1, grid: {margin: [5%, 12%], dwell: [0s, 2h]}}]"
    policies = load_experiment(write_experiment(tmp_path, {"policies: [stay, greedy-carbon]": written})).policies
    assert policies == {
        "stay": Stay(),
        "h margin=5% dwell=0s": Hysteresis(hold_readings=1, margin_percent=5.0, dwell_s=0.0),
        "h margin=5% dwell=2h": Hysteresis(hold_readings=1, margin_percent=5.0, dwell_s=7200.0),
        "h margin=12% dwell=0s": Hysteresis(hold_readings=1, margin_percent=12.0, dwell_s=0.0),
        "h margin=12% dwell=2h": Hysteresis(hold_readings=1, margin_percent=12.0, dwell_s=7200.0),
    }


def test_values_of_a_grid_are_called_as_they_are_written(tmp_path: Path) -> None:
    written = "policies: [{name: forecast, grid: {caution: [0, 0.50]}}]"
    policies = load_experiment(write_experiment(tmp_path, {"policies: [stay, greedy-carbon]": written})).policies
    assert list(policies) == ["stay", "forecast caution=0", "forecast caution=0.50"]


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    path = write_experiment(
        tmp_path, {"name: wind": "name: sun", "greedy-carbon": "gredy", "deadline: 50%": "deadline: 1%"}
    )
    with pytest.raises(ConfigError) as caught:
        load_experiment(path)
    places = [f"e.yaml:{line}: {key}" for line, key in ((6, "sites[1]"), (8, "jobs[0]"), (10, "policies[1]"))]
    flat = " ".join(str(caught.value).split())
    positions = [flat.index(place) for place in places]
    assert positions == sorted(positions)


def test_every_key_reaches_the_scenario() -> None:
    experiment = load_experiment(DATA / "full.yaml")
    short, long, free = experiment.jobs
    assert (experiment.name, experiment.start_at, experiment.poll_s, experiment.hold_paused) == (
        "full",
        "b",
        1800,
        True,
    )
    assert (experiment.signal, experiment.scope, experiment.sources) == (Signal.AVERAGE, Scope.UNKNOWN, ("static",))
    assert (short.job.work_s, short.job.save_s, short.job.save_every_s) == (36_000, 120, 3600)
    assert (short.job.checkpoint_bytes, short.job.restart_s, short.job.epoch_s) == (10**10, 60, 1800)
    assert (short.job.deadline_s, long.job.deadline_s, free.job.deadline_s) == (54_000, 259_200, None)
    assert (free.job.save_every_s, free.job.epoch_s, free.gpus) == (math.inf, None, 1)
    # 10 min of boot at the slowest site, 1 min of restart, 10 h, 10 saves; twice as long.
    assert short.limit_s == 2 * (600 + 60 + 36_000 + 10 * 120)

    scenario = experiment.scenario(short, experiment.starts[0])
    assert [(site.power.idle_w, site.power.busy_w) for site in scenario.sites] == [
        (180, 2100),
        (150, 1200),
        (300, 1200),
    ]
    assert [site.pue for site in scenario.sites] == [1.2, 1.1, 1.2]
    assert scenario.boot_s == {"a": 300, "b": 600, "c": 300}
    assert scenario.bandwidth_bytes_per_s == {
        ("a", "b"): 1e9, ("b", "a"): 2e6, ("a", "c"): 2**30, ("c", "a"): 2**30, ("b", "c"): 1e8, ("c", "b"): 1e8,
    }  # fmt: skip
    assert (scenario.limit_s, scenario.max_reading_age_s) == (short.limit_s, 10_800)
    given_one, *drawn = scenario.outages
    assert given_one == Outage(
        site="c", start=datetime(2024, 2, 2, tzinfo=UTC), end=datetime(2024, 2, 2, 6, tzinfo=UTC)
    )
    assert drawn
    assert {outage.end - outage.start for outage in drawn} == {timedelta(hours=3)}


def test_baseline_is_always_there_and_labels_name_policies() -> None:
    policies = load_experiment(DATA / "full.yaml").policies
    assert list(policies) == ["stay", "hysteresis", "wary", "pause-resume"]
    wary = policies["wary"]
    assert isinstance(wary, Hysteresis)
    assert wary.margin_percent == 30


def test_other_traces_can_be_named(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, {"folder: traces": "folder: nowhere"})
    other = write_traces(tmp_path / "other")
    experiment = load_experiment(path, traces=other)
    assert experiment.sources == ("trace:XX-SUN.csv", "trace:XX-WIND.csv")
    assert {zone: len(readings) for zone, readings in experiment.readings_by_zone.items()} == {
        "XX-SUN": 44, "XX-WIND": 44,
    }  # fmt: skip


@given(st.integers(0, 90), st.integers(1, 40), st.integers(0, 2**31), st.integers(0, 3599))
def test_drawn_starts_are_different_full_hours_within_bounds(span_h: int, count: int, seed: int, offset_s: int) -> None:
    earliest = BEGIN + timedelta(seconds=offset_s)
    latest = earliest + (span_h + count) * HOUR
    config = drawn_starts(earliest, latest, count, seed)
    starts = starts_of(config)
    assert starts == starts_of(config)
    assert len(starts) == count
    assert all(before < after for before, after in pairwise(starts))
    assert earliest <= starts[0]
    assert starts[-1] <= latest
    assert {(start.minute, start.second) for start in starts} == {(0, 0)}


def test_another_seed_draws_other_starts() -> None:
    drawn = {starts_of(drawn_starts(BEGIN, BEGIN + 1000 * HOUR, 10, seed)) for seed in range(5)}
    assert len(drawn) == 5


@given(st.integers(0, 2**31), st.integers(60, 10**6), st.integers(1, 10**5))
def test_failures_of_a_site_follow_each_other_and_do_not_depend_on_others(
    seed: int, every_s: int, lasts_s: int
) -> None:
    config = FailuresConfig(every=every_s, lasts=lasts_s, seed=seed)
    end = BEGIN + timedelta(seconds=40 * (every_s + lasts_s))
    drawn = failures_of(config, ["a", "b"], BEGIN, end)
    assert [outage for outage in drawn if outage.site == "b"] == list(failures_of(config, ["b"], BEGIN, end))
    for site in ("a", "b"):
        own = [outage for outage in drawn if outage.site == site]
        assert all(before.end <= after.start for before, after in pairwise(own))
        assert all(BEGIN <= outage.start < end for outage in own)
        assert {outage.end - outage.start for outage in own} <= {timedelta(seconds=lasts_s)}


def test_failures_come_as_often_as_they_should() -> None:
    config = FailuresConfig(every=86_400, lasts=3600, seed=7)
    drawn = failures_of(config, ["a"], BEGIN, BEGIN + timedelta(days=2000))
    assert len(drawn) == pytest.approx(2000 / (25 / 24), rel=0.08)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("40%", 140.0), ("0%", 100.0), ("12.5 %", 112.5), ("1m", 60.0), (90, 90.0), ("2h", 7200.0)],
    ids=str,
)
def test_allowances(text: object, expected: float) -> None:
    assert parse_allowance(text).beside(100.0) == expected


@pytest.mark.parametrize("text", ["-1%", "%", "0s", 0, "soon", None, True, "40%%"], ids=repr)
def test_no_allowances(text: object) -> None:
    with pytest.raises(Unexpected):
        parse_allowance(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500MB/s", 5e8), ("8Gbit/s", 1e9), ("1 MiB/s", 2.0**20), ("100Mbit/s", 1.25e7), ("0.5kB/s", 500.0)],
    ids=str,
)
def test_speeds(text: str, expected: float) -> None:
    assert parse_speed(text) == expected


@pytest.mark.parametrize("text", ["500MB", "0MB/s", 100, None, "fast", "1Gb/s", "-1MB/s"], ids=repr)
def test_no_speeds(text: object) -> None:
    with pytest.raises(Unexpected):
        parse_speed(text)


@pytest.mark.parametrize(
    ("work_h", "every", "saves"), [(10, "1h", 10), (10, "3h", 4), (9, "3h", 3), (1, "2h", 1), (1, None, 1)], ids=str
)
def test_staying_counts_every_save(work_h: int, every: str | None, saves: int) -> None:
    checkpoint = {"save": 60, **({} if every is None else {"every": every})}
    job = ExperimentJobConfig.model_validate(
        {"name": "j", "work": f"{work_h}h", "restart": 30, "checkpoint": checkpoint}
    )
    assert stay_s(job, 300.0) == 300 + 30 + work_h * 3600 + saves * 60
