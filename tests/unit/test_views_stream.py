"""Events for machines."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.viewed_job import JOB, START, Run, finished

from gacli.store.journal import Event
from gacli.views.stream import record_of, to_line

# The summary's keys as users rely on them; more may be added, none may go.
SUMMARY_KEYS = {
    "event", "job", "status", "generation", "migrations", "steps", "wall_s", "energy_kwh", "emissions_g", "baseline",
    "saved_percent", "sites", "checkpoint",
}  # fmt: skip


def records() -> list[dict[str, Any]]:
    run = Run()
    finished(run)
    return [json.loads(to_line(record_of(event))) for event in run.store.journal.events(JOB)]


@pytest.mark.parametrize("record", records(), ids=lambda record: record["event"])
def test_every_event_says_what_whose_and_when(record: dict[str, Any]) -> None:
    assert isinstance(record["event"], str)
    assert record["job"] == JOB
    assert datetime.strptime(record["at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC) >= START
    assert isinstance(record["epoch_s"], float)


def test_bodies_come_whole_and_unrounded() -> None:
    decisions = [record for record in records() if record["event"] == "decision"]
    assert decisions[-1]["numbers"] == {"saved_g": 310.25}
    assert decisions[-1]["target"] == "oregon"


def test_the_summary_has_the_keys_that_scripts_rely_on() -> None:
    summary = records()[-1]
    assert set(summary) >= SUMMARY_KEYS
    assert (summary["event"], summary["status"], summary["generation"]) == ("summary", "done", 2)
    assert set(summary["baseline"]) == {"policy", "site", "emissions_g"}
    assert set(summary["checkpoint"]) == {"step", "sha256"}
    for site in summary["sites"]:
        assert set(site) == {"site", "zone", "time_s", "energy_kwh", "emissions_g", "phases"}
        phases = site["phases"].values()
        assert sum(phase["emissions_g"] for phase in phases) == pytest.approx(site["emissions_g"])
    assert sum(site["emissions_g"] for site in summary["sites"]) == pytest.approx(summary["emissions_g"])


def test_a_loss_that_is_no_number_is_null() -> None:
    body = {"loss": math.nan, "metrics": {"a": math.inf, "b": [1.5, -math.inf]}, "step": 3}
    event = Event(event_id=1, job_id=JOB, at=START, epoch_s=1.5, kind="progress", body=body)
    read = json.loads(to_line(record_of(event)))
    assert (read["loss"], read["metrics"], read["step"]) == (None, {"a": None, "b": [1.5, None]}, 3)


def test_a_body_cannot_speak_for_the_envelope() -> None:
    event = Event(event_id=1, job_id=JOB, at=START, epoch_s=1.5, kind="note", body={"event": "summary", "job": "x"})
    assert record_of(event) == {"event": "note", "job": JOB, "at": "2024-06-03T00:00:00.000000Z", "epoch_s": 1.5}


@given(st.dictionaries(st.text(), st.text() | st.floats() | st.none() | st.lists(st.text())))
def test_a_line_is_strict_json_in_printable_ascii(body: dict[str, Any]) -> None:
    line = to_line({"event": "x", **body})
    assert line.isascii()
    assert line.isprintable() or "\x7f" in line
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
