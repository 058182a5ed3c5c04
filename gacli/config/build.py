"""Configuration → the values that the rest of the program works with."""

from __future__ import annotations

import re

from gacli.config.load import LoadedConfig
from gacli.config.models import Config
from gacli.config.policies import PolicyProblems, build
from gacli.config.problems import Problem
from gacli.core.decision import Policy
from gacli.core.site import PowerModel, Site
from gacli.errors import ConfigError


def sites(config: Config) -> tuple[Site, ...]:
    """The fleet, in the file's order."""
    return tuple(
        Site(
            name=site.name,
            provider=site.provider,
            zone=site.zone,
            pue=site.pue,
            power=PowerModel(idle_w=site.power.idle, busy_w=site.power.busy, stated="power" in site.model_fields_set),
            price_usd_per_hour=site.price,
            capacity=site.capacity,
            options=site.options,
        )
        for site in config.sites
    )


def policy(loaded: LoadedConfig) -> Policy:
    """The policy with its parameters. ConfigError when an entry point has changed since the file was loaded."""
    try:
        return build(loaded.config.policy, [site.name for site in loaded.config.sites])
    except PolicyProblems as error:
        raise loaded.error(*error.problems) from error


def site_options_error(loaded: LoadedConfig, site: str, error: ConfigError) -> ConfigError:
    """A provider's complaint about the options of the site called `site`, with the file and line it lacks.

    A message that begins with a key and a colon (`faults.crash_after_s: found …`) is placed at that key.
    """
    index = [candidate.name for candidate in loaded.config.sites].index(site)
    options = ("sites", index, "options")
    if match := re.match(r"([\w.-]+):\s+", error.message):
        keys = [int(key) if key.isdecimal() else key for key in match[1].split(".")]
        problem = Problem(loc=(*options, *keys), text=error.message[match.end() :])
    else:
        problem = Problem(loc=options, text=error.message)
    return ConfigError(loaded.error(problem).message, hint=error.hint)
