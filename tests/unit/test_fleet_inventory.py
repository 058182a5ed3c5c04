"""What `ga fleet` finds: providers asked at every place, held against the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from support.engine import site
from typing_extensions import override

from ga_providers.fake import FakeProvider
from gacli.core.job import JobState
from gacli.core.site import Site
from gacli.engine.inventory import Entry, Inventory, Survey
from gacli.engine.orphans import Place, Use
from gacli.errors import GaError
from gacli.ports.provider import Instance
from gacli.store import Store
from gacli.store.instances import Holding

OURS = "5a5a"
REAL = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY_S = 86400.0


class DeafProvider(FakeProvider):
    """Cannot be asked at the sites in `deaf`."""

    def __init__(self) -> None:
        super().__init__()
        self.deaf: set[str] = set()

    @override
    def list(self, site: Site) -> list[Instance]:
        if site.name in self.deaf:
            raise GaError(f"{site.name}: no answer")
        return super().list(site)


@dataclass
class Scene:
    """A store whose jobs began at REAL, on a clock 60 times as fast; sites `a` (2 USD/h) and `b`."""

    store: Store = field(default_factory=lambda: Store(None))
    provider: DeafProvider = field(default_factory=DeafProvider)
    controlled: set[str] = field(default_factory=set)

    def job(self, name: str, state: JobState = JobState.RUNNING) -> str:
        job = self.store.jobs.create(
            name=name, config_path="", config_text="", config_sha256="", clock_epoch_s=REAL.timestamp(),
            clock_start=datetime(2024, 6, 1, tzinfo=UTC), clock_scale=60.0,
        )  # fmt: skip
        assert job is not None
        self.store.jobs.set_state(job.job_id, state, "")
        return job.job_id

    def hold(self, job_id: str, site_name: str, state: Holding = Holding.HELD, *, after_s: float = 0.0) -> str:
        """A row, asked for so many real seconds after the job began."""
        at = datetime(2024, 6, 1, tzinfo=UTC) + timedelta(seconds=60 * after_s)
        instance_id = f"{job_id}-{site_name}-{self.store.instances.count_at(job_id, site_name) + 1}"
        self.store.instances.request(instance_id=instance_id, job_id=job_id, site=site_name, generation=3, at=at)
        self.store.instances.set_state(instance_id, state, at)
        return instance_id

    def make(self, instance_id: str, site_name: str, **tags: str) -> None:
        where = {place.name: place for place in self.sites()}[site_name]
        self.provider.create(where, instance_id, {f"ga-{key}": value for key, value in tags.items()}, DAY_S)

    def sites(self) -> tuple[Site, ...]:
        cheap = site("b", "B", capacity=9)
        return (Site(name="a", provider="fake", zone="A", pue=1.0, power=cheap.power, price_usd_per_hour=2.0), cheap)

    def look(self, *jobs: str, places: Sequence[Place] | None = None) -> Survey:
        own = [Place(site=one, provider=self.provider, jobs=frozenset(jobs)) for one in self.sites()]
        inventory = Inventory(
            store=self.store,
            store_id=OURS,
            places=own if places is None else places,
            is_alive=self.controlled.__contains__,
        )
        return inventory.look()


def by_id(survey: Survey) -> dict[str, Entry]:
    return {entry.instance_id: entry for entry in survey.entries}


def test_everything_that_there_is_to_find() -> None:
    scene = Scene()
    running, done = scene.job("run"), scene.job("old", JobState.DONE)
    scene.controlled = {running}
    held, releasing = scene.hold(running, "a"), scene.hold(running, "b", Holding.RELEASING)
    missing = scene.hold(running, "b", after_s=90)
    scene.hold(running, "b", Holding.REQUESTED)
    scene.hold(done, "a", Holding.HELD)
    scene.make(held, "a", store=OURS, job=running, generation="3", expires="2026-03-08T12:00:00.000000Z")
    scene.make(releasing, "b", store=OURS, job=running)
    scene.make("old-1-b-1", "b", store=OURS, job=done, generation="2")
    scene.make("else-1-b-1", "b", store="beef", job="else-1")
    found = by_id(scene.look(running, done))
    assert {name: entry.use for name, entry in found.items()} == {
        held: Use.IN_USE,
        releasing: Use.RELEASING,
        missing: Use.LOST,
        "old-1-b-1": Use.ORPHAN,
        "else-1-b-1": Use.FOREIGN,
    }
    assert found[held].generation == 3
    assert found[held].expires_at == datetime(2026, 3, 8, 12, tzinfo=UTC)
    assert (found[held].has_controller, found[missing].has_controller) == (True, True)
    assert (found["old-1-b-1"].has_controller, found["else-1-b-1"].has_controller) == (None, None)
    assert (found["old-1-b-1"].generation, found["else-1-b-1"].job_id) == (2, "else-1")


def test_age_and_price_are_real_even_when_the_job_is_a_replay() -> None:
    scene = Scene()
    job = scene.job("run")
    held = scene.hold(job, "a", after_s=1800)
    scene.make(held, "a", store=OURS, job=job)
    entry = by_id(scene.look(job))[held]
    now = REAL + timedelta(hours=2)
    assert entry.created_at == REAL + timedelta(minutes=30)
    assert entry.age_s(now) == pytest.approx(5400)
    assert entry.price_usd(now) == pytest.approx(3.0)
    assert entry.has_controller is False


def test_an_orphan_whose_age_nobody_knows_has_no_price() -> None:
    scene = Scene()
    scene.make("x-1-a-1", "a", store=OURS, job="x-1")
    entry = by_id(scene.look())["x-1-a-1"]
    assert (entry.use, entry.age_s(REAL), entry.price_usd(REAL)) == (Use.ORPHAN, None, None)


def test_a_place_that_cannot_be_asked_hides_neither_the_others_nor_itself() -> None:
    scene = Scene()
    job = scene.job("run")
    here, there = scene.hold(job, "a"), scene.hold(job, "b")
    scene.make(here, "a", store=OURS, job=job)
    scene.make(there, "b", store=OURS, job=job)
    scene.provider.deaf = {"b"}
    survey = scene.look(job)
    # Nothing is said of what stands there: it is not lost.
    assert list(by_id(survey)) == [here]
    assert [(one.what, one.message, one.matters) for one in survey.unasked] == [("b (fake)", "b: no answer", True)]


def test_made_while_looking_is_not_lost() -> None:
    """The site was listed before the instance was made, and the store read after."""
    scene = Scene()
    job = scene.job("run")

    class Late(DeafProvider):
        @override
        def list(self, site: Site) -> list[Instance]:
            listed = super().list(site)
            if site.name == "b" and not listed:
                scene.make(scene.hold(job, "b"), "b", store=OURS, job=job)
            return listed

    scene.provider = Late()
    assert [(entry.instance_id, entry.use) for entry in scene.look(job).entries] == [("run-1-b-1", Use.IN_USE)]


def test_the_jobs_own_configuration_says_where_its_instance_is() -> None:
    """Two configurations describe site `a`; both list the instance, which is shown once, at its job's."""
    scene = Scene()
    job = scene.job("run")
    scene.make(scene.hold(job, "a"), "a", store=OURS, job=job)
    newer, own = (
        Place(
            site=Site(
                name="a", provider="fake", zone="A", pue=1.0, power=scene.sites()[0].power, options={"host": host}
            ),
            provider=scene.provider,
            jobs=frozenset(jobs),
        )
        for host, jobs in (("new", ["else-1"]), ("old", [job]))
    )
    (entry,) = scene.look(places=[newer, own]).entries
    assert entry.place.site.options == {"host": "old"}
