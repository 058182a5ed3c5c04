"""The typer application and its commands."""

from __future__ import annotations

import typer

from gacli.cli import (
    carbon,
    configuring,
    fleet,
    forecast,
    limiting,
    looking,
    reporting,
    running,
    simulate,
    steering,
    sweep,
    trace,
)

app = typer.Typer(
    name="ga",
    help="Train deep-learning jobs where and when electricity is clean.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain help: Rich would have to be imported for it, Markdown and all, which takes longer than everything else.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

configuring.register(app)
running.register(app)
steering.register(app)
limiting.register(app)
looking.register(app)
reporting.register(app)
carbon.add_to(app)
forecast.add_to(app)
trace.add_to(app)
simulate.register(app)
sweep.register(app)
fleet.register(app)


def _version(value: bool) -> None:
    if value:
        from gacli import __version__

        typer.echo(f"ga {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Train deep-learning jobs where and when electricity is clean."""
