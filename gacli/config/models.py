"""What a configuration may say: types, defaults and bounds of every key.

What concerns several keys at once is in `checks`; where a value stands in the file is in `document`.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gacli.config.carbon import CarbonConfig
from gacli.config.fields import (
    CheckpointPath,
    Command,
    EnvName,
    EnvValue,
    Instant,
    Line,
    Name,
    Power,
    Zone,
    choice,
    duration,
    integer,
    number,
)

# The value of `start_at` that names no site, and therefore no site's name.
CLEANEST: Final = "cleanest"

# Stated assumptions for a site that tells nothing: a large cloud's facility, and one server with one mid-range GPU.
DEFAULT_PUE: Final = 1.2
DEFAULT_IDLE_W: Final = 100.0
DEFAULT_BUSY_W: Final = 400.0


class Section(BaseModel):
    """A mapping of the file. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CheckpointConfig(Section):
    """How the script is asked to save and stop, and where it saves."""

    path: CheckpointPath | None = Field(
        None, description="Folder the script writes to, relative to `work`. Default: ga's own (GA_CHECKPOINT_DIR)."
    )
    signal: Annotated[str, choice("SIGUSR1", "SIGUSR2", "SIGTERM", "SIGINT", "SIGHUP")] = Field(
        "SIGUSR1", description="Signal that asks the script to save and exit."
    )
    grace: Annotated[float, duration("1s", "1d")] = Field(
        120.0, description="Real time the script has to save and exit before it is killed."
    )
    fetch: Annotated[float, duration("10s", "30d")] = Field(
        1800.0, description="How often the newest checkpoint is copied to the controller, on the job's clock."
    )


class ReplayConfig(Section):
    """A chosen past, played faster."""

    start: Instant = Field(description="Time at which the job's clock starts.")
    scale: Annotated[float, number(1, 100_000)] = Field(1.0, description="Seconds of the job's clock per real second.")


class PowerConfig(Section):
    """What one machine draws, for planning and wherever nothing is metered."""

    idle: Power = Field(DEFAULT_IDLE_W, description="Power when switched on without training.")
    busy: Power = Field(DEFAULT_BUSY_W, description="Power at full load; at least `idle`.")


class HardwareConfig(Section):
    """What of its machine one instance holds, for the emissions of making it."""

    gpu: Line | None = Field(None, description="The GPUs' name, such as H100 or A100. Default: there are none.")
    gpus: Annotated[float, number(0, 1024)] = Field(1.0, description="How many of them; a part of one counts as that.")
    server: Annotated[float, number(0.001, 1)] = Field(1.0, description="Which share of the server around them.")


class SiteConfig(Section):
    """A place where the job can run."""

    name: Name = Field(description="Unique name of the site.")
    provider: Line = Field(description="Driver that provides the machine: mock, ssh, or an installed one.")
    zone: Zone = Field(description="Grid zone in Electricity Maps' naming, such as DE or US-CAL-CISO.")
    pue: Annotated[float, number(1, 3)] = Field(DEFAULT_PUE, description="Facility energy over IT energy.")
    power: PowerConfig = PowerConfig()
    hardware: HardwareConfig | None = Field(
        None, description="What the machine is made of. Default: not stated, and nothing is said of embodied emissions."
    )
    price: Annotated[float, number(0, 100_000)] = Field(0.0, description="USD per hour.")
    capacity: Annotated[int, integer(1, 10_000)] = Field(1, description="Machines that may be held here at a time.")
    options: dict[str, object] = Field({}, description="The provider's own section.")


class PolicyConfig(BaseModel):
    """Which policy decides, and its own parameters (`model_extra`), which the policy's class defines."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Line = "hysteresis"

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @property
    def parameters(self) -> dict[str, object]:
        """The policy's parameters as written."""
        return dict(self.model_extra or {})


class Config(Section):
    """The whole file."""

    name: Name = Field(description="The job's name.")
    work: Line = Field(".", description="Folder copied to each machine, relative to this file.")
    exclude: tuple[Line, ...] = Field(
        (".git/", "__pycache__/", ".venv/"), description="rsync patterns that are not copied."
    )
    setup: tuple[Command, ...] = Field(
        (), description="Shell commands run in the copied folder before the first start on a machine."
    )
    run: Command = Field(description="Shell command that trains.")
    env: dict[EnvName, EnvValue] = Field({}, description="Environment of set-up and training.")
    secrets: tuple[EnvName, ...] = Field(
        (), description="Variables taken over from the environment of `ga run` and `ga resume`; never stored."
    )
    checkpoint: CheckpointConfig = CheckpointConfig()
    start_at: Name = Field(CLEANEST, description="Name of the site to start at, or `cleanest`.")
    policy: PolicyConfig = PolicyConfig()
    carbon: CarbonConfig = CarbonConfig()
    replay: ReplayConfig | None = Field(None, description="Replay of a past instead of the present. Default: live.")
    restarts: Annotated[int, integer(0, 100)] = Field(
        3, description="How often a crashed script is started again before the job has failed."
    )
    sample: Annotated[float, duration("100ms", "5m")] = Field(
        1.0, description="How often the machine's power is sampled, in real time."
    )
    lifetime: Annotated[float, duration("10m", "120d")] = Field(
        604800.0, description="Real time after which a provider ends a machine by itself, whoever is alive then."
    )
    lease: Annotated[float, duration("5s", "30d")] | None = Field(
        None,
        description="Real time without a word from ga after which a machine saves and stops the training by itself; "
        "ga may then go on elsewhere. Default: it never does.",
    )
    deadline: Annotated[float, duration("1m", "366d")] | None = Field(
        None,
        description="Time from its start, on the job's clock, by which the job has to be done; policies that wait keep "
        "it. Default: none.",
    )
    sites: tuple[SiteConfig, ...] = Field(min_length=1, description="The fleet.")
