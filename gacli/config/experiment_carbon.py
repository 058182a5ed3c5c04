"""The section `carbon` of an experiment → the history of every zone, checked before anything relies on it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gacli.carbon.span import iso
from gacli.carbon.static import StaticSource
from gacli.carbon.trace import TraceSource
from gacli.carbon.typical import TypicalSource, typical_zones
from gacli.config.document import Document
from gacli.config.experiment_model import ExperimentConfig
from gacli.config.problems import Problem, config_error
from gacli.config.trace_files import require_zones, trace_files
from gacli.core.carbon import Reading, Scope

# As much of the past as the built-in forecast can use.
_PAST: Final = timedelta(days=400)


def readings_of(
    config: ExperimentConfig, document: Document, base: Path, begin: datetime, end: datetime
) -> dict[str, tuple[Reading, ...]]:
    """By zone: what is known of [begin, end], and of the time before that forecasts are made from.

    begin: the first start. end: when the last run is given up at the latest. Raises ConfigError for zones without data,
    average beside marginal intensities (or life-cycle beside direct ones), and data that do not cover [begin, end];
    TraceError, with its own file and line, for a trace that cannot be trusted.
    """
    source = _source(config, document, base)
    if isinstance(source, TraceSource):
        _require_one_kind(config, source, document)
        _require_cover(config, source, document, begin, end)
    return {
        zone: tuple(source.readings(zone, begin - _PAST if isinstance(source, TraceSource) else begin, end))
        for zone in dict.fromkeys(site.zone for site in config.sites)
    }


def _source(config: ExperimentConfig, document: Document, base: Path) -> TraceSource | TypicalSource | StaticSource:
    carbon = config.carbon
    match carbon.source:
        case "trace":
            zones = [site.zone for site in config.sites]
            files = trace_files(document, base, zones, folder=carbon.folder, files=carbon.files)
            return TraceSource(files, scope=Scope(carbon.scope))
        case "static" if carbon.values is not None:
            return StaticSource(carbon.values)
        case _:
            require_zones(document, [site.zone for site in config.sites], typical_zones(), "typical days")
            return TypicalSource() if carbon.source == "typical" else StaticSource()


def _require_one_kind(config: ExperimentConfig, source: TraceSource, document: Document) -> None:
    traces = [source.trace(zone) for zone in dict.fromkeys(site.zone for site in config.sites)]
    for kinds in ({trace.zone: trace.signal for trace in traces}, {trace.zone: trace.scope for trace in traces}):
        if len(set(kinds.values())) > 1:
            mixed = " and ".join(
                f"{kind} ({', '.join(zone for zone, of_zone in kinds.items() if of_zone is kind)})"
                for kind in sorted(set(kinds.values()))
            )
            text = f"found {mixed} carbon intensity in the traces, expected one kind in all of them"
            raise config_error(document, [Problem(loc=("carbon",), text=text)])


def _require_cover(
    config: ExperimentConfig, source: TraceSource, document: Document, begin: datetime, end: datetime
) -> None:
    for zone in dict.fromkeys(site.zone for site in config.sites):
        trace = source.trace(zone)
        span = f"trace {trace.name} covers {iso(trace.start)} to {iso(trace.end)}"
        if begin < trace.start:
            text = f"{span}, but the first run starts at {iso(begin)}"
        elif trace.end < end:
            text = (
                f"{span}, but the last run may last until {iso(end)} (its start and `limit`): expected earlier starts, "
                "a lower limit or a longer trace"
            )
        else:
            continue
        raise config_error(document, [Problem(loc=("starts",), text=text)])
