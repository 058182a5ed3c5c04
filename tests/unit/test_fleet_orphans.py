"""Which instances are orphans, decided from values, and how they are removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.engine import START, site
from typing_extensions import override

from ga_playbooks.fake_machine import FakeDisk, FakeMachine
from ga_playbooks.fake_trainer import TrainerModel
from ga_providers.fake import FakeProvider
from gacli.clock import ManualClock
from gacli.core.job import JobState
from gacli.core.site import Site
from gacli.engine.orphans import Known, Outcome, Place, Use, lost, sweep, verdict
from gacli.errors import GaError
from gacli.ports.machine import Machine
from gacli.ports.provider import Instance, InstanceState
from gacli.store.instances import Accounting, Holding, InstanceRecord

OURS, THEIRS = "5a5a", "beef"
AT = datetime(2024, 6, 1, tzinfo=UTC)


def row(state: Holding, *, instance_id: str = "job-1-a-1", job_id: str = "job-1") -> InstanceRecord:
    return InstanceRecord(
        instance_id=instance_id,
        job_id=job_id,
        site="a",
        state=state,
        phase=Accounting.IDLE,
        generation=1,
        requested_at=AT,
        accounted_until=AT,
    )


def known(jobs: dict[str, JobState], *rows: InstanceRecord) -> Known:
    return Known(store_id=OURS, jobs=jobs, instances={one.instance_id: one for one in rows})


def tagged(owner: str | None, *, instance_id: str = "job-1-a-1", job_id: str = "job-1") -> Instance:
    store = {} if owner is None else {"ga-store": owner}
    return Instance(instance_id=instance_id, site="a", state=InstanceState.READY, tags={**store, "ga-job": job_id})


RUNNING = {"job-1": JobState.RUNNING}
DONE = {"job-1": JobState.DONE}

CASES: list[tuple[str, Instance, Known, Use, str]] = [
    ("asked for", tagged(OURS), known(RUNNING, row(Holding.REQUESTED)), Use.IN_USE, "job-1 (running) has asked for it"),
    ("held", tagged(OURS), known(RUNNING, row(Holding.HELD)), Use.IN_USE, "job-1 (running) holds it"),
    (
        "given back",
        tagged(OURS),
        known(RUNNING, row(Holding.RELEASING)),
        Use.RELEASING,
        "job-1 (running) gives it back",
    ),
    (
        "held while blocked",
        tagged(OURS),
        known({"job-1": JobState.BLOCKED}, row(Holding.HELD)),
        Use.IN_USE,
        "job-1 (blocked) holds it",
    ),
    (
        "given back before a pause",
        tagged(OURS),
        known({"job-1": JobState.PAUSING}, row(Holding.RELEASING)),
        Use.RELEASING,
        "job-1 (pausing) gives it back",
    ),
    (
        "taken for gone",
        tagged(OURS),
        known(RUNNING, row(Holding.GONE)),
        Use.ORPHAN,
        "job-1 (running) takes it for gone",
    ),
    ("never asked for", tagged(OURS), known(RUNNING), Use.ORPHAN, "job-1 (running) never asked for it"),
    ("job is done", tagged(OURS), known(DONE, row(Holding.GONE)), Use.ORPHAN, "job-1 is over (done)"),
    ("held by a job that is done", tagged(OURS), known(DONE, row(Holding.HELD)), Use.ORPHAN, "job-1 is over (done)"),
    (
        "asked for by a job that has failed",
        tagged(OURS),
        known({"job-1": JobState.FAILED}, row(Holding.REQUESTED)),
        Use.ORPHAN,
        "job-1 is over (failed)",
    ),
    ("job unknown", tagged(OURS), known({}), Use.ORPHAN, "the store has no job job-1"),
    (
        "no job",
        Instance(instance_id="x", site="a", state=InstanceState.READY, tags={"ga-store": OURS}),
        known(RUNNING),
        Use.ORPHAN,
        "it belongs to no job",
    ),
    ("another store's", tagged(THEIRS), known({}), Use.FOREIGN, f"made by the ga whose store is {THEIRS}"),
    (
        "another store's of the same name",
        tagged(THEIRS),
        known(RUNNING, row(Holding.HELD)),
        Use.FOREIGN,
        f"made by the ga whose store is {THEIRS}",
    ),
    ("nobody's", tagged(None), known({}), Use.FOREIGN, "does not say whose it is"),
    ("untagged, held", tagged(None), known(RUNNING, row(Holding.HELD)), Use.IN_USE, "job-1 (running) holds it"),
    ("untagged, job is done", tagged(None), known(DONE, row(Holding.HELD)), Use.FOREIGN, "does not say whose it is"),
]


@pytest.mark.parametrize(("case", "instance", "store", "use", "because"), CASES, ids=[case[0] for case in CASES])
def test_whose_an_instance_is(case: str, instance: Instance, store: Known, use: Use, because: str) -> None:
    del case
    found = verdict(instance, store)
    assert (found.use, found.because) == (use, because)


# Few names, so that what is listed and what the store knows meet often.
_IDS = ("job-1-a-1", "job-1-a-2")
_INSTANCES = st.sampled_from(_IDS)
_JOBS = st.sampled_from(["job-1", "other-1"])
_STATES = st.sampled_from([None, *Holding])
_KNOWN = st.builds(
    lambda jobs, owners, states: known(
        {job: state for job, state in jobs.items() if state is not None},
        *(row(s, instance_id=i, job_id=j) for i, j, s in zip(_IDS, owners, states, strict=True) if s is not None),
    ),
    st.fixed_dictionaries({job: st.sampled_from([None, *JobState]) for job in ("job-1", "other-1")}),
    st.tuples(_JOBS, _JOBS),
    st.tuples(_STATES, _STATES),
)
_LISTED = st.builds(
    lambda owner, instance_id, job_id, state: replace(
        tagged(owner, instance_id=instance_id, job_id=job_id), state=state
    ),
    st.sampled_from([OURS, OURS, OURS, THEIRS, None]),
    _INSTANCES,
    _JOBS,
    st.sampled_from(InstanceState),
)


@given(instance=_LISTED, store=_KNOWN)
def test_never_what_an_unfinished_job_names_nor_what_is_not_ours(instance: Instance, store: Known) -> None:
    use = verdict(instance, store).use
    one = store.instances.get(instance.instance_id)
    job = None if one is None else store.jobs.get(one.job_id)
    needed = one is not None and one.state is not Holding.GONE and job is not None and not job.final
    ours = instance.tags.get("ga-store") == OURS
    assert (use is Use.ORPHAN) == (ours and not needed)


@given(store=_KNOWN, listed=st.lists(_INSTANCES))
def test_lost_is_what_unfinished_jobs_hold_and_nobody_lists(store: Known, listed: list[str]) -> None:
    expected = {
        one.instance_id
        for one in store.instances.values()
        if one.state is Holding.HELD and one.job_id in store.jobs and not store.jobs[one.job_id].final
    }
    assert {one.instance_id for one in lost(listed, store)} == expected - set(listed)


class SlowProvider(FakeProvider):
    """ends_after: looks at an instance until its end is done; `refusing` ones cannot be destroyed."""

    def __init__(self, ends_after: int = 0) -> None:
        super().__init__()
        self.ends_after = ends_after
        self.refusing: set[str] = set()
        self.destroyed: list[str] = []

    @override
    def describe(self, site: Site, instance_id: str) -> Instance:
        found = super().describe(site, instance_id)
        if found.state is InstanceState.DELETING:
            self.ends_after -= 1
            if self.ends_after < 0:
                self.set_state(instance_id, InstanceState.GONE)
        return found

    @override
    def destroy(self, site: Site, instance_id: str) -> None:
        if instance_id in self.refusing:
            raise GaError(f"{instance_id} will not go")
        self.destroyed.append(instance_id)
        self.set_state(instance_id, InstanceState.DELETING)


@dataclass
class Scene:
    """Leaked instances `job-1-a-<n>` of a job that is done, unless `store` says otherwise."""

    provider: SlowProvider = field(default_factory=SlowProvider)
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    disks: dict[str, FakeDisk] = field(default_factory=dict)
    cleared: list[tuple[str, str]] = field(default_factory=list)
    store: Known = field(default_factory=lambda: known(DONE))

    def leak(self, *numbers: int) -> list[tuple[Place, str]]:
        where = site("a", "A", capacity=9)
        for number in numbers:
            tags = {"ga-store": OURS, "ga-job": "job-1"}
            self.provider.create(where, f"job-1-a-{number}", tags, 600.0)
        place = Place(site=where, provider=self.provider, jobs=frozenset({"job-1"}))
        return [(place, f"job-1-a-{number}") for number in numbers]

    def sweep(
        self, orphans: list[tuple[Place, str]], look: Callable[[], Known] | None = None
    ) -> dict[str, tuple[Outcome, str]]:
        swept = sweep(orphans, known=look or (lambda: self.store), connect=self.connect, clock=self.clock)
        return {one.instance_id: (one.outcome, one.message) for one in swept}

    def connect(self, instance: Instance) -> Machine:
        scene = self

        class Noting(FakeMachine):
            @override
            def teardown(self, job_id: str) -> None:
                scene.cleared.append((instance.instance_id, job_id))

        model = TrainerModel(steps_per_s=1.0, total_steps=1, checkpoint_every_steps=1, save_s=0.0)
        return Noting(self.clock, model, self.disks.setdefault(instance.instance_id, FakeDisk()), label=instance.site)


def test_sweep_waits_until_the_provider_says_gone() -> None:
    scene = Scene(SlowProvider(ends_after=5))
    before = scene.clock.epoch_s()
    assert scene.sweep(scene.leak(1)) == {"job-1-a-1": (Outcome.GONE, "")}
    assert scene.clock.epoch_s() - before == pytest.approx(2.5, abs=1.0)


def test_sweep_says_what_takes_too_long() -> None:
    scene = Scene(SlowProvider(ends_after=10**9))
    assert scene.sweep(scene.leak(1)) == {"job-1-a-1": (Outcome.DELETING, "not gone after 600 s")}


def test_one_that_cannot_be_destroyed_does_not_save_the_others() -> None:
    scene = Scene()
    scene.provider.refusing = {"job-1-a-1"}
    swept = scene.sweep(scene.leak(1, 2))
    assert swept == {"job-1-a-1": (Outcome.FAILED, "job-1-a-1 will not go"), "job-1-a-2": (Outcome.GONE, "")}


def test_each_is_judged_again_when_its_turn_comes() -> None:
    """Between the question and the answer somebody started the job again, and it took over the second one."""
    scene = Scene()
    orphans = scene.leak(1, 2)
    answers = iter([known(DONE), known(RUNNING, row(Holding.REQUESTED, instance_id="job-1-a-2"))])
    swept = scene.sweep(orphans, lambda: next(answers))
    assert swept["job-1-a-1"] == (Outcome.GONE, "")
    assert swept["job-1-a-2"] == (Outcome.SPARED, "job-1 (running) has asked for it")
    assert scene.provider.destroyed == ["job-1-a-1"]


def test_one_that_is_gone_already_is_not_destroyed_again() -> None:
    scene = Scene()
    orphans = scene.leak(1)
    scene.provider.set_state("job-1-a-1", InstanceState.GONE)
    assert scene.sweep(orphans) == {"job-1-a-1": (Outcome.GONE, "")}
    assert scene.provider.destroyed == []


@pytest.mark.parametrize(
    ("store", "cleared"),
    [
        (known(DONE, row(Holding.GONE)), [("job-1-a-1", "job-1")]),
        # Its trainer may run on the same host under another claim.
        (known(RUNNING, row(Holding.GONE)), []),
        # Its only checkpoint may lie there.
        (known({}), []),
    ],
    ids=["over", "unfinished", "unknown"],
)
def test_only_what_a_finished_job_left_on_a_machine_is_cleared(store: Known, cleared: list[tuple[str, str]]) -> None:
    scene = Scene(store=store)
    assert scene.sweep(scene.leak(1)) == {"job-1-a-1": (Outcome.GONE, "")}
    assert scene.cleared == cleared
