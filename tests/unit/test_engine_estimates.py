"""Network, embodied emissions and SCI of a job: what is counted, and what is said to be missing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from support.viewed_job import CHECKPOINT, JOB, SITES, Run, at, finished, started

from gacli.config.models import Config
from gacli.core.accounting_assumptions import Assumptions
from gacli.core.embodied import ReservedHardware
from gacli.core.energy import Phase
from gacli.core.hardware import Hardware
from gacli.core.network import Range
from gacli.core.sci import FunctionalUnit
from gacli.engine.accounted import read_accounted
from gacli.engine.estimates import Estimates, estimates_of, stated_hardware
from gacli.engine.summary import account_of
from gacli.ports.machine import ProgressRecord
from gacli.views.estimates import embodied_words, estimate_lines, estimates_json, network_words, sci_words

EIGHT_H100 = ReservedHardware(gpu="H100", gpus=8)
EVERYWHERE = {site.name: EIGHT_H100 for site in SITES}
HELD_G_PER_H = (8 * 164_000 + 2_500_000) / 35_040


def _of(
    run: Run, hardware: Mapping[str, ReservedHardware] | None = None, assumptions: Assumptions | None = None
) -> Estimates:
    return estimates_of(
        run.store, SITES, JOB, read_accounted(run.store, JOB), hardware or {}, assumptions or Assumptions()
    )


def _held_h(run: Run, site: str) -> float:
    totals = account_of(run.store, SITES, JOB).totals
    return sum(total.time_s for total in totals if total.site == site) / 3600


def _sent(run: Run, hours: float, path: str) -> None:
    run.event(at(hours), "checkpoint", action="sent", path=path, site="oregon", name=CHECKPOINT.name)


@pytest.mark.parametrize(
    ("hours", "path", "carried"),
    [
        pytest.param(8.9, "direct", 1, id="straight"),
        pytest.param(8.9, "relay", 2, id="through this machine"),
        pytest.param(7.0, "direct", 2, id="another copy went straight"),
    ],
)
def test_bytes_are_counted_as_often_as_they_were_carried(hours: float, path: str, carried: int) -> None:
    run = Run()
    finished(run)
    _sent(run, hours, path)
    network = _of(run).network
    assert network.moved_bytes == carried * CHECKPOINT.size_bytes
    assert network.energy_kwh.default == pytest.approx(carried * 0.04 * 0.007)
    # The mean of both ends' readings at 08:00, when the copy began: both waves are at 1.15 of their means.
    assert network.emissions_g.default == pytest.approx(network.energy_kwh.default * (410 + 130) / 2 * 1.15, rel=1e-3)


def test_bytes_without_an_intensity_are_told() -> None:
    run = Run()
    finished(run)
    estimates = estimates_of(run.store, SITES[1:], JOB, (), {})
    assert (estimates.network.moved_bytes, estimates.unknown_bytes) == (0, 2 * CHECKPOINT.size_bytes)
    assert network_words(estimates) == "not known for 80 MB, without an intensity"


def test_embodied_emissions_by_the_time_of_the_machines() -> None:
    run = Run()
    finished(run)
    estimates = _of(run, EVERYWHERE)
    assert estimates.embodied is not None
    held_h = _held_h(run, "frankfurt") + _held_h(run, "oregon")
    assert estimates.embodied.emissions_g == pytest.approx(held_h * HELD_G_PER_H)
    assert (estimates.embodied.unknown, estimates.not_stated) == ((), ())
    assert [one.unit for one in estimates.sci] == [FunctionalUnit.RUN, FunctionalUnit.STEP]
    run_, step = estimates.sci
    assert run_.complete
    assert run_.g_per_unit == pytest.approx(run_.operational_g + estimates.embodied.emissions_g)
    assert step.g_per_unit * 4000 == pytest.approx(run_.g_per_unit)
    assert run_.operational_g == pytest.approx(account_of(run.store, SITES, JOB).emissions_g)


@pytest.mark.parametrize(
    ("hardware", "assumptions", "words"),
    [
        pytest.param({}, None, "not stated: no hardware is configured for frankfurt, oregon", id="nothing stated"),
        pytest.param({"oregon": EIGHT_H100}, None, "not stated for frankfurt", id="one site"),
        pytest.param(
            {**EVERYWHERE, "oregon": ReservedHardware(gpu="V100", gpus=1)}, None, "no figure is known for V100",
            id="no figure",
        ),
        pytest.param(EVERYWHERE, Assumptions(embodied=False), "", id="off"),
    ],
)  # fmt: skip
def test_what_is_missing_is_told_and_makes_no_complete_sci(
    hardware: Mapping[str, ReservedHardware], assumptions: Assumptions | None, words: str
) -> None:
    run = Run()
    finished(run)
    estimates = _of(run, hardware, assumptions)
    assert words in embodied_words(estimates)
    assert bool(words) == bool(embodied_words(estimates))
    assert not any(one.complete for one in estimates.sci)
    assert "not complete" in sci_words(estimates)


def test_other_factors_and_figures() -> None:
    run = Run()
    finished(run)
    cautious = Assumptions(
        kwh_per_gb=Range(low=1, default=1, high=1),
        hardware={"V100": Hardware(name="V100", embodied_kg=35.04, source="the supplier", with_server=True)},
    )
    estimates = _of(run, {site.name: ReservedHardware(gpu="V100", gpus=2) for site in SITES}, cautious)
    assert estimates.network.energy_kwh.default == pytest.approx(0.08)
    held_h = _held_h(run, "frankfurt") + _held_h(run, "oregon")
    assert estimates.embodied is not None
    assert estimates.embodied.emissions_g == pytest.approx(2 * held_h)


def test_epochs_that_the_script_tells() -> None:
    run = Run()
    started(run)
    record = ProgressRecord(seq=2, at_s=0, step=1240, total_steps=4000, loss=None, metrics={"epoch": 2.5})
    run.store.journal.set_progress(JOB, 1, at(8), record, None)
    epoch = next(one for one in _of(run).sci if one.unit is FunctionalUnit.EPOCH)
    assert epoch.count == 2.5


def test_a_job_that_has_done_nothing() -> None:
    estimates = _of(Run())
    assert estimate_lines(estimates) == []
    assert estimates_json(estimates)["sci"] == []


def test_json_holds_ranges_and_sources() -> None:
    run = Run()
    instance = started(run)
    run.use("frankfurt", instance, Phase.IDLE, at(8), at(9), 60)
    record = estimates_json(_of(run, EVERYWHERE))
    embodied = record["embodied"]
    assert isinstance(embodied, dict)
    assert [part["hardware"] for part in embodied["parts"]] == ["H100", "server"]
    assert all(part["source"] for part in embodied["parts"])


@pytest.mark.parametrize(
    ("written", "hardware"),
    [
        (None, None),
        ({}, ReservedHardware(gpu=None, gpus=0, server_share=1)),
        ({"gpu": "A100"}, ReservedHardware(gpu="A100", gpus=1, server_share=1)),
        ({"gpu": "H100", "gpus": 8, "server": 0.5}, ReservedHardware(gpu="H100", gpus=8, server_share=0.5)),
    ],
)
def test_the_configurations_hardware(written: dict[str, object] | None, hardware: ReservedHardware | None) -> None:
    site: dict[str, object] = {"name": "a", "provider": "mock", "zone": "DE"}
    if written is not None:
        site["hardware"] = written
    config = Config.model_validate({"name": "j", "run": "true", "sites": [site]})
    assert stated_hardware(config) == ({} if hardware is None else {"a": hardware})
