"""The live display: what it looks like, and that it fits."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from support.rendering import text_of
from support.viewed_job import JOB, SITES, START, Run, at, epoch_s, finished, moved, moving, started
from syrupy.assertion import SnapshotAssertion

from gacli.core.carbon import Quality
from gacli.core.job import JobState
from gacli.ports.machine import StepProgress
from gacli.views.decisions_panel import Notice
from gacli.views.emissions import read_emissions
from gacli.views.job_view import JobView, read_job
from gacli.views.tables import dashboard

NOTICES = (
    Notice(at=START, kind="warning", message="an older one"),
    Notice(at=at(7), kind="warning", message="oregon does not answer: \x1b[31mrefused\x1b[0m\n  → look at the machine"),
    Notice(at=at(8), kind="error", message="[bold]the controller ended[/bold] " + "x" * 200),
)


def _nothing(_run: Run) -> None:
    return None


def _blocked(run: Run) -> None:
    started(run)
    run.store.instances.block_site(JOB, "milan", at(20), "no capacity at milan: 1 of 1 machines in use", fault=False)
    run.state(at(8), JobState.BLOCKED, "frankfurt does not answer: connection refused; the training is left alone")


def _failed(run: Run) -> None:
    started(run)
    run.state(at(8), JobState.FAILED, "crashed 4 times in a row; its last words: ValueError: [red]no[/red] data")


MOMENTS: dict[str, tuple[Callable[[Run], object], datetime]] = {
    "queued": (_nothing, at(0.1)),
    "running": (started, at(8)),
    "moving": (moving, at(8.9)),
    "moved": (moved, at(20)),
    "blocked": (_blocked, at(8)),
    "failed": (_failed, at(8)),
    "done": (finished, at(40)),
}


def view_at(moment: str, **options: object) -> JobView:
    stage, now = MOMENTS[moment]
    run = Run(**options)  # type: ignore[arg-type]  # the options of Run by name
    stage(run)
    return read_job(run.store, JOB, SITES, now=now, emissions=read_emissions(run.store, SITES, JOB))


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_display(moment: str, width: int, snapshot: SnapshotAssertion) -> None:
    assert text_of(dashboard(view_at(moment), width), width) == snapshot


def test_the_display_in_24_rows_and_at_160_columns(snapshot: SnapshotAssertion) -> None:
    view = view_at("moving")
    assert text_of(dashboard(view, 80, 23, notices=NOTICES), 80) == snapshot(name="80x24")
    assert text_of(dashboard(view, 160), 160) == snapshot(name="160")


def test_live_clocks_and_measured_readings_carry_no_labels() -> None:
    shown = text_of(dashboard(view_at("running", scale=1.0, quality=Quality.MEASURED), 80), 80)
    for label in ("replay", "real", "typical", "stale"):
        assert label not in shown


def test_what_is_not_measured_is_labelled() -> None:
    shown = text_of(dashboard(view_at("running"), 80), 80)
    for label in ("replay ×900", "t typical days", "average · energy modelled 1.4 % · typical days"):
        assert label in shown


def test_without_colours_nothing_is_lost_and_no_colour_is_sent() -> None:
    outputs = []
    for no_color in (False, True):
        out = io.StringIO()
        console = Console(
            file=out, width=80, force_terminal=True, color_system="truecolor", no_color=no_color, _environ={}
        )
        console.print(dashboard(view_at("moving"), 80))
        outputs.append(out.getvalue())
    coloured, plain = outputs
    assert "\x1b[3" in coloured
    assert "\x1b[3" not in plain.replace("\x1b[3m", "")
    for word in ("moving", "● copy", "○ frankfurt", "→ oregon", "12.3 MB of 40 MB (8.1 MB/s)"):
        assert word in text_of(dashboard(view_at("moving"), 80), 80)


def _crowded(view: JobView, *, sites: int, steps: int) -> JobView:
    """The same job in a larger fleet, with more going on."""
    more = [
        dataclasses.replace(view.sites[2], name=f"a-site-with-a-long-name-{number}", because="x" * number)
        for number in range(sites)
    ]
    step = StepProgress(what="setting up", detail="pip install " + "y" * 90, done=1, total=3, unit="steps")
    return dataclasses.replace(
        view, sites=(*view.sites, *more), steps={**view.steps, **{f"prepare:{n}": step for n in range(steps)}},
        metrics={f"metric{n}": n / 3 for n in range(9)},
    )  # fmt: skip


VIEWS = {moment: view_at(moment) for moment in MOMENTS}


@settings(max_examples=60)
@given(
    moment=st.sampled_from(sorted(VIEWS)),
    width=st.integers(min_value=80, max_value=200),
    height=st.integers(min_value=23, max_value=60),
    sites=st.integers(min_value=0, max_value=30),
    steps=st.integers(min_value=0, max_value=4),
    notices=st.integers(min_value=0, max_value=3),
)
def test_it_fits_any_terminal_of_80_by_24_and_more(
    moment: str, width: int, height: int, sites: int, steps: int, notices: int
) -> None:
    view = _crowded(VIEWS[moment], sites=sites, steps=steps)
    lines = text_of(dashboard(view, width, height, notices=NOTICES[:notices]), width).splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    # Whatever else had to go: where the job stands, which site holds it, and what it has emitted.
    shown = "\n".join(lines)
    assert view.state.value in shown
    assert "emitted" in shown or "nothing to compare" in shown
    for line in lines:
        assert line[0] in "╭│╰ "


def test_decisions_go_first_then_idle_sites_then_the_phases() -> None:
    view = _crowded(view_at("running"), sites=6, steps=0)

    def shown(height: int) -> str:
        return text_of(dashboard(view, 80, height), 80)

    full = shown(60)
    assert all(part in full for part in ("last decisions", "a-site-with", "train    idle"))
    assert len(full.splitlines()) > 24
    assert "last decisions" not in shown(24)
    assert "a-site-with" in shown(24)
    assert "and 6 more" in shown(18)
    assert "train    idle" in shown(18)
    assert "train    idle" not in shown(16)
    assert "● frankfurt" in shown(12)


def test_the_sites_that_matter_stay_on_the_screen() -> None:
    view = view_at("moving")
    dirty = dataclasses.replace(view.sites[2], name="dirty")
    view = dataclasses.replace(
        view, sites=(*(dataclasses.replace(dirty, name=f"d{n}") for n in range(20)), *view.sites)
    )
    shown = text_of(dashboard(view, 80, 23), 80)
    assert "○ frankfurt" in shown
    assert "→ oregon" in shown


def _decisions(view: JobView) -> Sequence[str]:
    lines = text_of(dashboard(view, 80), 80).splitlines()
    start = next(index for index, line in enumerate(lines) if "last decisions" in line)
    return [line.strip("│ ") for line in lines[start + 1 : -1]]


def test_like_decisions_are_taken_together_the_newest_first() -> None:
    run = Run()
    started(run)
    view = read_job(run.store, JOB, SITES, now=at(8), emissions=read_emissions(run.store, SITES, JOB))
    shown = _decisions(view)
    assert shown[0].startswith("07:00 stay (×7): best other: oregon 107 g/kWh")
    assert shown[-1].startswith("00:00 move → frankfurt")


def test_notices_are_one_line_each_and_cannot_forge_markup() -> None:
    shown = text_of(dashboard(view_at("running"), 80, notices=NOTICES), 80)
    assert "07:00 warning: oregon does not answer: refused | → look at the machine" in shown
    assert "08:00 error: [bold]the controller ended[/bold] xxx" in shown
    assert "an older one" not in shown
    assert "its last words: ValueError: [red]no[/red] data" in text_of(dashboard(view_at("failed"), 80), 80)


def test_a_marginal_and_stale_zone_is_called_so() -> None:
    view = view_at("queued")
    old = dataclasses.replace(view.sites[0], grid=dataclasses.replace(view.sites[0].grid, stale=True))
    shown = text_of(dashboard(dataclasses.replace(view, sites=(old, *view.sites[1:])), 80), 80)
    assert "287 t!" in shown
    assert "t typical days · ! stale" in shown


def test_a_step_without_a_total_has_no_bar() -> None:
    run = Run()
    run.store.journal.set_live(JOB, "target", StepProgress(what="booting", detail="oregon"), epoch_s(at(0)))
    view = read_job(run.store, JOB, SITES, now=at(0), emissions=read_emissions(run.store, SITES, JOB))
    line = next(line for line in text_of(dashboard(view, 80), 80).splitlines() if "booting" in line)
    assert line.strip("│ ") == "booting oregon"


def test_a_finished_display_is_the_same_whenever_it_is_drawn() -> None:
    run = Run()
    finished(run)
    emissions = read_emissions(run.store, SITES, JOB)
    texts = {
        text_of(dashboard(read_job(run.store, JOB, SITES, now=at(40) + timedelta(days=n), emissions=emissions), 80), 80)
        for n in range(3)
    }
    assert len(texts) == 1
