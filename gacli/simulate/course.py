"""The course of one simulated job, from event to event."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum, auto
from operator import itemgetter

from gacli.core.decision import Action, Decision, Policy
from gacli.core.emissions import total_of
from gacli.core.energy import Phase
from gacli.core.site import Site
from gacli.errors import GaError
from gacli.policies.placing import cleanest
from gacli.simulate.ledger import Held, Ledger
from gacli.simulate.outages import Outages
from gacli.simulate.progress import NEVER_US, Progress, microseconds
from gacli.simulate.scenario import Oracle, Outcome, Scenario
from gacli.simulate.views import Views


class _Stage(Enum):
    """What the job is at. COPY: transfer and restart. BOOT: of a machine for a job that trains nowhere."""

    WAIT = auto()
    BOOT = auto()
    RESTART = auto()
    TRAIN = auto()
    SAVE = auto()
    COPY = auto()
    PAUSED = auto()
    OVER = auto()


class _Why(Enum):
    """What a save is for."""

    PERIODIC = auto()
    MOVE = auto()
    PAUSE = auto()
    END = auto()


class Course:
    """Goes once from the start to the end, under one policy.

    Instants are whole microseconds after the job's start, so that sums are exact and equal instants are equal.

    `machine` holds the job (paused: idles for it), `target` is to take it. A stage ends at `ends_us`.
    """

    def __init__(self, scenario: Scenario, policy: Policy, oracle: Oracle | None) -> None:
        self._scenario, self._policy = scenario, policy
        self._sites = {site.name: site for site in scenario.sites}
        self._ledger = Ledger(scenario)
        self._outages = Outages(scenario.outages)
        self._views = Views(scenario, self._outages, oracle)
        self._progress = Progress(scenario.job)
        self._save_us, self._restart_us = microseconds(scenario.job.save_s), microseconds(scenario.job.restart_s)
        self._poll_us = max(microseconds(scenario.poll_s), 1)
        self._limit_us = microseconds(scenario.limit_s)
        ends = [readings[-1] for readings in (scenario.readings_by_zone[site.zone] for site in scenario.sites)]
        self._known_us = max(self._after(r.at) + microseconds(r.period_s) for r in ends)

        self._now_us = self._ends_us = self._trains_since_us = self._held_since_us = 0
        self._ready_us = NEVER_US
        self._stage, self._why = _Stage.WAIT, _Why.PERIODIC
        self._machine: Held | None = None
        self._target: Held | None = None
        self._generation = self._polls = 0
        self._paused_at: str | None = None
        self._paused_since_us = self._paused_us = 0
        self._decisions: list[Decision] = []
        self._stops: dict[int, int] = {}
        self._moves = self._pauses = 0
        self._finished_us: int | None = None

    def outcome(self) -> Outcome:
        """Let everything happen, and say what came of it."""
        while self._stage is not _Stage.OVER:
            self._now_us, happen = min(self._events(), key=itemgetter(0))
            happen()
        instant = self._ledger.instant
        intervals = self._ledger.intervals()
        deadline_s, finished_us = self._scenario.job.deadline_s, self._finished_us
        met = finished_us is not None and (deadline_s is None or finished_us <= microseconds(deadline_s))
        return Outcome(
            policy=self._policy.name,
            intervals=intervals,
            decisions=tuple(self._decisions),
            finished_at=None if finished_us is None else instant(finished_us),
            deadline_met=None if deadline_s is None else met,
            moves=self._moves,
            pauses=self._pauses,
            paused_s=self._paused_us / 1e6,
            lost_s=self._progress.lost_us / 1e6,
            total=total_of(intervals),
            stops={generation: instant(at_us) for generation, at_us in self._stops.items()},
        )

    def _events(self) -> tuple[tuple[int, Callable[[], None]], ...]:
        """At the same instant what ends comes first, then what is lost, and only then the policy."""
        return (
            (self._ends_us, self._advance),
            (self._ready_us, self._booted_beside),
            (self._outage_us(), self._lose),
            (self._give_up_us(), self._give_up),
            (self._poll_at_us(), self._ask),
        )

    def _outage_us(self) -> int:
        start = self._outages.next_start
        return NEVER_US if start is None else max(self._after(start), self._now_us)

    def _give_up_us(self) -> int:
        # Where the readings end nothing can change a policy's mind any more.
        known_us = self._known_us if self._stage is _Stage.PAUSED else NEVER_US
        return max(min(self._limit_us, known_us), self._now_us)

    def _poll_at_us(self) -> int:
        asked = self._stage in (_Stage.TRAIN, _Stage.PAUSED) or (
            self._stage is _Stage.SAVE and self._why is _Why.PERIODIC
        )
        if not asked or self._target is not None:
            return NEVER_US
        at_us = max(self._polls, -(-self._now_us // self._poll_us)) * self._poll_us
        return at_us if at_us < self._known_us else NEVER_US

    def _advance(self) -> None:
        match self._stage:
            case _Stage.WAIT:
                self._place()
            case _Stage.BOOT:
                self._booted()
            case _Stage.RESTART:
                self._train(settles=True)
            case _Stage.TRAIN:
                ends = self._progress.until_save_us == self._progress.remaining_us
                self._save(_Why.END if ends else _Why.PERIODIC)
            case _Stage.SAVE:
                self._progress.save()
                self._saved()
            case _Stage.COPY:
                self._arrive()
            case _:
                raise AssertionError(f"{self._stage} does not end by itself")

    def _place(self) -> None:
        """At the wanted or the cleanest site; wait while there is none."""
        now, start_at = self._ledger.instant(self._now_us), self._scenario.start_at
        if self._generation == 0 and start_at is not None and self._outages.until(start_at, now) is None:
            target: str | None = start_at
        else:
            target = cleanest(self._views.snapshot(now=now, progress=self._progress, moves=self._moves)).target
        if target is None:
            end = self._outages.first_end_after(now)
            assert end is not None
            self._enter(_Stage.WAIT, self._after(end) - self._now_us)
        else:
            self._boot(self._sites[target])

    def _boot(self, site: Site) -> None:
        self._target = self._ledger.hold(site, self._generation + 1, self._now_us)
        self._enter(_Stage.BOOT, self._boot_us(site))

    def _booted(self) -> None:
        """A machine for a job that trains nowhere: a first or a new start, or a resumption."""
        target = self._target
        assert target is not None
        if self._paused_at is not None and self._paused_at != target.site.name:
            self._copy(self._paused_at)
            return
        self._machine, self._target = target, None
        self._restart()

    def _restart(self) -> None:
        assert self._machine is not None
        self._ledger.turn(self._machine, Phase.IDLE, self._now_us)
        self._generation += 1
        self._machine.generation = self._generation
        self._enter(_Stage.RESTART, self._restart_us)

    def _train(self, *, settles: bool = False) -> None:
        """settles: the trainer begins anew, so that a dwell does, too."""
        assert self._machine is not None
        self._paused_at = None
        self._trains_since_us = self._now_us
        if settles:
            self._held_since_us = self._now_us
        self._ledger.turn(self._machine, Phase.TRAIN, self._now_us)
        self._enter(_Stage.TRAIN, self._progress.until_save_us)

    def _count_training(self) -> None:
        if self._stage is _Stage.TRAIN:
            self._progress.add(self._now_us - self._trains_since_us)
            self._trains_since_us = self._now_us

    def _save(self, why: _Why) -> None:
        """The trainer saves; a save that is on its way serves for what has come up since."""
        assert self._machine is not None
        if why is _Why.END:
            self._drop_target()
        elif why is not _Why.PERIODIC:
            self._stops[self._machine.generation] = self._now_us
        self._why = why
        if self._stage is not _Stage.SAVE:
            self._count_training()
            self._ledger.turn(self._machine, Phase.CHECKPOINT, self._now_us)
            self._enter(_Stage.SAVE, self._save_us)

    def _saved(self) -> None:
        machine = self._machine
        assert machine is not None
        match self._why:
            case _Why.PERIODIC:
                self._train()
            case _Why.MOVE:
                self._copy(machine.site.name)
            case _Why.PAUSE:
                self._pause(machine)
            case _Why.END:
                self._finished_us = self._now_us
                self._end()

    def _pause(self, machine: Held) -> None:
        self._pauses += 1
        self._paused_at, self._paused_since_us = machine.site.name, self._now_us
        if self._scenario.hold_paused:
            self._ledger.turn(machine, Phase.IDLE, self._now_us)
        else:
            self._give_back_machine()
        self._enter(_Stage.PAUSED, None)

    def _booted_beside(self) -> None:
        """The target of a move is ready: the source is stopped."""
        assert self._target is not None
        self._ready_us = NEVER_US
        self._ledger.turn(self._target, Phase.IDLE, self._now_us)
        self._save(_Why.MOVE)

    def _copy(self, source: str) -> None:
        assert self._target is not None
        for held in (self._machine, self._target):
            if held is not None:
                self._ledger.turn(held, Phase.TRANSFER, self._now_us)
        copy_us = microseconds(self._views.copy_s(source, self._target.site.name))
        self._enter(_Stage.COPY, copy_us + self._restart_us)

    def _arrive(self) -> None:
        assert self._target is not None
        self._give_back_machine()
        self._machine, self._target = self._target, None
        self._generation = self._machine.generation
        self._moves += 1
        self._train(settles=True)

    def _ask(self) -> None:
        self._polls = self._now_us // self._poll_us + 1
        instant, paused = self._ledger.instant, self._stage is _Stage.PAUSED
        site = None if self._machine is None else self._machine.site
        self._count_training()
        snapshot = self._views.snapshot(
            now=instant(self._now_us),
            progress=self._progress,
            saving_us=self._ends_us - self._now_us if self._stage is _Stage.SAVE else 0,
            moves=self._moves,
            trains_at=None if paused else site,
            held_since=None if paused else instant(self._held_since_us),
            paused_at=self._paused_at,
            paused_since=instant(self._paused_since_us) if paused else None,
            idles_at=site if paused else None,
        )
        decision = self._policy.decide(snapshot)
        self._decisions.append(decision)
        if decision.action is Action.PAUSE and not paused:
            self._save(_Why.PAUSE)
        elif decision.action is Action.MOVE:
            self._go_to(self._named(decision), paused=paused)

    def _named(self, decision: Decision) -> Site:
        site = self._sites.get(decision.target or "")
        if site is None:
            raise GaError(
                f"policy {self._policy.name}: expected a move to one of {', '.join(self._sites)}, "
                f"found {decision.target!r} at {decision.at.isoformat()}"
            )
        return site

    def _go_to(self, site: Site, *, paused: bool) -> None:
        """A move, or a resumption. Where no machine can be had, or the job trains already, nothing comes of it."""
        stays = self._machine is not None and self._machine.site is site
        if not stays and self._outages.until(site.name, self._ledger.instant(self._now_us)) is not None:
            return
        if paused:
            self._paused_us += self._now_us - self._paused_since_us
            if stays:
                self._restart()
            else:
                self._boot(site)
        elif not stays:
            self._target = self._ledger.hold(site, self._generation + 1, self._now_us)
            self._ready_us = self._now_us + self._boot_us(site)

    def _lose(self) -> None:
        """An outage begins: whatever machine is held there is gone."""
        site = self._outages.begin()
        if self._target is not None and self._target.site.name == site:
            self._drop_target()
            if self._stage is _Stage.SAVE and self._why is _Why.MOVE:
                assert self._machine is not None
                self._why = _Why.PERIODIC
                # It trains on: what it saves from now on is its work again.
                del self._stops[self._machine.generation]
            elif self._stage in (_Stage.BOOT, _Stage.COPY):
                self._go_back()
        if self._machine is not None and self._machine.site.name == site:
            self._count_training()
            self._give_back_machine()
            self._progress.lose()
            # A paused job lies safely elsewhere: it is as well resumed, or goes on being, without that machine.
            if self._stage not in (_Stage.PAUSED, _Stage.BOOT):
                self._drop_target()
                self._replace()

    def _go_back(self) -> None:
        """The target is lost: to the machine that is still held, or to a new one."""
        if self._machine is not None:
            self._restart()
        else:
            self._replace()

    def _replace(self) -> None:
        self._paused_at = None
        self._place()

    def _drop_target(self) -> None:
        if self._target is not None:
            self._ledger.give_back(self._target, self._now_us)
        self._target, self._ready_us = None, NEVER_US

    def _give_back_machine(self) -> None:
        if self._machine is not None:
            self._ledger.give_back(self._machine, self._now_us)
        self._machine = None

    def _give_up(self) -> None:
        if self._stage is _Stage.PAUSED:
            self._paused_us += self._now_us - self._paused_since_us
        self._drop_target()
        self._end()

    def _end(self) -> None:
        self._give_back_machine()
        self._stage = _Stage.OVER

    def _enter(self, stage: _Stage, for_us: int | None) -> None:
        self._stage = stage
        self._ends_us = NEVER_US if for_us is None else self._now_us + for_us

    def _after(self, instant: datetime) -> int:
        """Microseconds from the job's start; negative before it."""
        return (instant - self._scenario.start) // timedelta(microseconds=1)

    def _boot_us(self, site: Site) -> int:
        return microseconds(self._scenario.boot_s.get(site.name, 0.0))
