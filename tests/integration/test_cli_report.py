"""`ga report` and `ga metrics` as people and programs use them, on a store that a run has left behind."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.cli import Ga, counting

from gacli.clock import real_epoch_s
from gacli.core.carbon import Quality, Reading, Scope, Signal
from gacli.core.decision import Action, Decision
from gacli.core.emissions import emissions_of
from gacli.core.energy import EnergyInterval, Phase
from gacli.core.job import JobState
from gacli.engine.assembly import loaded_of, plan_of
from gacli.store import Store
from gacli.views.report_csv import COLUMNS

JOB = "count-1"
CHARTS = ["decisions.svg", "emissions.svg", "phases.svg", "power.svg", "timeline.svg"]


@pytest.fixture
def ga(own_home: Path, tmp_path: Path) -> Ga:
    """A finished job of an hour at `dirty` and one at `clean`."""
    ga = Ga(own_home)
    ga.state.mkdir()
    text = counting(tmp_path, steps=10).read_text()
    store = Store(ga.state / "ga.db")
    now_s = real_epoch_s()
    start = datetime(2024, 6, 1, tzinfo=UTC)
    job = store.jobs.create(
        name="count", config_path=str(tmp_path / "count.yaml"), config_text=text, config_sha256="0",
        clock_epoch_s=now_s - 12, clock_start=start, clock_scale=600.0,
    )  # fmt: skip
    assert job is not None
    sites = {site.name: site for site in plan_of(loaded_of(job), JOB).sites}
    for hour, (name, g_per_kwh) in enumerate((("dirty", 500.0), ("clean", 50.0))):
        site, at = sites[name], start + timedelta(hours=hour)
        reading = Reading(
            zone=site.zone, at=start, period_s=86400, intensity_g_per_kwh=g_per_kwh, signal=Signal.AVERAGE,
            scope=Scope.LIFECYCLE, quality=Quality.STATIC, source="static",
        )  # fmt: skip
        store.ledger.record_readings(JOB, [reading])
        instance = f"{JOB}-{name}-1"
        store.instances.request(instance_id=instance, job_id=JOB, site=name, generation=hour + 1, at=at)
        store.jobs.begin_generation(
            JOB, generation=hour + 1, instance_id=instance, site=name, from_step=hour * 5, at=at
        )
        interval = EnergyInterval(
            site=name, generation=hour + 1, phase=Phase.TRAIN, start=at, end=at + timedelta(hours=1),
            energy_j=3.6e6, meter="nvml", modelled=False,
        )  # fmt: skip
        store.ledger.append(JOB, instance, emissions_of(interval, site, [reading]))
    store.jobs.set_first_site(JOB, "dirty")
    store.jobs.set_state(JOB, JobState.DONE, "the training is complete", finished_epoch_s=now_s)
    store.journal.decision(
        JOB, Decision(at=start, policy="hysteresis", action=Action.MOVE, reason="cleaner", target="clean")
    )
    store.close()
    return ga


def test_in_the_terminal_and_for_programs(ga: Ga) -> None:
    said = ga("report", JOB)
    assert "staying at dirty would have emitted" in said.stdout
    assert "baseline: stay at dirty; average intensity (life cycle) from static;" in " ".join(said.stdout.split())
    assert max(map(len, said.lines)) <= 80
    record = ga("report", "count", "--json").json()
    assert (record["event"], record["job"], record["energy_kwh"]) == ("report", JOB, pytest.approx(2.0))
    assert [one["policy"] for one in record["baselines"]["policies"]] == ["stay", "best-site", "clairvoyant"]


def test_hardware_that_is_stated_is_accounted_apart(ga: Ga) -> None:
    store = Store(ga.state / "ga.db")
    document = json.loads(store.jobs.get(JOB).config_text)
    store.close()
    document["sites"][0]["hardware"] = {"gpu": "H100", "gpus": 8}
    with sqlite3.connect(ga.state / "ga.db") as database:
        database.execute("UPDATE jobs SET config_text = ?", (json.dumps(document),))
    plain, without = ga("report", "--json").json(), ga("report", "--json", "--embodied", "off").json()
    # Eight GPUs of 164 kg and a server of 2,500 kg, for one of 35,040 hours.
    assert plain["embodied"]["emissions_g"] == pytest.approx((8 * 164_000 + 2_500_000) / 35_040)
    assert plain["embodied"]["not_stated"] == ["clean"]
    assert without["embodied"] is None
    assert plain["emissions_g"] == without["emissions_g"]


def test_accounted_again_beside_the_record(ga: Ga) -> None:
    record = ga("report", "--json").json()
    assert record["recomputed"] is None
    again = ga("report", "--json", "--pue", "dirty=2.4", "--source", "static").json()
    assert again | {"recomputed": None} == record
    recomputed = again["recomputed"]
    # 1 kWh at 500 g/kWh under a PUE of 2.4 instead of 1.2, and 1 kWh at 50 g/kWh as before.
    assert recomputed["recorded_emissions_g"] == pytest.approx(record["emissions_g"]) == pytest.approx(660)
    assert recomputed["emissions_g"] == pytest.approx(1260)
    assert (recomputed["pue"], recomputed["source"], recomputed["scope"]) == ({"dirty": 2.4}, "static", None)
    said = " ".join(ga("report", "--pue", "1.5").stdout.split())
    assert "recomputed: PUE 1.5" in said
    assert "a recomputation, not the record" in said


def test_accounted_again_by_what_leaves_the_stacks(ga: Ga, tmp_path: Path) -> None:
    store = Store(ga.state / "ga.db")
    document = json.loads(store.jobs.get(JOB).config_text)
    store.close()
    traces = tmp_path / "traces"
    traces.mkdir()
    for zone, direct in {
        site["zone"]: direct for site, direct in zip(document["sites"], (400, 20, 0), strict=False)
    }.items():
        rows = [f"2024-06-01 {hour:02d}:00:00,{zone},{direct},500" for hour in range(24)]
        unit = "gCO₂eq/kWh"
        header = f"Datetime (UTC),Zone id,Carbon intensity {unit} (direct),Carbon intensity {unit} (Life cycle)"
        (traces / f"{zone}.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    document["carbon"] = {"source": "trace", "folder": str(traces)}
    with sqlite3.connect(ga.state / "ga.db") as database:
        database.execute("UPDATE jobs SET config_text = ?", (json.dumps(document),))
    recomputed = ga("report", "--json", "--scope", "direct").json()["recomputed"]
    assert recomputed["scope"] == "direct"
    assert recomputed["recorded_emissions_g"] == pytest.approx(660)
    # 1 kWh at 400 g/kWh and 1 kWh at 20 g/kWh, under the PUE of 1.2 of both.
    assert recomputed["emissions_g"] == pytest.approx(504)
    assert "direct emissions" in " ".join(ga("report", "--scope", "direct").stdout.split())


def test_intervals_as_csv(ga: Ga) -> None:
    rows = list(csv.DictReader(io.StringIO(ga("report", "--csv").stdout)))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["site"], row["energy_kwh"]) for row in rows] == [("dirty", "1.0"), ("clean", "1.0")]


def test_files_are_written_and_named(ga: Ga, tmp_path: Path) -> None:
    page, folder, row = tmp_path / "report.html", tmp_path / "charts", tmp_path / "emissions.csv"
    said = ga("report", JOB, "--html", page, "--charts", folder, "--codecarbon", row)
    assert said.stdout == ""
    for path in (page, folder / "timeline.svg", row):
        assert f"{path} was written" in said.stderr
    assert sorted(path.name for path in folder.iterdir()) == CHARTS
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg ") == len(CHARTS)
    assert "://" not in text
    ga("report", JOB, "--codecarbon", row)
    assert len(row.read_text().splitlines()) == 2


def test_a_file_and_json_at_once(ga: Ga, tmp_path: Path) -> None:
    said = ga("report", JOB, "--charts", tmp_path, "--format", "png", "--json")
    assert said.json()["job"] == JOB
    assert (tmp_path / "power.png").read_bytes().startswith(b"\x89PNG")


def test_all_jobs(ga: Ga) -> None:
    said = ga("report", "--since", "30d").stdout
    assert JOB in said
    said_on_one_line = " ".join(said.split())
    assert "[baseline: stay; average intensity (life cycle) from static; readings estimated 100 %" in said_on_one_line
    assert ga("report", "--since", "30d", "--json").json()["total"]["energy_kwh"] == pytest.approx(2.0)
    rows = list(csv.DictReader(io.StringIO(ga("report", "--since", "30d", "--csv").stdout)))
    assert [(row["by"], row["name"]) for row in rows] == [
        ("job", JOB), ("site", "dirty"), ("site", "clean"), ("zone", "XX-A"), ("zone", "XX-B"), ("all", "all jobs"),
    ]  # fmt: skip


def test_metrics(ga: Ga) -> None:
    assert " metrics " in ga("--help").stdout
    every, one = ga("metrics").stdout, ga("metrics", "--job", "count").stdout
    assert every == one
    assert f'ga_job_energy_joules_total{{job="{JOB}",site="clean",zone="XX-B",phase="train"}} 3600000.0' in one
    assert "no job is called" in ga("metrics", "--job", "other", code=1).stderr


def test_a_job_whose_configuration_cannot_be_read_any_more_hides_no_other(ga: Ga) -> None:
    store = Store(ga.state / "ga.db")
    broken = store.jobs.create(
        name="old", config_path="old.yaml", config_text="name: old\nwhat: 1\n", config_sha256="0",
        clock_epoch_s=real_epoch_s(), clock_start=datetime(2024, 6, 1, tzinfo=UTC), clock_scale=1.0,
    )  # fmt: skip
    assert broken is not None
    store.close()
    for arguments in (("metrics",), ("report", "--since", "1d")):
        said = ga(*arguments)
        assert JOB in said.stdout
        assert "old-1" in said.stdout
        assert "old-1 is accounted without a baseline: old.yaml" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        pytest.param(["report", "--since", "30d", JOB], 2, "--since", id="since and a job"),
        pytest.param(["report", "--since", "30d", "--html", "x.html"], 2, "--html", id="since and a file"),
        pytest.param(["report", "--since", "soon"], 2, "--since", id="no duration"),
        pytest.param(["report", "--json", "--csv"], 2, "--csv", id="two forms"),
        pytest.param(["report", "--charts", "x", "--format", "pdf"], 2, "svg or png", id="no such format"),
        pytest.param(["report", "--embodied", "maybe"], 2, "on or off", id="neither on nor off"),
        pytest.param(["report", "--pue", "0.9"], 2, "at least 1", id="no such PUE"),
        pytest.param(["report", "--pue", "drty=1.3"], 2, "did you mean dirty?", id="PUE of no site"),
        pytest.param(["report", "--pue", "1.3", "--pue", "dirty=1.4"], 2, "found both", id="PUE of all and of one"),
        pytest.param(["report", "--source", "sttic"], 2, "did you mean static?", id="no such source"),
        pytest.param(["report", "--source", "trace"], 2, "carbon.folder", id="no files"),
        pytest.param(["report", "--scope", "all"], 2, "lifecycle or direct", id="no such scope"),
        pytest.param(["report", "--scope", "direct"], 1, "direct readings were expected", id="a source without it"),
        pytest.param(["report", "--csv", "--pue", "1.3"], 2, "--pue is shown in", id="CSV is the record"),
        pytest.param(["report", "--since", "1d", "--pue", "1.3"], 2, "--pue", id="since and a PUE"),
        pytest.param(["report", "lost-1"], 1, "no job is called 'lost-1'", id="no such job"),
        pytest.param(["report", "--html", "absent/x.html"], 1, "absent/x.html", id="no such folder"),
    ],
)
def test_what_cannot_be_done(ga: Ga, arguments: list[str], code: int, word: str) -> None:
    said = ga(*arguments, code=code)
    assert word in said.stderr
    assert "Traceback" not in said.stderr
    assert not (ga.state / "internal-error.txt").exists()
