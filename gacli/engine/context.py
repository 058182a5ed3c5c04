"""What every part of the engine works with: the plan, the ports, and the job's journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gacli.carbon.chain import Chain
from gacli.core.decision import Policy
from gacli.core.job import JobState
from gacli.core.site import Site
from gacli.engine.tasks import Tasks
from gacli.folders import Folders
from gacli.ports.clock import Clock
from gacli.ports.machine import Machine, WorkSpec
from gacli.ports.provider import Instance, Provider
from gacli.store import Store
from gacli.store.jobs import JobRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPlan:
    """The configuration as the engine needs it.

    Real time: grace_s, sample_s, lifetime_s (of an instance), lease_s (None: none is agreed). On the job's clock:
    poll_s, max_age_s, fetch_s, deadline_s (from the job's start; None without one). start_at: a site's name, or None
    for the cleanest. restarts: starts after a crash
    without new steps in between before the job is failed.
    """

    sites: tuple[Site, ...]
    work: WorkSpec
    command: str
    signal: str
    grace_s: float
    sample_s: float
    lifetime_s: float
    lease_s: float | None
    poll_s: float
    max_age_s: float
    fetch_s: float
    restarts: int
    start_at: str | None
    deadline_s: float | None = None

    def site(self, name: str) -> Site:
        """KeyError when the fleet has no such site."""
        for site in self.sites:
            if site.name == name:
                return site
        raise KeyError(name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """The job, its plan and the ports.

    store_id: of the state folder. providers: by provider name. connect: to an instance with an endpoint.
    """

    job_id: str
    plan: JobPlan
    store: Store
    store_id: str
    clock: Clock
    carbon: Chain
    policy: Policy
    providers: Mapping[str, Provider]
    connect: Callable[[Instance], Machine]
    forget: Callable[[str], None]
    tasks: Tasks
    folders: Folders

    def job(self) -> JobRecord:
        return self.store.jobs.get(self.job_id)

    def now(self) -> datetime:
        return self.clock.now()

    def later(self, real_s: float) -> datetime:
        """The job's clock `real_s` real seconds from now."""
        return self.clock.now() + timedelta(seconds=real_s * self.clock.scale)

    def provider(self, site: str) -> Provider:
        return self.providers[self.plan.site(site).provider]

    def event(self, kind: str, **body: object) -> None:
        """Tell everybody who watches. Times in `body` are ISO 8601 text."""
        self.store.journal.event(self.job_id, self.clock.now(), self.clock.epoch_s(), kind, body)

    def set_state(self, state: JobState, detail: str = "") -> None:
        """Change the job's state and tell; repeating the present one with the same detail does nothing."""
        job = self.job()
        if (job.state, job.detail) == (state, detail):
            return
        finished = self.clock.epoch_s() if state.final else None
        with self.store.transaction():
            self.store.jobs.set_state(self.job_id, state, detail, finished_epoch_s=finished)
            self.event("job", state=state.value, detail=detail, generation=job.generation)
