"""The loop on a service that fails in every documented way: nothing moves, nothing crashes, everything is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from support.engine import HOUR_S, HourlySource, World, site

from ga_playbooks.fake_trainer import TrainerModel
from gacli.carbon.answers import MemoryAnswers
from gacli.carbon.chain import Chain
from gacli.carbon.electricity_maps import ElectricityMapsSource
from gacli.carbon.fake.electricity_maps import DEMO_TOKEN, Account, FakeElectricityMaps, Hour
from gacli.carbon.fake.server import Fault, Reply
from gacli.carbon.http import Fetcher
from gacli.carbon.typical import TypicalSource
from gacli.core.carbon import Scope
from gacli.core.failover import Rules
from gacli.core.job import JobState

LEVELS = {"DE": 400.0, "FR": 390.0}


class Grid:
    """Two zones of nearly the same intensity all day; `odd` replaces what is said of the second one from then on."""

    def __init__(self) -> None:
        self.odd: Hour | None = None
        self.odd_from: datetime | None = None

    def __call__(self, zone: str, at: datetime) -> Hour | None:
        if zone == "FR" and self.odd_from is not None and at >= self.odd_from:
            return None if self.odd is None else Hour(at=at, intensity_g_per_kwh=self.odd.intensity_g_per_kwh)
        return Hour(at=at, intensity_g_per_kwh=LEVELS[zone] + at.hour)


class Scene:
    """A job at DE whose carbon intensity comes from the server, beside a cleaner-looking table for when it fails."""

    def __init__(self, root: Path) -> None:
        self.grid = Grid()
        self.one = World(
            root=root,
            carbon=HourlySource({}),
            sites=(site("here", "DE"), site("there", "FR")),
            model=TrainerModel(steps_per_s=0.1, total_steps=100_000, checkpoint_every_steps=10),
            start_at="here",
            tick_s=30.0,
        )
        clock = self.one.clock
        self.server = FakeElectricityMaps(self.grid, epoch_s=clock.epoch_s)
        fetcher = Fetcher(MemoryAnswers(), epoch_s=clock.epoch_s, timeout_s=0.3, deadline_s=1.0)
        source = ElectricityMapsSource(
            fetcher,
            token=DEMO_TOKEN,
            base_url=self.server.url,
            version="v3",
            scope=Scope.LIFECYCLE,
            epoch_s=clock.epoch_s,
        )
        self.one.chain = Chain([source, TypicalSource()], rules=Rules(max_age_s=2 * HOUR_S, hold_off_s=1800.0))
        self.one.controller = self.one.new_controller()

    def warnings(self) -> list[str]:
        return [str(e.body["message"]) for e in self.one.events("warning") if e.body["about"] == "carbon"]

    def assert_stayed(self) -> None:
        assert (self.one.where(), self.one.state) == ("here", JobState.RUNNING)
        assert {placement.purpose for placement in self.one.placements} == {"start"}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    with scene.server:
        scene.one.run_for(1200)
        scene.assert_stayed()
        assert scene.warnings() == []
        yield scene


ROW = {"zone": "FR", "datetime": "2024-06-01T00:00:00.000Z", "updatedAt": "2024-06-01T00:00:00.000Z",
       "emissionFactorType": "lifecycle", "isEstimated": False, "estimationMethod": None,
       "temporalGranularity": "hourly"}  # fmt: skip

FAULTS = {
    "token refused": Fault(reply=Reply(status=401, body={"error": "Invalid auth-token"})),
    "plan denies": Fault(reply=Reply(status=401, body={"message": "Your plan has no access to this zone"})),
    "too many requests": Fault(reply=Reply(status=429, body={"error": "slow down"}, headers={"Retry-After": "1"})),
    "no data as 404": Fault(reply=Reply(status=404, body={"error": 'No recent data for zone "FR"'})),
    "no data with 200": Fault(reply=Reply(body={"error": 'No recent data for zone "FR"'})),
    "bad request": Fault(reply=Reply(status=400, body={"status": "error", "message": "what?"})),
    "internal error": Fault(reply=Reply(status=500, body="<html>oops</html>")),
    "unavailable": Fault(reply=Reply(status=503, body="")),
    "page instead of JSON": Fault(reply=Reply(body="<html>log in</html>")),
    "list instead of an object": Fault(reply=Reply(body=[1, 2, 3])),
    "nothing": Fault(reply=Reply(body="")),
    "null": Fault(reply=Reply(body=None)),
    "field missing": Fault(reply=Reply(body=ROW)),
    "value null": Fault(reply=Reply(body={**ROW, "carbonIntensity": None})),
    "value text": Fault(reply=Reply(body={**ROW, "carbonIntensity": "12"})),
    "value negative": Fault(reply=Reply(body={**ROW, "carbonIntensity": -5})),
    "value absurd": Fault(reply=Reply(body={**ROW, "carbonIntensity": 99999})),
    "value true": Fault(reply=Reply(body={**ROW, "carbonIntensity": True})),
    "sandbox": Fault(reply=Reply(body={**ROW, "carbonIntensity": 12, "_disclaimer": "randomised"})),
    "sandbox method": Fault(
        reply=Reply(body={**ROW, "carbonIntensity": 12, "isEstimated": True, "estimationMethod": "SANDBOX_MODE_DATA"})
    ),
    "other zone": Fault(reply=Reply(body={**ROW, "zone": "NO", "carbonIntensity": 12})),
    "other factors": Fault(reply=Reply(body={**ROW, "emissionFactorType": "direct", "carbonIntensity": 12})),
    "time without a zone": Fault(reply=Reply(body={**ROW, "datetime": "yesterday", "carbonIntensity": 12})),
    "cut": Fault(cut_bytes=20),
    "slow": Fault(delay_s=3.0),
    "dripping": Fault(drip_s=0.2),
    "elsewhere": Fault(reply=Reply(status=302, headers={"Location": "http://127.0.0.1:1/"})),
    "clock of the server wrong": Fault(headers={"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}),
}


@pytest.mark.prove
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_answers_that_cannot_be_used_move_nothing(scene: Scene, fault: Fault) -> None:
    scene.server.fail(fault, times=12)
    scene.one.run_for(1200)
    scene.assert_stayed()
    scene.one.run_for(2 * HOUR_S)
    scene.assert_stayed()
    newest = scene.one.events("carbon")[-1].body["zones"]
    assert isinstance(newest, dict)
    assert newest["FR"]["source"] == "electricitymaps"  # it is taken back when all is well again


@pytest.mark.parametrize("value", [0.0, 3.0, 1999.0, None], ids=["zero", "nearly nothing", "huge", "null"])
def test_values_that_cannot_be_move_nothing(scene: Scene, value: float | None) -> None:
    scene.grid.odd_from = scene.one.clock.now()
    scene.grid.odd = Hour(at=scene.one.clock.now(), intensity_g_per_kwh=value)
    scene.one.run_for(4 * HOUR_S)
    scene.assert_stayed()
    assert any("FR: carbon intensity from typical" in message for message in scene.warnings())


def test_data_that_is_late_moves_nothing(scene: Scene) -> None:
    scene.grid.odd_from = scene.one.clock.now()
    scene.one.run_for(5 * HOUR_S)
    scene.assert_stayed()
    assert any("FR: carbon intensity from typical (electricitymaps:" in message for message in scene.warnings())


def test_token_that_expires_in_mid_run_is_told_and_moves_nothing(scene: Scene) -> None:
    scene.server.account = Account(token="another")
    scene.one.run_for(4 * HOUR_S)
    scene.assert_stayed()
    told = "\n".join(scene.warnings())
    assert "carbon intensity from typical" in told
    assert DEMO_TOKEN not in told
