"""`ga init`, `ga check`, `ga schema`: write and check configurations."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from gacli.errors import GaError


def register(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(check)
    app.command()(schema)


def init(
    path: Path = typer.Argument(Path("train.yaml"), help="The file to write."),
    name: str = typer.Option("train", help="The job's name."),
) -> None:
    """Write a commented configuration. It runs as it is, on mock machines of this computer."""
    from gacli.config.template import template

    text = template(name)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise GaError(f"{path} exists already and is left as it is", hint="name another file") from None
    except OSError as error:
        raise GaError(f"{path} cannot be written: {error.strerror}") from error
    print(f"{path} is written. Next: ga check {path}, then ga run {path}")


def check(
    config: Path = typer.Argument(..., help="The YAML file to check."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    """Say what is wrong with a configuration, its carbon data and its providers' options. Starts nothing."""
    from gacli.cli.session import open_store
    from gacli.clock import anchor_now
    from gacli.config import build
    from gacli.config.carbon_sources import carbon_chain
    from gacli.config.load import load
    from gacli.core.carbon import reading_at
    from gacli.engine.assembly import providers_of, services_of

    loaded = load(config)
    folders, store = open_store()
    store.close()
    carbon, policy = carbon_chain(loaded, services_of(folders)), build.policy(loaded)
    providers_of(loaded, folders)
    now = anchor_now().start if loaded.config.replay is None else loaded.config.replay.start
    found = []
    for site in build.sites(loaded.config):
        reading = reading_at(carbon.readings(site.zone, now, now), now)
        if reading is None:
            raise GaError(f"{config}: {carbon.name} has nothing for zone {site.zone} at {now.isoformat()}")
        found.append(
            {
                "site": site.name,
                "provider": site.provider,
                "zone": site.zone,
                "intensity_g_per_kwh": reading.intensity_g_per_kwh,
                "quality": reading.quality.value,
                "signal": reading.signal.value,
                "source": reading.source,
            }
        )
    if as_json:
        print(
            json.dumps(
                {"config": str(config), "ok": True, "policy": policy.name, "at": now.isoformat(), "sites": found}
            )
        )
        return
    print(f"{config}: in order; policy {policy.name}, {len(found)} sites, carbon from {carbon.name}")
    for site_found in found:
        print(
            f"  {site_found['site']}: {site_found['provider']}, {site_found['zone']} "
            f"{site_found['intensity_g_per_kwh']:.0f} g/kWh ({site_found['quality']}, {site_found['signal']})"
        )


def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from gacli.config.schema import schema as json_schema

    print(json.dumps(json_schema(), indent=2))
