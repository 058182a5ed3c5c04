"""`checkpoint.path` names a folder that the script never writes to: put back where it was, and left there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bad import Ga, ga_in, job, mock

pytestmark = pytest.mark.prove

WITHOUT = {"grace": "5s", "path": "out/checkpoints"}


@pytest.fixture
def ga(tmp_path: Path) -> Iterator[Ga]:
    with ga_in(tmp_path) as found:
        found.use_script("elsewhere.py")
        yield found


def test_job_that_left_no_checkpoint_is_put_back_and_not_moved_again(ga: Ga) -> None:
    config = job("python3 elsewhere.py 200", [mock("a"), mock("b", zone="FR")], checkpoint=WITHOUT)
    watcher = ga.begin(ga.write(config), "--json")
    ga.await_step(12)
    first = ga("migrate", "job-1", "b", "--wait")
    first.refuses(1, "job-1 was not moved to b", "the script saved no checkpoint in out/checkpoints", "asked to stop")
    warning = ga.messages("warning")
    assert "will not be moved again" in warning
    assert "checkpoint.path" in warning
    assert "the script saved no checkpoint in out/checkpoints" in warning
    second = ga("migrate", "job-1", "b")
    second.refuses(1, "job-1: the job cannot be moved", "the script saved no checkpoint")
    said = ga.finish(watcher)
    assert (said.exit_code, said.last["status"], said.last["migrations"]) == (0, "done", 0), said
    sites = [event.body["site"] for event in ga.events("generation") if event.body["state"] == "started"]
    assert sites == ["a", "a"]
    # What the script saved in its own place was not taken from it.
    assert "goes on after step 0" not in ga("logs", "job-1", "--generation", "2").out


def test_policy_does_not_move_such_a_job_again(ga: Ga) -> None:
    eager = {"name": "greenaccounter", "thresholds": {"a": 300, "b": 300}}
    carbon = {"source": "static", "values": {"DE": 400, "FR": 50}, "poll": "30s"}
    config = job(
        "python3 elsewhere.py 90",
        [mock("a"), mock("b", zone="FR")],
        checkpoint=WITHOUT,
        policy=eager,
        carbon=carbon,
    )
    said = ga("run", "--json", ga.write(config))
    assert (said.exit_code, said.last["migrations"], said.last["generation"]) == (0, 0, 2), said
    moves = [event for event in ga.events("placement") if event.body["purpose"] == "move"]
    assert {event.body["placement"] for event in moves if event.body["state"] == "planned"} == {2}
    assert "will not be moved again" in ga.messages("warning")
