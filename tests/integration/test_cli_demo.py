"""The demo: one command, three mock sites, real training, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import Ga, needs, sample

# What scripts may rely on, and what is told besides.
SUMMARY = {
    "event", "job", "status", "generation", "migrations", "steps", "wall_s", "energy_kwh", "emissions_g", "baseline",
    "saved_percent", "sites", "checkpoint",
}  # fmt: skip
BESIDES = {"at", "pauses", "epoch_s", "detail", "clock_scale", "modelled_percent"}
PHASES = {"boot", "idle", "train", "checkpoint", "transfer"}
EVENTS = {"placement", "job", "instance", "generation", "progress", "checkpoint", "carbon", "decision", "summary"}


@pytest.mark.slow
@needs("numpy", "sklearn")
def test_demo_moves_twice_accounts_for_it_and_leaves_nothing(own_home: Path, tmp_path: Path) -> None:
    # Fewer steps than the demo has, which end after its second move; `make demo` runs all of it.
    config = sample(tmp_path, "demo", ("--steps 600", "--steps 420"))
    with Ga(own_home, tmp_path) as ga:
        running = ga.start("run", config, "--json")
        running.until_running(1)
        names = {process.name() for process in ga.processes()}
        assert "sshd" in names  # what looks for leftovers would see one
        said = running.end()
        ga.wait_until_nothing_is_left()

        assert said.stderr == ""
        events, summary = said.events(), said.summary()
        assert {event["event"] for event in events} >= EVENTS
        assert {event["job"] for event in events} == {"demo-1"}

        assert set(summary) == SUMMARY | BESIDES
        assert set(summary["baseline"]) == {"policy", "site", "emissions_g"}
        assert set(summary["checkpoint"]) == {"step", "sha256"}
        assert (summary["job"], summary["status"], summary["steps"]) == ("demo-1", "done", 420)
        assert summary["migrations"] >= 2
        assert summary["generation"] == summary["migrations"] + 1
        assert (summary["baseline"]["policy"], summary["baseline"]["site"]) == ("stay", "california")
        assert summary["checkpoint"]["step"] == 420
        assert 0 < summary["wall_s"] < 180

        assert len(summary["sites"]) >= 3
        for site in summary["sites"]:
            assert set(site) == {"site", "zone", "time_s", "energy_kwh", "emissions_g", "phases"}
            assert site["phases"].keys() <= PHASES
            for sums in ("time_s", "energy_kwh", "emissions_g"):
                assert sum(phase[sums] for phase in site["phases"].values()) == pytest.approx(site[sums])
        for sums in ("energy_kwh", "emissions_g"):
            assert sum(site[sums] for site in summary["sites"]) == pytest.approx(summary[sums])
        baseline_g = summary["baseline"]["emissions_g"]
        assert summary["saved_percent"] == pytest.approx(100 * (1 - summary["emissions_g"] / baseline_g))

        # Whoever looks later is told the same.
        assert ga("watch", "--json").summary()["emissions_g"] == pytest.approx(summary["emissions_g"])
        assert summary["checkpoint"]["sha256"] in ga("watch", "demo").lines[-1]
