"""All instances of this store, asked of every provider of every configuration that it knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gacli.config import build
from gacli.config.load import LoadedConfig
from gacli.core.site import Site
from gacli.engine import tags
from gacli.engine.assembly import installed_providers, loaded_of, make_provider
from gacli.engine.orphans import Known, Place, Use, known_of, lost, verdict
from gacli.errors import GaError
from gacli.folders import Folders
from gacli.ports.provider import Instance, InstanceState, Provider
from gacli.store import Store
from gacli.store.database import to_json, to_time
from gacli.store.instances import InstanceRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One instance. Times are real.

    state: None for one that is lost. job_id, generation: as its tags say, else as the store does. None where nobody
    tells. has_controller: None unless an unfinished job is concerned.
    """

    instance_id: str
    place: Place
    state: InstanceState | None
    use: Use
    because: str
    job_id: str | None
    generation: int | None
    created_at: datetime | None
    expires_at: datetime | None
    has_controller: bool | None

    def age_s(self, now: datetime) -> float | None:
        return None if self.created_at is None else max(0.0, (now - self.created_at).total_seconds())

    def price_usd(self, now: datetime) -> float | None:
        """What it has cost by `now` at its site's price per hour."""
        age_s = self.age_s(now)
        return None if age_s is None else age_s / 3600.0 * self.place.site.price_usd_per_hour


@dataclass(frozen=True, kw_only=True, slots=True)
class Unasked:
    """What could not be looked at, and why. matters: instances may be there that are not listed."""

    what: str
    message: str
    matters: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What was found, those of one job together."""

    store_id: str
    entries: tuple[Entry, ...]
    unasked: tuple[Unasked, ...]


@dataclass(kw_only=True)
class Inventory:
    """Where instances may be. is_alive: whether a job has a controller."""

    store: Store
    store_id: str
    places: Sequence[Place]
    is_alive: Callable[[str], bool]
    unasked: Sequence[Unasked] = field(default=())

    def look(self) -> Survey:
        """Ask every provider at every place, then the store."""
        found: dict[tuple[str, str], tuple[Place, Instance]] = {}
        unasked, silent = list(self.unasked), []
        for place in self.places:
            try:
                listed = place.provider.list(place.site)
            except GaError as error:
                unasked.append(Unasked(what=f"{place.site.name} ({place.site.provider})", message=str(error)))
                silent.append(place)
                continue
            for instance in listed:
                key = (place.site.provider, instance.instance_id)
                # A site that changed from one configuration to the next: the job's own says where its instance is.
                if key not in found or instance.tags.get(tags.JOB, "") in place.jobs - found[key][0].jobs:
                    found[key] = (place, instance)
        known = self.known()
        gone = []
        for row in lost([instance_id for _, instance_id in found], known):
            own = self._place_of(row)
            if own is None or own in silent:
                continue
            try:
                # Made after its site was listed, perhaps: the provider's word on this one counts.
                instance = own.provider.describe(own.site, row.instance_id)
            except GaError as error:
                unasked.append(Unasked(what=row.instance_id, message=str(error)))
                continue
            if instance.state is InstanceState.GONE:
                gone.append(self._missing(own, row, known))
            else:
                found[own.site.provider, row.instance_id] = (own, instance)
        entries = [self._entry(place, instance, known) for place, instance in found.values()]
        order = sorted([*entries, *gone], key=lambda entry: (entry.job_id or "", entry.instance_id))
        return Survey(store_id=self.store_id, entries=tuple(order), unasked=tuple(unasked))

    def known(self) -> Known:
        """What the store says now."""
        return known_of(self.store, self.store_id)

    def _place_of(self, row: InstanceRecord) -> Place | None:
        own = (place for place in self.places if row.job_id in place.jobs and place.site.name == row.site)
        return next(own, None)

    def _entry(self, place: Place, instance: Instance, known: Known) -> Entry:
        found, row = verdict(instance, known), known.instances.get(instance.instance_id)
        if found.use is Use.FOREIGN:
            row = None
        tagged = instance.tags.get(tags.GENERATION, "")
        return Entry(
            instance_id=instance.instance_id,
            place=place,
            state=instance.state,
            use=found.use,
            because=found.because,
            job_id=instance.tags.get(tags.JOB) or (None if row is None else row.job_id),
            generation=int(tagged) if tagged.isdecimal() else None if row is None else row.generation,
            created_at=instance.created_at or (None if row is None else self._requested_at(row)),
            expires_at=_time_of(instance.tags.get(tags.EXPIRES)),
            has_controller=None if row is None else self._has_controller(row.job_id, known),
        )

    def _missing(self, place: Place, row: InstanceRecord, known: Known) -> Entry:
        return Entry(
            instance_id=row.instance_id,
            place=place,
            state=None,
            use=Use.LOST,
            because=f"{row.job_id} ({known.jobs[row.job_id]}) holds it, {place.site.provider} does not know it",
            job_id=row.job_id,
            generation=row.generation,
            created_at=self._requested_at(row),
            expires_at=None,
            has_controller=self._has_controller(row.job_id, known),
        )

    def _has_controller(self, job_id: str, known: Known) -> bool | None:
        return self.is_alive(job_id) if known.unfinished(job_id) else None

    def _requested_at(self, row: InstanceRecord) -> datetime:
        """The store has it on the job's clock."""
        job = self.store.jobs.get(row.job_id)
        real_s = (row.requested_at - job.clock_start).total_seconds() / job.clock_scale
        return datetime.fromtimestamp(job.clock_epoch_s + real_s, UTC)


def places_of(store: Store, folders: Folders, extra: LoadedConfig | None) -> tuple[list[Place], list[Unasked]]:
    """Every site of `extra` and of every job's configuration, and those that nobody can be asked about."""
    jobs_at: dict[tuple[str, str, str], set[str]] = {}
    sites: dict[tuple[str, str, str], Site] = {}
    fleets: dict[tuple[str, str], tuple[Site, ...]] = {}
    unasked: list[Unasked] = []

    def add(fleet: Sequence[Site], jobs: set[str]) -> None:
        for site in fleet:
            key = (site.provider, site.name, to_json(dict(site.options)))
            sites.setdefault(key, site)
            jobs_at.setdefault(key, set()).update(jobs)

    if extra is not None:
        add(build.sites(extra.config), set())
    for job in store.jobs.all():
        text = (job.config_sha256, job.config_path)
        try:
            if text not in fleets:
                fleets[text] = build.sites(loaded_of(job).config)
        except GaError as error:
            # A job that is over held nothing when it ended, so far as its controller knew.
            what = f"the configuration of {job.job_id}"
            unasked.append(Unasked(what=what, message=error.message, matters=not job.state.final))
            continue
        add(fleets[text], {job.job_id})
    installed = installed_providers()
    providers: dict[str, Provider] = {}
    places = []
    for key, site in sites.items():
        if site.provider not in installed:
            message = f"provider {site.provider} is not installed"
            unasked.append(Unasked(what=f"{site.name} ({site.provider})", message=message))
            continue
        if site.provider not in providers:
            providers[site.provider] = make_provider(installed[site.provider], folders)
        places.append(Place(site=site, provider=providers[site.provider], jobs=frozenset(jobs_at[key])))
    return places, unasked


def _time_of(text: str | None) -> datetime | None:
    try:
        return None if text is None else to_time(text)
    except ValueError:
        return None
