"""Instances that nobody needs any more: told from the others by values alone, and removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gacli.core.job import JobState
from gacli.core.site import Site
from gacli.engine import tags
from gacli.errors import GaError
from gacli.ports.clock import Clock
from gacli.ports.machine import Machine
from gacli.ports.provider import Instance, InstanceState, Provider
from gacli.store import Store
from gacli.store.instances import Holding, InstanceRecord

# Real seconds between two looks at what is being deleted, and until it is left to whoever looks next.
_LOOK_S: Final = 0.5
_GONE_WITHIN_S: Final = 600.0


class Use(StrEnum):
    """What an instance is to us.

    IN_USE, RELEASING: an unfinished job's, whether its controller lives or not. ORPHAN: ours, and no unfinished job's.
    LOST: an unfinished job holds it, and its provider does not know it any more. FOREIGN: another store's, or nobody's.
    """

    IN_USE = "in use"
    RELEASING = "releasing"
    ORPHAN = "orphan"
    LOST = "lost"
    FOREIGN = "other store"


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the store says of every job (by id) and every instance it ever asked for (by id)."""

    store_id: str
    jobs: Mapping[str, JobState]
    instances: Mapping[str, InstanceRecord]

    def unfinished(self, job_id: str) -> bool:
        state = self.jobs.get(job_id)
        return state is not None and not state.final

    def wanted(self, instance_id: str) -> InstanceRecord | None:
        """The instance's row as long as an unfinished job has asked for it, holds it, or is giving it back."""
        row = self.instances.get(instance_id)
        if row is None or row.state is Holding.GONE or not self.unfinished(row.job_id):
            return None
        return row


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """because: the reason, a few words."""

    use: Use
    because: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A site as some configuration describes it, and who provides it. jobs: those whose configuration it is."""

    site: Site
    provider: Provider
    jobs: frozenset[str]


class Outcome(StrEnum):
    """What became of an orphan. SPARED: when its turn came it was none any more. DELETING: its provider takes long."""

    GONE = "gone"
    DELETING = "deleting"
    SPARED = "spared"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Swept:
    instance_id: str
    outcome: Outcome
    message: str = ""


def known_of(store: Store, store_id: str) -> Known:
    """What the store says now. Ask the providers first: what they list was in the store before it was made."""
    jobs = {job.job_id: job.state for job in store.jobs.all()}
    rows = [row for job_id in jobs for row in store.instances.of_job(job_id, gone=True)]
    return Known(store_id=store_id, jobs=jobs, instances={row.instance_id: row for row in rows})


def verdict(instance: Instance, known: Known) -> Verdict:
    """Whose an instance is that a provider lists."""
    owner = instance.tags.get(tags.STORE)
    if owner is not None and owner != known.store_id:
        return Verdict(use=Use.FOREIGN, because=f"made by the ga whose store is {owner}")
    row = known.wanted(instance.instance_id)
    if row is not None:
        job = f"{row.job_id} ({known.jobs[row.job_id]})"
        match row.state:
            case Holding.RELEASING:
                return Verdict(use=Use.RELEASING, because=f"{job} gives it back")
            case Holding.REQUESTED:
                return Verdict(use=Use.IN_USE, because=f"{job} has asked for it")
            case _:
                return Verdict(use=Use.IN_USE, because=f"{job} holds it")
    if owner is None:
        return Verdict(use=Use.FOREIGN, because="does not say whose it is")
    return Verdict(use=Use.ORPHAN, because=_why_nobody_needs(instance, known))


def lost(listed: Sequence[str], known: Known) -> list[InstanceRecord]:
    """What unfinished jobs hold according to the store, and no provider lists. listed: instance ids."""
    missing = known.instances.keys() - set(listed)
    rows = [row for name in sorted(missing) if (row := known.wanted(name)) is not None]
    return [row for row in rows if row.state is Holding.HELD]


def sweep(
    orphans: Sequence[tuple[Place, str]],
    *,
    known: Callable[[], Known],
    connect: Callable[[Instance], Machine],
    clock: Clock,
) -> list[Swept]:
    """Destroy instances (by place and id), each judged again when its turn comes, and wait until they are gone."""
    swept: dict[str, Swept] = {}
    waiting: list[tuple[Place, str]] = []
    for place, instance_id in orphans:
        try:
            spared = _destroy(place, instance_id, known, connect)
        except GaError as error:
            swept[instance_id] = Swept(instance_id=instance_id, outcome=Outcome.FAILED, message=str(error))
            continue
        if spared is None:
            waiting.append((place, instance_id))
        else:
            swept[instance_id] = Swept(instance_id=instance_id, outcome=Outcome.SPARED, message=spared.because)
    swept |= _await_end(waiting, clock)
    return [swept[instance_id] for _, instance_id in orphans]


def _why_nobody_needs(instance: Instance, known: Known) -> str:
    row = known.instances.get(instance.instance_id)
    job_id = row.job_id if row is not None else instance.tags.get(tags.JOB, "")
    state = known.jobs.get(job_id)
    if state is None:
        return f"the store has no job {job_id}" if job_id else "it belongs to no job"
    if state.final:
        return f"{job_id} is over ({state})"
    return f"{job_id} ({state}) " + ("never asked for it" if row is None else "takes it for gone")


def _destroy(
    place: Place, instance_id: str, known: Callable[[], Known], connect: Callable[[Instance], Machine]
) -> Verdict | None:
    """Ask for the instance's end; None when it is on its way, else why it is spared after all."""
    instance = place.provider.describe(place.site, instance_id)
    if instance.state is InstanceState.GONE:
        return None
    now = known()
    found = verdict(instance, now)
    if found.use is not Use.ORPHAN:
        return found
    job_id = instance.tags.get(tags.JOB, "")
    # A host outlives the claim on it: what a finished job left there is cleared away, as its controller would have
    # done. Of a job that the store does not know, the only checkpoint may lie there.
    if instance.endpoint is not None and job_id in now.jobs and not now.unfinished(job_id):
        with suppress(GaError):
            machine = connect(instance)
            try:
                machine.teardown(job_id)
            finally:
                machine.close()
    place.provider.destroy(place.site, instance_id)
    return None


def _await_end(waiting: list[tuple[Place, str]], clock: Clock) -> dict[str, Swept]:
    """Until the providers say that all are gone, or time is up."""
    ended: dict[str, Swept] = {}
    give_up_at = clock.epoch_s() + _GONE_WITHIN_S
    while True:
        trouble = ""
        for place, instance_id in waiting:
            if instance_id in ended:
                continue
            try:
                state = place.provider.describe(place.site, instance_id).state
            except GaError as error:
                # Nothing is known until the provider answers again.
                trouble = str(error)
                continue
            if state is InstanceState.GONE:
                ended[instance_id] = Swept(instance_id=instance_id, outcome=Outcome.GONE)
        late = [instance_id for _, instance_id in waiting if instance_id not in ended]
        if not late:
            return ended
        if clock.epoch_s() >= give_up_at:
            message = trouble or f"not gone after {_GONE_WITHIN_S:.0f} s"
            return ended | {name: Swept(instance_id=name, outcome=Outcome.DELETING, message=message) for name in late}
        clock.wait(_LOOK_S)
