"""The CSV layouts that carbon traces come in: which one a header is, and what one of its rows says."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH, Quality, Scope, Signal
from gacli.errors import TraceError

_G_PER_KWH_PER_LB_PER_MWH = 0.45359237
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """One CSV layout. Columns are patterns that match the whole of a normalised column name.

    example: its columns, for messages. naive_is_utc: its times say nothing of an offset because they are UTC by
    definition. values: by scope, the columns of the intensity in order of preference, with the quality that each
    stands for. g_per_kwh_per_unit: what one unit of the file is in gCO2eq/kWh. estimated: a flag column.
    """

    name: str
    example: str
    signal: Signal
    time: str
    naive_is_utc: bool
    values: Mapping[Scope, tuple[tuple[str, Quality], ...]]
    g_per_kwh_per_unit: float = 1.0
    estimated: str | None = None
    renewable: str | None = None
    zone: str | None = None


LAYOUTS = (
    Layout(
        name="ga",
        example="datetime_utc,carbon_intensity_gco2_per_kwh[,renewable_percent]",
        signal=Signal.AVERAGE,
        time=r"datetime_utc",
        naive_is_utc=True,
        values=MappingProxyType({Scope.LIFECYCLE: ((r"carbon_intensity_gco2_per_kwh", Quality.MEASURED),)}),
        renewable=r"renewable_percent",
    ),
    Layout(
        name="Electricity Maps",
        example="Datetime (UTC),…,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
        "Carbon intensity gCO₂eq/kWh (Life cycle) or (LCA),…",
        signal=Signal.AVERAGE,
        time=r"datetime \(utc\)",
        naive_is_utc=True,
        # The unit's subscript is lost in some spreadsheets, hence the loose middle.
        values=MappingProxyType(
            {
                Scope.LIFECYCLE: ((r"carbon intensity g\S*/kwh \((lca|life ?cycle)\)", Quality.MEASURED),),
                Scope.DIRECT: ((r"carbon intensity g\S*/kwh \(direct\)", Quality.MEASURED),),
            }
        ),
        estimated=r"data estimated",
        renewable=r"renewable (energy )?percentage( \(re%\))?",
        zone=r"zone id",
    ),
    Layout(
        name="WattTime",
        example="point_time,value[,imputed_data_used] in lbs/MWh",
        signal=Signal.MARGINAL,
        time=r"point_time",
        naive_is_utc=False,
        values=MappingProxyType({Scope.DIRECT: ((r"value", Quality.MEASURED),)}),
        g_per_kwh_per_unit=_G_PER_KWH_PER_LB_PER_MWH,
        estimated=r"imputed_data_used",
    ),
    Layout(
        name="NESO",
        example="Datetime (UTC),Actual Carbon Intensity (gCO2/kWh),Forecast Carbon Intensity (gCO2/kWh),Index",
        signal=Signal.AVERAGE,
        time=r"datetime \(utc\)",
        naive_is_utc=True,
        values=MappingProxyType(
            {
                Scope.DIRECT: (
                    (r"actual carbon intensity \(g\S*/kwh\)", Quality.MEASURED),
                    (r"forecast carbon intensity \(g\S*/kwh\)", Quality.FORECAST),
                )
            }
        ),
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row as it stands in the file. intensity_g_per_kwh: gCO2eq/kWh, None where the cell is empty."""

    at: datetime
    intensity_g_per_kwh: float | None
    quality: Quality
    renewable_percent: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """A layout found in a header: which column holds what, by index. scope: that of the intensity read."""

    header: tuple[str, ...]
    layout: Layout
    scope: Scope
    time: int
    values: tuple[tuple[int, Quality], ...]
    estimated: int | None
    renewable: int | None
    zone: int | None

    def parse(self, cells: Sequence[str], *, zone: str, where: str) -> Row:
        """Read one row. where: `file:line` for messages.

        Raises TraceError, naming the column, for too few or too many cells, for another zone's row, and for what is
        not a time, a number within its physical range, or a flag.
        """
        if len(cells) != len(self.header):
            raise TraceError(
                f"{where}: expected {len(self.header)} columns as in the header, found {len(cells)}",
                hint="look for a line that was cut off or a stray comma",
            )
        if self.zone is not None and (found := cells[self.zone].strip()) != zone:
            raise self._error(where, self.zone, f"zone {zone}", found, hint="give each zone its own file")
        value, quality = self._value(cells, where)
        if self.estimated is not None and quality is Quality.MEASURED and self._flag(cells, self.estimated, where):
            quality = Quality.ESTIMATED
        return Row(
            at=self._time(cells, where),
            intensity_g_per_kwh=value,
            quality=quality,
            renewable_percent=None if self.renewable is None else self._percent(cells, self.renewable, where),
        )

    def _time(self, cells: Sequence[str], where: str) -> datetime:
        text = cells[self.time].strip()
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise self._error(where, self.time, "a time such as 2024-01-31T13:00:00Z", text) from None
        if at.tzinfo is not None:
            return at.astimezone(UTC)
        if not self.layout.naive_is_utc:
            raise self._error(where, self.time, "a time with its UTC offset, such as 2024-01-31T13:00:00Z", text)
        return at.replace(tzinfo=UTC)

    def _value(self, cells: Sequence[str], where: str) -> tuple[float | None, Quality]:
        for index, quality in self.values:
            text = cells[index].strip()
            if text:
                value = _finite(text)
                per_unit = self.layout.g_per_kwh_per_unit
                if value is None or not 0 <= value * per_unit <= MAX_INTENSITY_G_PER_KWH:
                    limit = MAX_INTENSITY_G_PER_KWH / per_unit
                    raise self._error(where, index, f"a carbon intensity from 0 to {limit:.0f}", text)
                return value * per_unit, quality
        return None, self.values[0][1]

    def _percent(self, cells: Sequence[str], index: int, where: str) -> float | None:
        text = cells[index].strip()
        if not text:
            return None
        value = _finite(text)
        if value is None or not 0 <= value <= 100:
            raise self._error(where, index, "a share from 0 to 100 or nothing", text)
        return value

    def _flag(self, cells: Sequence[str], index: int, where: str) -> bool:
        text = cells[index].strip()
        flag = _FLAGS.get(text.casefold())
        if flag is None:
            raise self._error(where, index, "true or false", text)
        return flag

    def _error(self, where: str, index: int, expected: str, found: str, *, hint: str = "") -> TraceError:
        return TraceError(f"{where}: column `{self.header[index]}`: expected {expected}, found {found!r}", hint=hint)


def detect(header: Sequence[str], *, scope: Scope, where: str) -> Columns:
    """Find the layout of a header line. where: `file:line` for messages.

    scope: LIFECYCLE or DIRECT, chosen from where the layout has both; one that has a single scope is read as it is,
    and labelled so. Raises TraceError when no layout fits, when the scope's column is missing from a layout that
    has both, or when a column comes twice.
    """
    names = [_normalise(name) for name in header]
    for layout in LAYOUTS:
        time = _find(names, layout.time, where)
        chosen = scope if len(layout.values) > 1 else next(iter(layout.values))
        by_scope = {
            scope_of: tuple(
                (index, quality) for pattern, quality in patterns if (index := _find(names, pattern, where)) is not None
            )
            for scope_of, patterns in layout.values.items()
        }
        if time is None or not any(by_scope.values()):
            continue
        if not by_scope.get(chosen):
            raise TraceError(
                f"{where}: expected a column for the {chosen.value} carbon intensity in this {layout.name} file, "
                f"found {_listed(header)}",
                hint="choose the scope that the file has, or download it with both columns",
            )
        return Columns(
            header=tuple(header),
            layout=layout,
            scope=chosen,
            time=time,
            values=by_scope[chosen],
            estimated=_find(names, layout.estimated, where),
            renewable=_find(names, layout.renewable, where),
            zone=_find(names, layout.zone, where),
        )
    accepted = "\n".join(f"    {layout.name}: {layout.example}" for layout in LAYOUTS)
    raise TraceError(
        f"{where}: expected the header of a carbon trace, found {_listed(header)}; accepted layouts:\n{accepted}",
        hint="the first line must name the columns of one of these layouts, separated by commas",
    )


def _normalise(name: str) -> str:
    """NFKC turns the subscript of CO₂ into a plain 2; letter case differs between the portal's generations."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _find(names: Sequence[str], pattern: str | None, where: str) -> int | None:
    if pattern is None:
        return None
    found = [index for index, name in enumerate(names) if re.fullmatch(pattern, name)]
    if len(found) > 1:
        raise TraceError(f"{where}: expected one column `{names[found[0]]}`, found {len(found)}")
    return found[0] if found else None


def _listed(header: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in header)


def _finite(text: str) -> float | None:
    """The number that `text` is, None for anything else; Python's own `1_000` is no number in a CSV file."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None
