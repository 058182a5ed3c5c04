"""`ga forecast backtest`: what the built-in forecast is worth, on traces of the user's own choice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gacli.cli.carbon_asked import asked, instant
from gacli.errors import CarbonUnavailable, ConfigError

if TYPE_CHECKING:
    from gacli.carbon.trace import Trace
    from gacli.views.carbon_backtest import Backtested


def add_to(app: typer.Typer) -> None:
    forecast = typer.Typer(no_args_is_help=True, help="Test the built-in forecast of carbon intensity.")
    forecast.command()(backtest)
    app.add_typer(forecast, name="forecast")


def backtest(
    words: list[str] | None = typer.Argument(
        None, metavar="[FILE|ZONE]...", help="Carbon traces, as for `ga trace`; or zones of the configuration."
    ),
    config: Path | None = typer.Option(None, "--config", "-c", help="Test the traces of this configuration's zones."),
    test_from: str | None = typer.Option(
        None, "--test-from", metavar="DATE", help="Forecast from this day on. Default: the second half, a year at most."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Forecast 96 h from each midnight UTC of a trace, knowing only what was before, and compare with what came."""
    from gacli.views.carbon_backtest import backtest_json, each_tested, summary_lines, zone_header, zone_line
    from gacli.views.stream import to_line

    first = None if test_from is None else instant("--test-from", test_from)
    traces = _traces(words or [], config)
    several = len(traces) > 1
    if several and not as_json:
        print(zone_header())
    tested: list[Backtested] = []
    for one in each_tested(traces, first):
        tested.append(one)
        if not as_json and (several or one.result is None):
            print(zone_line(one), flush=True)
    if as_json:
        print(to_line(backtest_json(tested)))
    else:
        for line in summary_lines(tested):
            print(line)
    if not any(one.result for one in tested):
        raise CarbonUnavailable("no trace could be tested", hint="the reasons are above")


def _traces(words: Sequence[str], config: Path | None) -> list[Trace]:
    """Of the files among the words, then of the zones; without words of all of the configuration's zones."""
    from gacli.carbon.trace_import import gather

    files = [Path(word) for word in words if word.endswith((".csv", ".csv.gz")) or Path(word).is_file()]
    zones = [word for word in words if Path(word) not in files]
    traces = [gathered.trace for file in files for gathered in gather([file])]
    if zones or not words:
        if config is None:
            found = f"found {', '.join(zones)}" if zones else "found none"
            raise ConfigError(
                f"expected the files of carbon traces, {found}",
                hint="name .csv or .csv.gz files; zones go with a configuration that has traces, named with -c",
            )
        traces += _of_configuration(zones, config)
    return traces


def _of_configuration(zones: Sequence[str], config: Path) -> list[Trace]:
    from gacli.carbon.trace import TraceSource

    of = asked(zones, config=config, source=None, all_zones=False)
    found = []
    for zone in of.zones:
        source = next((one for one in of.chain.sources(zone) if isinstance(one, TraceSource)), None)
        if source is None:
            raise ConfigError(f"{config}: expected the carbon source trace for {zone}, found {of.chain.name}")
        found.append(source.trace(zone))
    return found
