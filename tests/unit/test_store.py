"""The store: transactions, migrations, and what each table promises."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.energy import EmissionInterval, EnergyInterval, Phase
from gacli.core.job import Checkpoint, JobState
from gacli.core.placement import PlacementState
from gacli.errors import GaError
from gacli.store import Store
from gacli.store.controllers import ControllerReplaced
from gacli.store.database import Database, to_text, to_time
from gacli.store.instances import Accounting, Holding
from gacli.store.jobs import JobRecord
from gacli.store.placements import Purpose

START = datetime(2024, 6, 1, tzinfo=UTC)


def new_job(store: Store, name: str = "job") -> JobRecord | None:
    return store.jobs.create(
        name=name,
        config_path="/x/train.yaml",
        config_text="name: job",
        config_sha256="0",
        clock_epoch_s=1.5,
        clock_start=START,
        clock_scale=10.0,
    )


def with_job() -> Store:
    store = Store(None)
    assert new_job(store) is not None
    return store


@given(st.integers(0, 7 * 10**15).map(lambda us: datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us)))
def test_times_survive_the_store_and_sort_as_text(instant: datetime) -> None:
    later = instant + timedelta(microseconds=1)
    assert to_time(to_text(instant)) == instant
    assert to_text(instant) < to_text(later)


def test_a_second_job_of_a_name_waits_for_the_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "ga.db")
    first = new_job(store)
    assert first is not None
    assert first.job_id == "job-1"
    assert new_job(store) is None
    store.jobs.set_state("job-1", JobState.DONE, "")
    second = new_job(Store(tmp_path / "ga.db"))
    assert second is not None
    assert second.job_id == "job-2"
    found = store.jobs.find("job")
    assert found is not None
    assert found.job_id == "job-2", "a name means its newest job"


def test_a_failed_transaction_leaves_nothing() -> None:
    store = with_job()

    def change_and_fail() -> None:
        with store.transaction():
            store.jobs.set_state("job-1", JobState.RUNNING, "half")
            with store.transaction():
                store.jobs.set_first_site("job-1", "a")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    job = store.jobs.get("job-1")
    assert (job.state, job.first_site) == (JobState.QUEUED, None)


def test_another_process_sees_what_is_committed(tmp_path: Path) -> None:
    one = Store(tmp_path / "ga.db")
    new_job(one)
    other = Store(tmp_path / "ga.db")
    with one.transaction():
        one.jobs.set_state("job-1", JobState.RUNNING, "")
        assert other.jobs.get("job-1").state is JobState.QUEUED
    assert other.jobs.get("job-1").state is JobState.RUNNING


def test_a_store_of_a_newer_ga_is_left_alone(tmp_path: Path) -> None:
    Store(tmp_path / "ga.db").close()
    connection = sqlite3.connect(tmp_path / "ga.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(GaError, match="schema 99"):
        Store(tmp_path / "ga.db")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ga.db"
    path.write_bytes(b"no database at all, but long enough to be taken for the header of one" * 20)
    with pytest.raises(GaError, match=r"ga\.db: cannot be used"):
        Database(path)
    assert path.read_bytes().startswith(b"no database"), "it is not overwritten"


def test_a_placement_goes_only_where_the_state_machine_allows() -> None:
    store = with_job()
    record = store.placements.plan(
        "job-1",
        purpose=Purpose.START,
        reason="",
        source_instance=None,
        target_instance=None,
        target_site="a",
        checkpoint=None,
        at=START,
    )
    with pytest.raises(ValueError, match="cannot go from planned to copying"):
        store.placements.enter(record, PlacementState.COPYING, START)
    assert store.placements.get(record.placement_id) == record
    entered = store.placements.enter(record, PlacementState.ABANDONED, START, "why")
    assert entered.finished
    assert store.placements.open("job-1") is None


def test_the_first_site_and_the_first_answer_stay() -> None:
    store = with_job()
    store.jobs.set_first_site("job-1", "a")
    store.jobs.set_first_site("job-1", "b")
    assert store.jobs.get("job-1").first_site == "a"
    assert store.ledger.record_readings("job-1", [reading(0, 100.0), reading(1, 50.0)]) == 2
    assert store.ledger.record_readings("job-1", [reading(1, 60.0), reading(2, 70.0)]) == 1
    kept = store.ledger.readings("job-1", "Z", START, START + timedelta(hours=5))
    assert [r.intensity_g_per_kwh for r in kept] == [100.0, 50.0, 70.0]


def test_readings_include_the_one_in_force_at_the_start() -> None:
    store = with_job()
    store.ledger.record_readings("job-1", [reading(hour, float(hour)) for hour in range(5)])
    window = store.ledger.readings("job-1", "Z", START + timedelta(hours=1.5), START + timedelta(hours=3))
    assert [r.intensity_g_per_kwh for r in window] == [1.0, 2.0, 3.0]


def test_the_checkpoint_comes_back_as_it_was() -> None:
    store = with_job()
    checkpoint = Checkpoint(name="step-000000007", step=7, sha256="ab", size_bytes=3, files=1)
    store.jobs.set_checkpoint("job-1", checkpoint)
    assert store.jobs.get("job-1").checkpoint == checkpoint


def test_commands_are_taken_once_in_order() -> None:
    store = with_job()
    first, second = store.journal.give("job-1", "migrate", "b", 0.0), store.journal.give("job-1", "stop", None, 1.0)
    assert [c.command_id for c in store.journal.pending("job-1")] == [first, second]
    store.journal.take(first, "moving to b")
    assert [c.verb for c in store.journal.pending("job-1")] == ["stop"]
    assert store.journal.outcome(first) == "moving to b"


def test_a_site_is_blocked_until_then() -> None:
    store = with_job()
    store.instances.block_site("job-1", "a", START + timedelta(minutes=5), "no answer", fault=True)
    assert store.instances.blocked_sites("job-1", START)["a"].because == "no answer"
    assert store.instances.blocked_sites("job-1", START + timedelta(minutes=5)) == {}


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 900)), min_size=1, max_size=12))
def test_the_ledger_keeps_sums_however_intervals_are_joined(pieces: list[tuple[float, float]]) -> None:
    store = with_job()
    store.instances.request(instance_id="i", job_id="job-1", site="a", generation=1, at=START)
    instant, total_j = START, 0.0
    for energy_j, intensity in pieces:
        end = instant + timedelta(seconds=60)
        store.ledger.append("job-1", "i", [emission(instant, end, energy_j, intensity)])
        instant, total_j = end, total_j + energy_j
    (total,) = store.ledger.totals("job-1")
    assert total.energy_j == pytest.approx(total_j)
    assert total.time_s == pytest.approx(60 * len(pieces), abs=1e-3)
    assert total.emissions_g == pytest.approx(sum(e / 3.6e6 * i for e, i in pieces))
    entries = store.ledger.entries("job-1")
    assert len(entries) <= len(pieces)
    assert [e.emission.energy.start for e in entries[1:]] == [e.emission.energy.end for e in entries[:-1]]


def test_instances_are_listed_until_they_are_gone() -> None:
    store = with_job()
    store.instances.request(instance_id="i", job_id="job-1", site="a", generation=1, at=START)
    assert store.instances.get("i").phase is Accounting.BOOT
    store.instances.set_state("i", Holding.HELD, START)
    assert [i.instance_id for i in store.instances.held("job-1")] == ["i"]
    store.instances.set_state("i", Holding.GONE, START)
    assert store.instances.of_job("job-1") == []
    assert [i.instance_id for i in store.instances.of_job("job-1", gone=True)] == ["i"]


def reading(hour: int, intensity: float) -> Reading:
    return Reading(
        zone="Z",
        at=START + timedelta(hours=hour),
        period_s=3600.0,
        intensity_g_per_kwh=intensity,
        signal=Signal.AVERAGE,
        scope=Scope.LIFECYCLE,
        quality=Quality.MEASURED,
        source="table",
    )


def emission(start: datetime, end: datetime, energy_j: float, intensity: float) -> EmissionInterval:
    energy = EnergyInterval(
        site="a", generation=1, phase=Phase.TRAIN, start=start, end=end, energy_j=energy_j, meter="m", modelled=False
    )
    return EmissionInterval(
        energy=energy,
        zone="Z",
        pue=1.0,
        intensity_g_per_kwh=intensity,
        emissions_g=energy_j / 3.6e6 * intensity,
        quality=Quality.MEASURED,
        carbon_source="table",
        extrapolated=False,
    )


def test_a_controller_that_was_replaced_cannot_write(tmp_path: Path) -> None:
    first, second = Store(tmp_path / "ga.db"), Store(tmp_path / "ga.db")
    new_job(first)
    assert first.controllers.take_over("job-1", host="h", pid=1, epoch_s=0.0) == 1
    first.jobs.set_state("job-1", JobState.RUNNING, "first")
    assert second.controllers.take_over("job-1", host="h", pid=2, epoch_s=1.0) == 2
    with pytest.raises(ControllerReplaced):
        first.jobs.set_state("job-1", JobState.FAILED, "late")
    assert second.jobs.get("job-1").state is JobState.RUNNING
    newest = second.controllers.newest("job-1")
    assert newest is not None
    assert newest.pid == 2
