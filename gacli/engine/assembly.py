"""Puts a job's controller together from its stored configuration and the installed providers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol

from gacli.clock import Anchor, SystemClock
from gacli.config import build
from gacli.config.carbon_sources import Services, carbon_chain
from gacli.config.load import LoadedConfig, parse
from gacli.config.problems import Problem
from gacli.engine.context import Context, JobPlan
from gacli.engine.tags import store_id
from gacli.engine.tasks import ThreadTasks
from gacli.errors import ConfigError, GaError
from gacli.folders import Folders
from gacli.ports.machine import Machine, WorkSpec
from gacli.ports.provider import Instance, Provider
from gacli.store import Store
from gacli.store.answers import StoredAnswers
from gacli.store.jobs import JobRecord
from gacli.transport.keys import key_pair
from gacli.transport.pins import Pins


class ProviderClass(Protocol):
    """What an entry point of `ga.providers` names; see `gacli.ports.provider.Provider`."""

    def __call__(self, **arguments: object) -> Provider: ...


def secrets_of(loaded: LoadedConfig, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that the configuration takes over. ConfigError when one is not set."""
    missing = [
        Problem(loc=("secrets", index), text=f"{name} is not set in the environment that ga was called in")
        for index, name in enumerate(loaded.config.secrets)
        if name not in environment
    ]
    if missing:
        raise loaded.error(*missing)
    return {name: environment[name] for name in loaded.config.secrets}


def plan_of(loaded: LoadedConfig, job_id: str, secrets: Mapping[str, str] | None = None) -> JobPlan:
    """The configuration as the engine needs it. secrets: needed by whoever starts something."""
    config = loaded.config
    return JobPlan(
        sites=build.sites(config),
        work=WorkSpec(
            job_id=job_id,
            work_folder=loaded.work_folder,
            exclude=config.exclude,
            setup=config.setup,
            env=config.env,
            secrets=secrets or {},
            checkpoint_path=config.checkpoint.path,
        ),
        command=config.run,
        signal=config.checkpoint.signal,
        grace_s=config.checkpoint.grace,
        sample_s=config.sample,
        lifetime_s=config.lifetime,
        lease_s=config.lease,
        deadline_s=config.deadline,
        poll_s=config.carbon.poll,
        max_age_s=config.carbon.max_age,
        fetch_s=config.checkpoint.fetch,
        restarts=config.restarts,
        start_at=None if config.start_at == "cleanest" else config.start_at,
    )


def installed_providers() -> dict[str, EntryPoint]:
    """By name."""
    return {entry.name: entry for entry in entry_points(group="ga.providers")}


def make_provider(entry: EntryPoint, folders: Folders) -> Provider:
    """The driver, on its own folder below the state folder and with ga's key pair."""
    provider_class: ProviderClass = entry.load()
    keys = key_pair(folders.root)
    folder = folders.provider(entry.name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return provider_class(state_folder=folder, public_key=keys.public_key, key_file=keys.key_file)


def providers_of(loaded: LoadedConfig, folders: Folders) -> dict[str, Provider]:
    """The providers that the fleet names, with every site's options checked. ConfigError names file, line and key."""
    installed = installed_providers()
    providers: dict[str, Provider] = {}
    for index, site in enumerate(build.sites(loaded.config)):
        if site.provider not in providers:
            if site.provider not in installed:
                where = loaded.where(("sites", index, "provider"))
                raise ConfigError(
                    f'{where}: sites[{index}].provider: found "{site.provider}", installed are: '
                    + ", ".join(sorted(installed)),
                    hint="correct the name, or install the package that has this provider",
                )
            providers[site.provider] = make_provider(installed[site.provider], folders)
        try:
            providers[site.provider].check(site)
        except ConfigError as error:
            raise build.site_options_error(loaded, site.name, error) from None
    return providers


def connector(folders: Folders) -> Callable[[Instance], Machine]:
    """How the engine reaches instances: SSH with pinned host keys, and the playbooks on top."""
    from ga_playbooks.remote_machine import RemoteMachine
    from gacli.transport.ssh import SshHost

    pins = Pins(folders.pins)

    def connect(instance: Instance) -> Machine:
        if instance.endpoint is None:
            raise GaError(f"instance {instance.instance_id} at {instance.site} has no address yet")
        return RemoteMachine(SshHost(instance.endpoint, pins=pins, label=instance.site))

    return connect


def services_of(folders: Folders) -> Services:
    """What sources that are asked over the network share, for every job and command of this state folder."""
    folders.make()
    return Services(answers=StoredAnswers(folders.answers), environment=os.environ)


def loaded_of(job: JobRecord) -> LoadedConfig:
    """The job's configuration as it was when the job was created."""
    return parse(job.config_text, Path(job.config_path))


def clock_of(job: JobRecord) -> SystemClock:
    """The job's clock: the same mapping in every process."""
    return SystemClock(Anchor(epoch_s=job.clock_epoch_s, start=job.clock_start, scale=job.clock_scale))


def context_of(store: Store, job_id: str, folders: Folders) -> Context:
    """Everything that a controller of this job works with, real ports."""
    job = store.jobs.get(job_id)
    loaded = loaded_of(job)
    return Context(
        job_id=job_id,
        plan=plan_of(loaded, job_id, secrets_of(loaded, os.environ)),
        store=store,
        store_id=store_id(folders),
        clock=clock_of(job),
        carbon=carbon_chain(loaded, services_of(folders)),
        policy=build.policy(loaded),
        providers=providers_of(loaded, folders),
        connect=connector(folders),
        # Of a host that outlives its instances the pin has another name, and stays.
        forget=Pins(folders.pins).forget,
        tasks=ThreadTasks(),
        folders=folders,
    )
