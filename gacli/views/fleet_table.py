"""`ga fleet`: every instance, whose it is, and what became of those that nobody needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.text import Text

from gacli.engine.inventory import Entry, Survey, Unasked
from gacli.engine.orphans import Outcome, Swept, Use
from gacli.store.database import to_text
from gacli.views import formatting as fmt
from gacli.views.section import columns
from gacli.views.stream import to_line

_STYLES: Final[Mapping[Use, str]] = {
    Use.IN_USE: "green",
    Use.RELEASING: "yellow",
    Use.ORPHAN: "bold red",
    Use.LOST: "bold red",
    Use.FOREIGN: "dim",
}


def print_fleet(survey: Survey, now: datetime, *, as_json: bool) -> None:
    """For `ga fleet list`, to standard output. now: real time."""
    if as_json:
        print(to_line(fleet_json(survey, now)))
    else:
        Console().print(fleet_table(survey, now))


def print_orphans(entries: Sequence[Entry], now: datetime) -> None:
    """What `ga fleet gc` would destroy, before it does or asks."""
    Console().print(_table(entries, now))


def print_swept(swept: Sequence[Swept]) -> None:
    """What came of it, a line each."""
    for one in swept:
        print(f"{one.instance_id}: {one.outcome}" + (f", {fmt.plain(one.message)}" if one.message else ""))


def fleet_table(survey: Survey, now: datetime) -> RenderableType:
    """One line an instance, and below what is to be done about them."""
    if not survey.entries:
        parts: list[RenderableType] = [Text("no instances")]
    else:
        parts = [_table(survey.entries, now)]
    return Group(*parts, *(Text(note, style="yellow") for note in notes(survey)))


def notes(survey: Survey) -> Iterator[str]:
    """What somebody should do or know; empty when all is in order."""
    orphans = [entry for entry in survey.entries if entry.use is Use.ORPHAN]
    if orphans:
        yield f"{fmt.plural(len(orphans), 'orphan')}: nobody needs what is marked so; destroy it with: ga fleet gc"
    yield from forsaken(survey)
    for one in survey.unasked:
        yield unasked_text(one)


def forsaken(survey: Survey) -> Iterator[str]:
    """Jobs that have instances and no controller."""
    for job_id in sorted({entry.job_id or "" for entry in survey.entries if entry.has_controller is False}):
        yield (
            f"{job_id} has no controller, its instances are kept: "
            f"continue it with `ga resume {job_id}`, or end it with `ga stop {job_id}`"
        )


def unasked_text(one: Unasked) -> str:
    return f"{one.what}: could not be looked at: {fmt.plain(one.message)}"


def fleet_json(survey: Survey, now: datetime) -> dict[str, object]:
    """For `ga fleet list --json`. Times are real; null: nobody knows. state is null for what is lost."""
    return {
        "store": survey.store_id,
        "at": to_text(now),
        "instances": [entry_json(entry, now) for entry in survey.entries],
        "unasked": [_unasked_json(one) for one in survey.unasked],
    }


def sweep_json(
    survey: Survey, orphans: Sequence[Entry], swept: Sequence[Swept], now: datetime, *, dry_run: bool
) -> dict[str, object]:
    """For `ga fleet gc --json`: every orphan with its outcome (gone, deleting, spared, failed; null on a dry run)."""
    outcomes = {one.instance_id: one for one in swept}

    def outcome(entry: Entry) -> dict[str, object]:
        one = outcomes.get(entry.instance_id)
        return {"outcome": None if one is None else one.outcome.value, "message": "" if one is None else one.message}

    return {
        "store": survey.store_id,
        "at": to_text(now),
        "dry_run": dry_run,
        "orphans": [entry_json(entry, now) | outcome(entry) for entry in orphans],
        "destroyed": sum(one.outcome is Outcome.GONE for one in swept),
        "unasked": [_unasked_json(one) for one in survey.unasked],
    }


def entry_json(entry: Entry, now: datetime) -> dict[str, object]:
    return {
        "instance": entry.instance_id,
        "site": entry.place.site.name,
        "provider": entry.place.site.provider,
        "job": entry.job_id,
        "generation": entry.generation,
        "state": None if entry.state is None else entry.state.value,
        "use": entry.use.name.lower(),
        "because": entry.because,
        "has_controller": entry.has_controller,
        "created_at": _optional(entry.created_at),
        "age_s": entry.age_s(now),
        "price_usd": entry.price_usd(now),
        "expires_at": _optional(entry.expires_at),
    }


def _table(entries: Sequence[Entry], now: datetime) -> RenderableType:
    table = columns(gap=2, expand=False)
    # Names are folded where they do not fit, never cut.
    for header in ("instance", "site", "job"):
        table.add_column(header, overflow="fold")
    table.add_column("state", no_wrap=True)
    for header in ("age", "price"):
        table.add_column(header, no_wrap=True, justify="right")
    table.add_column("use", no_wrap=True)
    for entry in entries:
        age_s, price_usd = entry.age_s(now), entry.price_usd(now)
        table.add_row(
            fmt.plain(entry.instance_id),
            entry.place.site.name,
            fmt.plain(entry.job_id or fmt.UNKNOWN),
            fmt.UNKNOWN if entry.state is None else entry.state.value,
            fmt.UNKNOWN if age_s is None else fmt.duration(age_s),
            fmt.UNKNOWN if price_usd is None else f"${price_usd:,.2f}",
            Text(entry.use.value, style=_STYLES[entry.use]),
        )
    strange = (entry for entry in entries if entry.use not in (Use.IN_USE, Use.RELEASING))
    reasons = (f"{fmt.plain(entry.instance_id)}: {entry.use}, {fmt.plain(entry.because)}" for entry in strange)
    return Group(table, *map(Text, reasons))


def _unasked_json(one: Unasked) -> dict[str, object]:
    return {"what": one.what, "message": one.message}


def _optional(instant: datetime | None) -> str | None:
    return None if instant is None else to_text(instant)
