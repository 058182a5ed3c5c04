"""The section `carbon` of the configuration: sources, their order, and what each needs to be told."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gacli.config.fields import Duration, Line, Zone, choice, duration, integer, number, order, text
from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH

SOURCES: Final = ("typical", "static", "trace", "electricitymaps", "watttime", "neso", "energy-charts")
# All others give averages.
MARGINAL_SOURCES: Final = frozenset({"watttime"})

_Url = Annotated[str, text(r"https?://[^\s/?#]+(?:/[^\s?#]*)?", "a URL such as https://api.example.org")]
_Word = Annotated[str, text(r"[A-Za-z0-9_-]+", "a name of letters, digits, - and _")]
_Order = Annotated[tuple[str, ...], order(*SOURCES)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)


class ElectricityMapsConfig(_Section):
    """Electricity Maps; its token is in ELECTRICITYMAPS_TOKEN or the keyring."""

    base_url: _Url = Field("https://api.electricitymaps.com", description="Where the API is.")
    api: Annotated[Literal["v3", "v4"], choice("v3", "v4")] = Field("v3", description="Version of the API.")


class WattTimeConfig(_Section):
    """WattTime v3; its account is in WATTTIME_USER and WATTTIME_PASSWORD or the keyring."""

    base_url: _Url = Field("https://api.watttime.org", description="Where the API is.")
    regions: dict[Zone, _Word] = Field({}, description="Zone → WattTime's region, where ga's own table has another.")


class NesoConfig(_Section):
    """The British system operator; no account."""

    base_url: _Url = Field("https://api.carbonintensity.org.uk", description="Where the API is.")
    regions: dict[Zone, Annotated[int, integer(1, 18)]] = Field(
        {}, description="Zone → number of a region of Great Britain. Default: GB, the whole."
    )


class EnergyChartsConfig(_Section):
    """Energy-Charts of Fraunhofer ISE; no account, two requests a minute."""

    base_url: _Url = Field("https://api.energy-charts.info", description="Where the API is.")
    countries: dict[Zone, _Word] = Field({}, description="Zone → country code, where ga's own table has another.")


class CarbonConfig(_Section):
    """Where carbon intensity comes from."""

    source: _Order = Field(
        ("typical",),
        description="One source, or a list: the first is used, the others stand in for it while it is not sound. "
        "typical: built-in typical days. static: one value a zone. trace: CSV files. Others: services.",
    )
    zones: dict[Zone, _Order] = Field({}, description="Zone → sources of its own, instead of `source`.")
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
        "lifecycle",
        description="For `electricitymaps`, and `trace` files that have both: emissions of the whole life cycle, or "
        "direct ones.",
    )
    electricitymaps: ElectricityMapsConfig = ElectricityMapsConfig()
    watttime: WattTimeConfig = WattTimeConfig()
    neso: NesoConfig = NesoConfig()
    energy_charts: EnergyChartsConfig = Field(EnergyChartsConfig(), alias="energy-charts")
    poll: Annotated[float, duration("1s", "1d")] = Field(
        300.0, description="How often readings are taken and the policy is asked, on the job's clock."
    )
    max_age: Duration = Field(
        7200.0, description="A reading that ended longer ago than this is stale and never causes a move."
    )
    hold_off: Duration = Field(
        1800.0,
        description="How long a source must be sound again before it is taken back, and must have stood in before its "
        "values are compared.",
    )

    def chains(self, zones: set[str]) -> dict[str, tuple[str, ...]]:
        """The order of sources of each zone."""
        return {zone: self.zones.get(zone, self.source) for zone in sorted(zones)}
