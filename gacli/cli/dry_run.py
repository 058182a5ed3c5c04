"""`ga run --dry-run`: what would be done, decided by the same functions, with nothing written or asked for."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from gacli.clock import anchor_now
from gacli.config import build
from gacli.config.load import LoadedConfig
from gacli.core.decision import Action, Decision, Policy
from gacli.core.snapshot import SiteView, Snapshot
from gacli.engine.assembly import plan_of
from gacli.engine.carbon_watch import WINDOW_S
from gacli.errors import CarbonUnavailable
from gacli.policies.placing import cleanest
from gacli.ports.carbon import CarbonSource


def show(loaded: LoadedConfig, carbon: CarbonSource, policy: Policy, *, as_json: bool) -> None:
    """Print where the job would start, why, and what each machine would be given."""
    replay = loaded.config.replay
    now = anchor_now().start if replay is None else replay.start
    plan = plan_of(loaded, f"{loaded.config.name}-N")
    snapshot = _snapshot(loaded, carbon, now)
    decision = cleanest(snapshot)
    if plan.start_at is not None:
        reason = f"{plan.start_at} is where the configuration starts the job; {decision.reason}"
        decision = Decision(at=now, policy="start_at", action=Action.MOVE, target=plan.start_at, reason=reason)
    requests = [
        {
            "site": site.name,
            "provider": site.provider,
            "instance": f"{loaded.config.name}-N-{site.name}-1",
            "options": dict(site.options),
        }
        for site in plan.sites
        if site.name == decision.target
    ]
    steps = [
        f"copy {plan.work.work_folder} (without {', '.join(plan.work.exclude) or 'exceptions'})",
        *(f"set-up: {command}" for command in plan.work.setup),
        f"run: {plan.command}",
        f"every {plan.poll_s:g} s of the job's clock: ask policy {policy.name}",
    ]
    if as_json:
        body = {"event": "dry_run", "at": now.isoformat(), "start_at": decision.target, "reason": decision.reason}
        print(json.dumps(body | {"requests": requests, "steps": steps}, default=str))
        return
    print(f"would start at {decision.target} at {now:%Y-%m-%d %H:%M} UTC: {decision.reason}")
    for request in requests:
        print(f"would ask {request['provider']} for instance {request['instance']}: {json.dumps(request['options'])}")
    for step in steps:
        print(f"then {step}")


def _snapshot(loaded: LoadedConfig, carbon: CarbonSource, now: datetime) -> Snapshot:
    views = []
    for site in build.sites(loaded.config):
        try:
            readings = tuple(carbon.readings(site.zone, now - timedelta(seconds=WINDOW_S), now))
        except CarbonUnavailable:
            readings = ()
        views.append(SiteView(site=site, readings=tuple(reading for reading in readings if reading.at <= now)))
    return Snapshot(
        now=now,
        current=None,
        held_since=None,
        sites=tuple(views),
        remaining_s=None,
        moves=0,
        max_reading_age_s=loaded.config.carbon.max_age,
    )
