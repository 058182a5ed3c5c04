"""Baselines in words: nothing is claimed that could not be computed, and what is missing is named."""

from __future__ import annotations

import json
from dataclasses import replace

from support.viewed_job import JOB, SITES, Run, at, finished, readings

from gacli.core.carbon import Signal
from gacli.core.site import Site
from gacli.engine.accounting import Baselines, baselines_of
from gacli.engine.summary import account_of
from gacli.views.baselines import baseline_notes, baseline_rows, baselines_json

ELSEWHERE = replace(SITES[0], name="elsewhere", zone="XX")


def _of(run: Run, *sites: Site) -> Baselines:
    return baselines_of(run.store, sites, JOB, account_of(run.store, sites, JOB))


def test_each_baseline_with_its_saving() -> None:
    run = Run()
    finished(run)
    found = _of(run, *SITES)
    assert baseline_rows(found) == [
        ("stay", "frankfurt", "3.89 kg", "1.93 kg (49.6 %)"),
        ("best-site", "oregon", "1.18 kg", "−777 g (−65.6 %)"),
        ("clairvoyant", "oregon", "1.18 kg", "−777 g (−65.6 %)"),
    ]
    captured, bound, basis = baseline_notes(found)
    assert captured == "71.3 % of what could have been saved against staying was saved"
    assert bound == (
        "clairvoyant: a bound that no policy attains; never paused, 36 min of downtime a move, at most 100 moves at"
        " multiples of 2.3 min"
    )
    assert basis == "compared under average intensity (life cycle) from typical"
    record = baselines_json(found)
    assert record == json.loads(json.dumps(record))
    assert record["captured_percent"] == found.captured_percent
    assert record["unavailable"] is None


def test_where_nothing_could_be_saved() -> None:
    run = Run()
    finished(run)
    assert baseline_notes(_of(run, SITES[0]))[0] == "nothing could have been saved against staying"


def test_what_is_missing_is_named() -> None:
    run = Run()
    finished(run)
    assert "without readings, left out: elsewhere" in baseline_notes(_of(run, *SITES, ELSEWHERE))
    run.store.ledger.record_readings(
        JOB, [replace(one, zone="XX", signal=Signal.MARGINAL) for one in readings("DE", at(0), 24)]
    )
    mixed = _of(run, *SITES, ELSEWHERE)
    assert [policy for policy, *_ in baseline_rows(mixed)] == ["stay"]
    assert any(
        note.startswith("best-site and clairvoyant are not known: readings of one") for note in baseline_notes(mixed)
    )
    record = baselines_json(mixed)
    assert (record["captured_percent"], record["route"]) == (None, None)


def test_nothing_is_said_before_the_first_step() -> None:
    found = _of(Run(), *SITES)
    assert (baseline_rows(found), baseline_notes(found)) == ([], [])
