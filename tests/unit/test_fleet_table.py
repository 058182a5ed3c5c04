"""`ga fleet` in words and in JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from support.rendering import text_of

from ga_providers.fake import FakeProvider
from gacli.core.site import PowerModel, Site
from gacli.engine.inventory import Entry, Survey, Unasked
from gacli.engine.orphans import Outcome, Place, Swept, Use
from gacli.ports.provider import InstanceState
from gacli.views.fleet_table import fleet_json, fleet_table, print_fleet, print_swept, sweep_json

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entry(instance_id: str, use: Use, *, has_controller: bool | None = None, hours: float | None = 1.5) -> Entry:
    where = Site(
        name="a", provider="fake", zone="A", pue=1.0, power=PowerModel(idle_w=1, busy_w=2), price_usd_per_hour=2.0
    )
    return Entry(
        instance_id=instance_id,
        place=Place(site=where, provider=FakeProvider(), jobs=frozenset()),
        state=None if use is Use.LOST else InstanceState.READY,
        use=use,
        because="some reason",
        job_id=instance_id.rsplit("-", 2)[0],
        generation=2,
        created_at=None if hours is None else NOW - timedelta(hours=hours),
        expires_at=NOW + timedelta(days=7),
        has_controller=has_controller,
    )


def survey(*entries: Entry, unasked: tuple[Unasked, ...] = ()) -> Survey:
    return Survey(store_id="5a5a", entries=entries, unasked=unasked)


def test_table_says_what_there_is_and_what_to_do() -> None:
    found = survey(
        entry("run-1-a-1", Use.IN_USE, has_controller=True),
        entry("sad-1-a-1", Use.IN_USE, has_controller=False),
        entry("sad-1-a-2", Use.LOST, has_controller=False, hours=None),
        entry("old-1-a-1", Use.ORPHAN),
        unasked=(Unasked(what="b (ssh)", message="no\nanswer"),),
    )
    lines = text_of(fleet_table(found, NOW), 120).splitlines()
    assert lines[0].split() == ["instance", "site", "job", "state", "age", "price", "use"]
    assert lines[1].split() == ["run-1-a-1", "a", "run-1", "ready", "90", "min", "$3.00", "in", "use"]
    assert lines[3].split() == ["sad-1-a-2", "a", "sad-1", "–", "–", "–", "lost"]
    assert lines[5:] == [
        "sad-1-a-2: lost, some reason",
        "old-1-a-1: orphan, some reason",
        "1 orphan: nobody needs what is marked so; destroy it with: ga fleet gc",
        "sad-1 has no controller, its instances are kept: continue it with `ga resume sad-1`, "
        "or end it with `ga stop sad-1`",
        "b (ssh): could not be looked at: no | answer",
    ]


@pytest.mark.parametrize("width", [60, 80])
def test_names_are_whole_however_narrow_the_terminal(width: int) -> None:
    name = "a-rather-long-name-for-a-job-12-frankfurt-3"
    lines = text_of(fleet_table(survey(entry(name, Use.IN_USE)), NOW), width).splitlines()
    assert max(map(len, lines)) <= width
    assert "".join(line[: lines[0].index("site")].strip() for line in lines[1:]) == name
    assert lines[1].endswith("ready  90 min  $3.00  in use")


def test_nothing_is_said_to_be_nothing() -> None:
    assert text_of(fleet_table(survey(), NOW), 80) == "no instances"


def test_json_rounds_nothing_and_knows_what_nobody_knows(capsys: pytest.CaptureFixture[str]) -> None:
    found = survey(entry("old-1-a-1", Use.ORPHAN), entry("sad-1-a-2", Use.LOST, has_controller=False, hours=None))
    print_fleet(found, NOW, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said == fleet_json(found, NOW)
    assert (said["store"], said["at"], said["unasked"]) == ("5a5a", "2026-03-01T12:00:00.000000Z", [])
    assert said["instances"][0] == {
        "instance": "old-1-a-1",
        "site": "a",
        "provider": "fake",
        "job": "old-1",
        "generation": 2,
        "state": "ready",
        "use": "orphan",
        "because": "some reason",
        "has_controller": None,
        "created_at": "2026-03-01T10:30:00.000000Z",
        "age_s": 5400.0,
        "price_usd": 3.0,
        "expires_at": "2026-03-08T12:00:00.000000Z",
    }
    lost = said["instances"][1]
    assert (lost["use"], lost["state"], lost["age_s"], lost["price_usd"]) == ("lost", None, None, None)


def test_sweep_tells_the_outcome_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    orphans = [entry("old-1-a-1", Use.ORPHAN), entry("old-1-a-2", Use.ORPHAN)]
    swept = [
        Swept(instance_id="old-1-a-1", outcome=Outcome.GONE),
        Swept(instance_id="old-1-a-2", outcome=Outcome.FAILED, message="will\nnot go"),
    ]
    said = sweep_json(survey(*orphans), orphans, swept, NOW, dry_run=False)
    listed = said["orphans"]
    assert isinstance(listed, list)
    assert [(one["instance"], one["outcome"], one["message"]) for one in listed] == [
        ("old-1-a-1", "gone", ""),
        ("old-1-a-2", "failed", "will\nnot go"),
    ]
    assert (said["destroyed"], said["dry_run"]) == (1, False)
    print_swept(swept)
    assert capsys.readouterr().out == "old-1-a-1: gone\nold-1-a-2: failed, will | not go\n"
    untouched = sweep_json(survey(*orphans), orphans, [], NOW, dry_run=True)["orphans"]
    assert isinstance(untouched, list)
    assert [one["outcome"] for one in untouched] == [None, None]
