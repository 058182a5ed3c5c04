"""What the file of an experiment may say: types, defaults and bounds of every key.

What concerns several keys at once is in `experiment_checks`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from gacli.config.experiment_fields import Allowance, AllowanceField, GridValue, Speed
from gacli.config.fields import Duration, Instant, Line, Name, Size, Zone, choice, duration, integer, number
from gacli.config.models import CLEANEST, DEFAULT_PUE, PolicyConfig, PowerConfig, Section
from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH

KIND: Final = "experiment"
# What has a past that can be replayed, without anybody being asked.
SOURCES: Final = ("trace", "typical", "static")
DEFAULT_SPEED: Final = 500e6
_MOST_STARTS: Final = 100_000


class ExperimentCarbonConfig(Section):
    """Where the history of carbon intensity comes from."""

    source: Annotated[Literal["trace", "typical", "static"], choice(*SOURCES)] = Field(
        "typical", description="typical: built-in typical days. static: one value a zone. trace: CSV files."
    )
    folder: Line | None = Field(
        None, description="For `trace`: folder with <ZONE>.csv or <ZONE>.csv.gz, relative to this file."
    )
    files: dict[Zone, Line] | None = Field(
        None, description="For `trace`, instead of `folder`: zone → CSV file, relative to this file."
    )
    values: dict[Zone, Annotated[float, number(0, MAX_INTENSITY_G_PER_KWH, unit="(gCO2eq/kWh)")]] | None = Field(
        None, description="For `static`: zone → gCO2eq/kWh. Default: means of the typical days."
    )
    scope: Annotated[str, choice("lifecycle", "direct")] = Field(
        "lifecycle", description="For `trace` files that have both: emissions of the whole life cycle, or direct ones."
    )
    max_age: Duration = Field(
        7200.0, description="A reading that ended longer ago than this is stale and never causes a move."
    )


class ExperimentSiteConfig(Section):
    """A place where the jobs can run."""

    name: Name = Field(description="Unique name of the site.")
    zone: Zone = Field(description="Grid zone in Electricity Maps' naming, such as DE or US-CAL-CISO.")
    pue: Annotated[float, number(1, 3)] = Field(DEFAULT_PUE, description="Facility energy over IT energy.")
    power: PowerConfig = Field(PowerConfig(), description="Of one GPU with its share of the machine around it.")
    boot: Duration = Field(300.0, description="From the request for a machine until it can be used.")


class ExperimentCheckpointConfig(Section):
    """What saving takes."""

    every: Annotated[float, duration("1s", "3650d")] | None = Field(
        None, description="Training between two periodic saves. Default: none but for moves, pauses and at the end."
    )
    save: Duration = Field(0.0, description="How long a save takes; nothing is trained meanwhile.")
    size: Size = Field(0, description="What is copied on a move.")


class ExperimentJobConfig(Section):
    """One kind of training run."""

    name: Name = Field(description="Unique name of the kind of job.")
    work: Annotated[float, duration("1s", "3650d")] = Field(description="Training at full load, without saves.")
    gpus: Annotated[int, integer(1, 1_000_000)] = Field(1, description="How many times a site's `power` it draws.")
    checkpoint: ExperimentCheckpointConfig = ExperimentCheckpointConfig()
    restart: Duration = Field(0.0, description="From the start of the script until its next step.")
    epoch: Annotated[float, duration("1s", "3650d")] | None = Field(
        None, description="Training of one epoch, for policies that decide at epochs' ends. Default: there are none."
    )
    deadline: AllowanceField | None = Field(
        None, description="After the start: a duration, or so many percent more than `work`. Default: there is none."
    )


class ExperimentPolicyConfig(PolicyConfig):
    """A policy with its parameters; a policy may be there several times under labels of its own."""

    label: Line | None = Field(None, description="What the results call it. Default: its name.")
    grid: dict[Line, Annotated[tuple[GridValue, ...], Field(min_length=1)]] = Field(
        {}, description="Parameter → its values; every combination of them is a policy of its own."
    )

    @property
    def shown(self) -> str:
        return self.label or self.name


class StartsConfig(Section):
    """When the jobs begin: at given times, or at full hours that are drawn by a seed."""

    at: tuple[Instant, ...] | None = Field(None, description="The times themselves.")
    earliest: Instant | None = Field(None, description="None is drawn before it.")
    latest: Instant | None = Field(None, description="None is drawn after it.")
    count: Annotated[int, integer(1, _MOST_STARTS)] | None = Field(None, description="How many are drawn.")
    seed: Annotated[int, integer(0, 2**31)] = Field(0, description="Another seed, other times.")

    @model_validator(mode="before")
    @classmethod
    def _times_alone(cls, value: object) -> object:
        return {"at": value} if isinstance(value, list) else value


class BandwidthConfig(Section):
    """From disk to disk between two sites."""

    default: Speed = Field(DEFAULT_SPEED, description="Between sites that `pairs` does not name.")
    pairs: dict[Name, dict[Name, Speed]] = Field(
        {}, description="From site → to site → speed; for both directions, unless the other one is there, too."
    )

    @model_validator(mode="before")
    @classmethod
    def _default_alone(cls, value: object) -> object:
        return value if isinstance(value, dict) else {"default": value}


class OutageConfig(Section):
    """Nobody gets a machine at a site; one that is held there is lost."""

    site: Name = Field(description="Name of the site.")
    start: Instant = Field(description="When it begins.")
    lasts: Annotated[float, duration("1s", "3650d")] = Field(description="How long.")


class FailuresConfig(Section):
    """Outages of every site at times that are drawn by a seed."""

    every: Annotated[float, duration("1m", "3650d")] = Field(description="Mean time between two at one site.")
    lasts: Annotated[float, duration("1s", "365d")] = Field(description="How long each one lasts.")
    seed: Annotated[int, integer(0, 2**31)] = Field(0, description="Another seed, other times.")


class ExperimentConfig(Section):
    """The whole file."""

    kind: Annotated[str, choice(KIND)] = Field(description="`experiment`: it is no job's configuration.")
    name: Name = Field(description="The experiment's name.")
    carbon: ExperimentCarbonConfig = ExperimentCarbonConfig()
    sites: tuple[ExperimentSiteConfig, ...] = Field(min_length=1, description="The fleet.")
    jobs: tuple[ExperimentJobConfig, ...] = Field(min_length=1, description="The kinds of jobs.")
    starts: StartsConfig = Field(description="A list of times, or earliest, latest, count and seed.")
    policies: tuple[ExperimentPolicyConfig, ...] = Field(min_length=1, description="What is compared.")
    start_at: Name = Field(CLEANEST, description="Name of the site where every job begins, or `cleanest`.")
    poll: Annotated[float, duration("1s", "1d")] = Field(300.0, description="Time between two decisions.")
    paused: Annotated[Literal["hold", "release"], choice("hold", "release")] = Field(
        "release", description="A paused job holds its machine, idle, or releases it and boots another."
    )
    bandwidth: BandwidthConfig = BandwidthConfig()
    outages: tuple[OutageConfig, ...] = Field((), description="Given outages.")
    failures: FailuresConfig | None = Field(None, description="Drawn outages. Default: there are none.")
    limit: AllowanceField = Field(
        Allowance(more_percent=200.0),
        description="When a run is given up: a duration, or so many percent more than staying takes.",
    )
