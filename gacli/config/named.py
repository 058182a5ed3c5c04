"""What holds for named sites and jobs in files of every kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from gacli.config.models import PowerConfig
from gacli.config.problems import Problem
from gacli.config.quantities import format_power


class PoweredSite(Protocol):
    """A site of whatever kind of file."""

    @property
    def power(self) -> PowerConfig: ...


def same_names(key: str, names: Sequence[str]) -> Iterator[Problem]:
    """key: of the list that the names are in."""
    for index, name in enumerate(names):
        if name in names[:index]:
            text = f'found "{name}" again, already the name of {key}[{names.index(name)}]; names must be unique'
            yield Problem(loc=(key, index, "name"), text=text)


def impossible_powers(sites: Sequence[PoweredSite]) -> Iterator[Problem]:
    """Those that are lower in training than without."""
    for index, site in enumerate(sites):
        if site.power.busy < site.power.idle:
            busy, idle = format_power(site.power.busy), format_power(site.power.idle)
            stated = "" if "idle" in site.power.model_fields_set else ", the default"
            text = f"found busy {busy} below idle {idle}{stated}; expected busy of at least idle"
            yield Problem(loc=("sites", index, "power"), text=text)
