"""The CSV layouts that carbon traces come in: which one a header is, and what one of its rows says."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TypeVar

from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH, Quality, Scope, Signal
from gacli.errors import TraceError

_T = TypeVar("_T")

# What a grid zone's name may look like: also that of a file without a way out of its folder.
ZONE = re.compile(r"[A-Z][A-Z0-9]*(?:[-_][A-Z0-9]+)*")
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


def _own(name: str, column: str, signal: Signal, scope: Scope) -> Layout:
    """A layout of ga's own: the name of its column says what is in it, so that no reader takes one for another."""
    return Layout(
        name=name,
        example=f"datetime_utc,{column}[,renewable_percent][,estimated]",
        signal=signal,
        time=r"datetime_utc",
        naive_is_utc=True,
        values=MappingProxyType({scope: ((column, Quality.MEASURED),)}),
        estimated=r"estimated",
        renewable=r"renewable_percent",
    )


# What `ga trace import` writes: (signal, scope) → layout.
OWN_LAYOUTS: Mapping[tuple[Signal, Scope], Layout] = MappingProxyType(
    {
        (layout.signal, next(iter(layout.values))): layout
        for layout in (
            _own("ga", "carbon_intensity_gco2_per_kwh", Signal.AVERAGE, Scope.LIFECYCLE),
            _own("ga, direct", "direct_carbon_intensity_gco2_per_kwh", Signal.AVERAGE, Scope.DIRECT),
            _own("ga, marginal", "marginal_carbon_intensity_gco2_per_kwh", Signal.MARGINAL, Scope.DIRECT),
        )
    }
)

LAYOUTS = (
    *OWN_LAYOUTS.values(),
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


class CellError(TraceError):
    """One cell cannot be read. column: its name as in the header."""

    def __init__(self, message: str, *, column: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.column = column


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

    @property
    def time_name(self) -> str:
        """The column of the time, as the header spells it."""
        return self.header[self.time]

    @property
    def value_name(self) -> str:
        """The column of the intensity, the preferred one where there are two, as the header spells it."""
        return self.header[self.values[0][0]]

    def zone_of(self, cells: Sequence[str], *, where: str) -> str | None:
        """The zone that a row says it is of; None in a layout without such a column. Raises TraceError for no zone."""
        self._require_all(cells, where)
        if self.zone is None:
            return None
        found = cells[self.zone].strip()
        if not ZONE.fullmatch(found):
            raise self._error(where, self.zone, "a zone such as DE or US-CAL-CISO", found)
        return found

    def parse(self, cells: Sequence[str], *, zone: str, where: str) -> Row:
        """Read one row. where: `file:line` for messages.

        Raises TraceError, naming the column, for too few or too many cells, for another zone's row, and for what is
        not a time, a number within its physical range, or a flag.
        """
        row, errors = self.examine(cells, zone=zone, where=where)
        if row is None:
            raise errors[0]
        return row

    def examine(self, cells: Sequence[str], *, zone: str, where: str) -> tuple[Row | None, list[TraceError]]:
        """As `parse`, but all that is wrong with the row rather than the first: a row, or one or more errors."""
        errors: list[TraceError] = []

        def read(reader: Callable[[], _T]) -> _T | None:
            try:
                return reader()
            except TraceError as error:
                errors.append(error)
                return None

        if read(lambda: self._require_zone(cells, zone, where)) is None:
            return None, errors
        value = read(lambda: self._value(cells, where))
        estimated = read(lambda: self._flag(cells, where))
        at = read(lambda: self._time(cells, where))
        percent = read(lambda: self._percent(cells, where))
        if errors or value is None or at is None:
            return None, errors
        intensity, quality = value
        if estimated and quality is Quality.MEASURED:
            quality = Quality.ESTIMATED
        return Row(at=at, intensity_g_per_kwh=intensity, quality=quality, renewable_percent=percent), errors

    def _require_zone(self, cells: Sequence[str], zone: str, where: str) -> bool:
        self._require_all(cells, where)
        if self.zone is not None and (found := cells[self.zone].strip()) != zone:
            raise self._error(where, self.zone, f"zone {zone}", found, hint="give each zone its own file")
        return True

    def _require_all(self, cells: Sequence[str], where: str) -> None:
        if len(cells) != len(self.header):
            raise TraceError(
                f"{where}: expected {len(self.header)} columns as in the header, found {len(cells)}",
                hint="look for a line that was cut off or a stray comma",
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

    def _percent(self, cells: Sequence[str], where: str) -> float | None:
        text = "" if self.renewable is None else cells[self.renewable].strip()
        if self.renewable is None or not text:
            return None
        value = _finite(text)
        if value is None or not 0 <= value <= 100:
            raise self._error(where, self.renewable, "a share from 0 to 100 or nothing", text)
        return value

    def _flag(self, cells: Sequence[str], where: str) -> bool:
        if self.estimated is None:
            return False
        text = cells[self.estimated].strip()
        flag = _FLAGS.get(text.casefold())
        if flag is None:
            raise self._error(where, self.estimated, "true or false", text)
        return flag

    def _error(self, where: str, index: int, expected: str, found: str, *, hint: str = "") -> CellError:
        column = self.header[index]
        return CellError(f"{where}: column `{column}`: expected {expected}, found {found!r}", column=column, hint=hint)


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
