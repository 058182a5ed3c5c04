"""Telemetry files and the ledger's totals, worked out by hand: how is in each `by_hand`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel
from support.engine import site
from support.metered import Metered

from ga_playbooks.messages import PollAnswer, parse_poll
from gacli.engine.recompute import recompute

DATA = Path(__file__).parents[1] / "data" / "ledger"


class Phases(BaseModel):
    energy_j: float
    emissions_g: float
    modelled_j: float


class Golden(BaseModel):
    """scale, pue, hours: see Metered. until_s: up to when the instance is accounted. devices: down to J."""

    by_hand: list[str]
    scale: float
    pue: float
    hours: list[float]
    until_s: float
    phases: dict[str, Phases]
    devices: list[tuple[str, str, str, str, float]]


@pytest.mark.parametrize("name", sorted(path.stem for path in DATA.glob("*.json")))
def test_golden(name: str, tmp_path: Path) -> None:
    golden = Golden.model_validate_json((DATA / f"{name}.json").read_text(encoding="utf-8"))
    lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in lines].count("power") > 0
    one = Metered(root=tmp_path, hours=golden.hours, scale=golden.scale, at=site("a", "A", pue=golden.pue))
    answer = PollAnswer(
        generation=1,
        agent_alive=True,
        lock_held=True,
        exit=None,
        last_seq=len(lines),
        clock_s=0.0,
        records=lines,
        through=len(lines),
        more=False,
    )
    one.deliver(parse_poll([answer], where=name).power)
    totals = {total.phase.value: total for total in one.store.ledger.totals(one.job_id)}
    assert totals.keys() == golden.phases.keys()
    for phase, wanted in golden.phases.items():
        found = totals[phase]
        assert (found.energy_j, found.emissions_g, found.modelled_j) == pytest.approx(
            (wanted.energy_j, wanted.emissions_g, wanted.modelled_j), rel=1e-9
        )
    assert one.by_device() == pytest.approx({device[:4]: device[4] for device in golden.devices}, rel=1e-9)
    assert one.until() == golden.until_s
    # And again, from the same lines.
    path = one.folders.telemetry(one.job_id, 1)
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    again = recompute(one.store, one.folders, one.job_id, pue=None, readings=None)
    for total in again.totals:
        assert total.now.energy_j == pytest.approx(total.recorded.energy_j, rel=1e-9)
        assert total.now.emissions_g == pytest.approx(total.recorded.emissions_g, rel=1e-9)
