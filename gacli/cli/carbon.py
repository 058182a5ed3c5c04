"""`ga carbon`: the grids as they are, were, and are expected to be; and which of them feeds a place."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import typer

from gacli.cli.carbon_asked import asked, form_of, instant, seconds
from gacli.errors import CarbonUnavailable, ConfigError, GaError

_ZONES = typer.Argument(None, metavar="[ZONE]...", help="Zones such as DE, or places such as aws:eu-central-1.")
_CONFIG = typer.Option(None, "--config", "-c", help="Use this configuration's sources, zones and replay.")
_SOURCE = typer.Option(
    None, "--source", help="Without a configuration: typical (the default), static, or a service such as neso."
)
_AT = typer.Option(None, "--at", metavar="TIME", help="As if it were then: 2024-06-01T12:00Z, or a date.")
_JSON = typer.Option(False, "--json", help="Print one JSON object.")
_CSV = typer.Option(False, "--csv", help="Print CSV.")
_PLOT = typer.Option(None, "--plot", metavar="FILE", help="Draw a picture (.png or .svg) as well.")

_LEAST_S = 3600.0
_MOST_BACK_S = 3660 * 86400.0


def add_to(app: typer.Typer) -> None:
    carbon = typer.Typer(no_args_is_help=True, help="Show carbon intensity: now, past, expected; rank zones.")
    carbon.command()(now)
    carbon.command()(history)
    carbon.command()(forecast)
    carbon.command()(rank)
    carbon.command()(zones)
    app.add_typer(carbon, name="carbon")


def now(
    zones: list[str] | None = _ZONES,
    config: Path | None = _CONFIG,
    source: str | None = _SOURCE,
    at: str | None = _AT,
    as_json: bool = _JSON,
    as_csv: bool = _CSV,
) -> None:
    """Show carbon intensity now and over the last day, and where it comes from. Without ZONE: all known ones."""
    from gacli.views.carbon_output import show
    from gacli.views.carbon_table import carbon_json, carbon_rows, carbon_table, read_carbon

    form = form_of(as_json=as_json, as_csv=as_csv)
    of = asked(zones, config=config, source=source, at=at, all_zones=True)
    rows = read_carbon(of.chain, of.zones, of.now)
    show(
        form,
        table=lambda width: carbon_table(rows, of.now, width),
        record=lambda: carbon_json(rows, of.now),
        rows=lambda: carbon_rows(rows),
    )
    _require_any(not row.unavailable for row in rows)


def history(
    zones: list[str] | None = _ZONES,
    config: Path | None = _CONFIG,
    source: str | None = _SOURCE,
    since: str | None = typer.Option(None, "--since", metavar="DURATION", help="So long ago until now. Default: 24h."),
    from_: str | None = typer.Option(None, "--from", metavar="TIME", help="From then: 2024-06-01T12:00Z, or a date."),
    to: str | None = typer.Option(None, "--to", metavar="TIME", help="Until then. Default: now."),
    as_json: bool = _JSON,
    as_csv: bool = _CSV,
    plot: Path | None = _PLOT,
) -> None:
    """Show what carbon intensity was, hour by hour, beyond three days day by day."""
    from datetime import timedelta

    from gacli.carbon.span import iso
    from gacli.views.carbon_history import history_json, history_rows, history_table, read_history
    from gacli.views.carbon_output import show

    form = form_of(as_json=as_json, as_csv=as_csv)
    if since is not None and from_ is not None:
        raise ConfigError("--since and --from: expected one of them, found both")
    _require_picture(plot)
    back_s = seconds("--since", since or "24h", low_s=_LEAST_S, high_s=_MOST_BACK_S)
    of = asked(zones, config=config, source=source, all_zones=False)
    end = of.now if to is None else min(instant("--to", to), of.now)
    start = end - timedelta(seconds=back_s) if from_ is None else instant("--from", from_)
    if not timedelta(seconds=_LEAST_S) <= end - start <= timedelta(seconds=_MOST_BACK_S):
        raise ConfigError(f"expected a past time of an hour to ten years, found {iso(start)} to {iso(end)}")
    histories = read_history(of.chain, of.zones, start, end)
    show(
        form,
        table=lambda width: history_table(histories, start, end, width),
        record=lambda: history_json(histories, start, end),
        rows=lambda: history_rows(histories),
    )
    _require_any(not one.unavailable for one in histories)
    if plot is not None:
        from gacli.views.carbon_plot import plot_histories

        plot_histories(histories, plot)
        typer.echo(f"{plot} was written", err=True)


def forecast(
    zones: list[str] | None = _ZONES,
    config: Path | None = _CONFIG,
    source: str | None = _SOURCE,
    at: str | None = _AT,
    horizon: str = typer.Option("24h", "--horizon", metavar="DURATION", help="How far ahead, up to 96h."),
    as_json: bool = _JSON,
    as_csv: bool = _CSV,
    plot: Path | None = _PLOT,
) -> None:
    """Show what carbon intensity is expected to be, with the intervals that hold it 50 and 90 times in 100."""
    from gacli.carbon.outlook import MAX_HORIZON_S
    from gacli.views.carbon_forecast import forecast_json, forecast_rows, forecast_table, read_forecasts
    from gacli.views.carbon_output import show

    form = form_of(as_json=as_json, as_csv=as_csv)
    horizon_s = seconds("--horizon", horizon, low_s=_LEAST_S, high_s=MAX_HORIZON_S)
    _require_picture(plot)
    of = asked(zones, config=config, source=source, at=at, all_zones=False)
    forecasts = read_forecasts(of.chain, of.zones, of.now, horizon_s)
    show(
        form,
        table=lambda width: forecast_table(forecasts),
        record=lambda: forecast_json(forecasts, of.now, horizon_s),
        rows=lambda: forecast_rows(forecasts),
    )
    _require_any(not one.unavailable for one in forecasts)
    if plot is not None:
        from gacli.views.carbon_plot import plot_forecasts

        plot_forecasts(forecasts, plot)
        typer.echo(f"{plot} was written", err=True)


def rank(
    zones: list[str] | None = _ZONES,
    config: Path | None = _CONFIG,
    source: str | None = _SOURCE,
    at: str | None = _AT,
    over: str = typer.Option("24h", "--over", metavar="DURATION", help="By the mean expected of so long; 0: by now."),
    as_json: bool = _JSON,
    as_csv: bool = _CSV,
) -> None:
    """Order zones by the carbon intensity expected of them, the cleanest first. Without ZONE: all known ones."""
    from gacli.carbon.outlook import MAX_HORIZON_S
    from gacli.views.carbon_output import show
    from gacli.views.carbon_rank import rank_json, rank_rows, rank_table, read_ranking

    form = form_of(as_json=as_json, as_csv=as_csv)
    over_s = seconds("--over", over, low_s=0.0, high_s=MAX_HORIZON_S)
    of = asked(zones, config=config, source=source, at=at, all_zones=True)
    ranking = read_ranking(of.chain, of.zones, of.now, over_s)
    show(
        form,
        table=lambda width: rank_table(ranking, of.now, over_s),
        record=lambda: rank_json(ranking, of.now, over_s),
        rows=lambda: rank_rows(ranking),
    )
    _require_any(not one.left_out for one in ranking)


def zones(
    text: str = typer.Argument("", metavar="[TEXT]", help="Only places in whose name, location or zone this occurs."),
    provider: str | None = typer.Option(None, "--provider", help="Only places of aws, azure or gcp."),
    as_json: bool = _JSON,
    as_csv: bool = _CSV,
) -> None:
    """List the regions of cloud providers with their grid zone and PUE, and where that is known from."""
    from gacli.carbon.places import places
    from gacli.config.problems import near
    from gacli.views.carbon_output import show
    from gacli.views.carbon_places import matching, places_json, places_rows, places_table

    form = form_of(as_json=as_json, as_csv=as_csv)
    providers = sorted({place.provider for place in places()})
    if provider is not None and provider not in providers:
        raise ConfigError(f'--provider: found "{provider}"; {near(provider, providers)}')
    found = matching(text, provider)
    if not found:
        raise GaError(
            f'no place has "{text}" in its name, location or zone' + (f" at {provider}" if provider else ""),
            hint="`ga carbon zones` lists all of them",
        )
    show(
        form,
        table=lambda width: places_table(found, width),
        record=lambda: places_json(found),
        rows=lambda: places_rows(found),
    )


def _require_picture(plot: Path | None) -> None:
    """Before anything is asked for that would take long."""
    if plot is not None:
        from gacli.views.carbon_plot import require_picture

        require_picture(plot)


def _require_any(known: Iterable[bool]) -> None:
    if not any(known):
        raise CarbonUnavailable("nothing is known of any of these zones", hint="the reasons are above")
