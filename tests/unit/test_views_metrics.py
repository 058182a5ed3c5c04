"""Prometheus' text format, read back with its own rules."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from support.viewed_job import JOB, SITES, Run, finished, started

from gacli.core.job import JobState
from gacli.core.site import Site
from gacli.engine.summary import account_of
from gacli.store.jobs import JobRecord
from gacli.views.metrics import Family, exposition, metrics_text

_SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\n"])*",?)*)\} (\S+)')
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\[\\n"])*)"')
_UNITS = ("_joules", "_grams", "_seconds", "_ratio", "_info", "_state", "_scale", "_generations", "_moves", "_step")

Samples = dict[str, list[tuple[dict[str, str], float]]]


def _parsed(text: str) -> Samples:
    """Fails on whatever a collector would refuse: a sample without its type, a name or a sample twice, bad escapes."""
    assert text.endswith("\n")
    families: Samples = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split()[2]
            assert name not in families
            families[name] = []
        elif line.startswith("# TYPE "):
            assert line.split()[2] == name
            assert line.split()[3] == ("counter" if name.endswith("_total") else "gauge")
        else:
            found = _SAMPLE.fullmatch(line)
            assert found is not None, line
            assert found[1] == name
            labels = {key: re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), text)
                      for key, text in _LABEL.findall(found[2])}  # fmt: skip
            assert labels not in [known for known, _ in families[name]]
            families[name].append((labels, float(found[3])))
    return families


def _fleet(job: JobRecord) -> Sequence[Site]:
    return SITES


def _of(run: Run) -> Samples:
    return _parsed(metrics_text(run.store, run.store.jobs.all(), _fleet))


def test_sums_are_those_of_the_account() -> None:
    run = Run()
    finished(run)
    samples = _of(run)
    account = account_of(run.store, SITES, JOB)
    assert sum(value for _, value in samples["ga_job_energy_joules_total"]) == pytest.approx(account.energy_j)
    assert sum(value for _, value in samples["ga_job_emissions_grams_total"]) == pytest.approx(account.emissions_g)
    assert sum(value for _, value in samples["ga_job_energy_by_reading_joules_total"]) == pytest.approx(
        account.energy_j
    )
    assert account.baseline is not None
    named = {"job": JOB, "baseline": "stay", "site": "frankfurt", "signal": "average", "source": "typical"}
    saved_g = account.baseline.emissions_g - account.emissions_g
    for name, mass_g in (("baseline", account.baseline.emissions_g), ("saved", saved_g)):
        [(labels, value)] = samples[f"ga_job_{name}_emissions_grams"]
        assert labels == named
        assert value == pytest.approx(mass_g)
    train = {"job": JOB, "site": "oregon", "zone": "US-NW-PACW", "phase": "train"}
    assert dict(_one(samples["ga_job_instance_seconds_total"], train)) == train


def _one(samples: list[tuple[dict[str, str], float]], labels: dict[str, str]) -> dict[str, str]:
    return next(found for found, _ in samples if found == labels)


def test_names_end_in_their_unit() -> None:
    run = Run()
    finished(run)
    for name in _of(run):
        assert name.startswith("ga_")
        assert name.removesuffix("_total").endswith(_UNITS), name


def test_one_state_is_on() -> None:
    run = Run()
    started(run)
    states = _of(run)["ga_job_state"]
    assert [labels["state"] for labels, _ in states] == [state.value for state in JobState]
    assert [labels["state"] for labels, value in states if value == 1] == ["running"]
    assert "ga_job_finished_timestamp_seconds" not in _of(run)


def test_a_fleet_that_is_not_known_leaves_out_the_baseline() -> None:
    run = Run()
    finished(run)
    samples = _parsed(metrics_text(run.store, run.store.jobs.all(), lambda job: ()))
    assert "ga_job_emissions_grams_total" in samples
    assert "ga_job_baseline_emissions_grams" not in samples
    assert "ga_job_saved_emissions_grams" not in samples


def test_no_jobs_no_text() -> None:
    assert metrics_text(Run().store, [], _fleet) == ""


@pytest.mark.parametrize("text", ['a"b', "back\\slash", "two\nlines", "\\n", 'all \\ " \n'])
def test_labels_of_any_kind_come_through(text: str) -> None:
    family = Family("ga_x_info", "gauge", "Said\\so\nand so.")
    family.add(1, source=text)
    family.add(1e-7, source="other")
    parsed = _parsed(exposition(family))
    assert parsed == {"ga_x_info": [({"source": text}, 1.0), ({"source": "other"}, 1e-7)]}
