"""What the file of a sweep may say: types, defaults and bounds of every key.

What concerns several keys at once is in `sweep_checks`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, model_validator

from gacli.config.experiment_model import ExperimentSiteConfig
from gacli.config.fields import Duration, Instant, Line, Name, Percent, Zone, choice, duration, integer, number
from gacli.config.models import Section
from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH

# A square of as many policies would take days.
MOST_THRESHOLDS: Final = 5000
BACKENDS: Final = ("threading", "loky", "ray", "dask")
_INTENSITY: Final = number(0, MAX_INTENSITY_G_PER_KWH, unit="(gCO2eq/kWh)")


class SweepCarbonConfig(Section):
    """The traces that policies are replayed on."""

    folder: Line | None = Field(None, description="Folder with <ZONE>.csv or <ZONE>.csv.gz, relative to this file.")
    files: dict[Zone, Line] | None = Field(
        None, description="Instead of `folder`: zone → CSV file, relative to this file."
    )
    scope: Annotated[Literal["lifecycle", "direct"], choice("lifecycle", "direct")] = Field(
        "lifecycle", description="Of files that have both: emissions of the whole life cycle, or direct ones."
    )
    repeat_year: bool = Field(
        False,
        description="After the last hour of the year in which a run starts comes its first one again, as often as the "
        "run needs it. Default: the trace has to cover every run.",
    )


class SweepCheckpointConfig(Section):
    """What saving takes."""

    every: Annotated[float, duration("1s", "3650d")] | None = Field(
        None, description="Training between two periodic saves. Default: none but for pauses and at the end."
    )
    save: Duration = Field(0.0, description="How long a save takes; nothing is trained meanwhile.")


class SweepJobConfig(Section):
    """One training run."""

    name: Name = Field(description="Unique name of the job.")
    work: Annotated[float, duration("1s", "3650d")] = Field(description="Training at full load, without saves.")
    gpus: Annotated[int, integer(1, 1_000_000)] = Field(1, description="How many times a site's `power` it draws.")
    checkpoint: SweepCheckpointConfig = SweepCheckpointConfig()
    restart: Duration = Field(0.0, description="From the start of the script until its next step.")


class SweepStartsConfig(Section):
    """When the jobs begin: at given times, or again and again through whole years."""

    at: tuple[Instant, ...] | None = Field(None, description="The times themselves.")
    years: tuple[Annotated[int, integer(1970, 2098)], ...] | None = Field(None, description="Years UTC.")
    every: Annotated[float, duration("1h", "366d")] | None = Field(
        None, description="Time between two starts of a year, the first of which is on 1 January, 0:00."
    )

    @model_validator(mode="before")
    @classmethod
    def _times_alone(cls, value: object) -> object:
        return {"at": value} if isinstance(value, list) else value


class ThresholdsConfig(Section):
    """Which intensities are tried, each to pause above and each to resume at or below."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)

    count: Annotated[int, integer(2, MOST_THRESHOLDS)] | None = Field(
        None, description="So many, evenly spread from the lowest to the highest intensity of each zone."
    )
    first: Annotated[float, _INTENSITY] | None = Field(None, alias="from", description="The lowest, in gCO2eq/kWh.")
    last: Annotated[float, _INTENSITY] | None = Field(None, alias="to", description="None is higher.")
    step: Annotated[float, number(0.001, MAX_INTENSITY_G_PER_KWH)] | None = Field(
        None, description="From one to the next, in gCO2eq/kWh."
    )
    refine: Annotated[int, integer(0, 10)] = Field(
        0, description="So many times a finer grid is laid around the best policy of each job at each site."
    )


class SweepConfig(Section):
    """The whole file."""

    kind: Annotated[str, choice("sweep")] = Field(
        description="`sweep`, which tells it from the configuration of a job, or of an experiment."
    )
    name: Name = Field(description="The sweep's name.")
    carbon: SweepCarbonConfig = SweepCarbonConfig()
    sites: tuple[ExperimentSiteConfig, ...] = Field(min_length=1, description="Each is tried by itself.")
    jobs: tuple[SweepJobConfig, ...] = Field(min_length=1, description="Each is tried at every site.")
    starts: SweepStartsConfig = Field(description="A list of times, or years and every.")
    thresholds: ThresholdsConfig = Field(description="count, or from, to and step.")
    poll: Annotated[float, duration("1s", "1d")] = Field(300.0, description="Time between two decisions.")
    paused: Annotated[Literal["hold", "release"], choice("hold", "release")] = Field(
        "release", description="A paused job holds its machine, idle, or releases it and boots another."
    )
    budget: Percent | None = Field(
        None,
        description="The policies' own: time without training that they allow, in percent of `work`; they pause no "
        "more when it is used up. Default: there is none.",
    )
    limit: Percent = Field(200.0, description="A run is given up that takes so many percent more than never pausing.")
    alpha: Annotated[float, number(0, 1)] = Field(
        1.0, description="What the score goes by: 1 the saving alone, 0 the time overhead alone."
    )
    backend: Annotated[Literal["threading", "loky", "ray", "dask"], choice(*BACKENDS)] = Field(
        "threading",
        description="Who computes, as joblib calls it: threads or processes (loky) of this computer, or the cluster of "
        "Ray or Dask, which have to be installed.",
    )
