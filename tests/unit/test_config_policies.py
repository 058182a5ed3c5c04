"""Policies from entry points: what their fields are called in YAML and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import ClassVar

import pytest

from gacli.config import policies
from gacli.config.models import PolicyConfig
from gacli.config.policies import PolicyProblems, build
from gacli.core.decision import Action, Decision
from gacli.core.snapshot import Snapshot
from gacli.policies.greenaccounter import GreenAccounter
from gacli.policies.hysteresis import Hysteresis
from gacli.policies.stay import Stay


@dataclass(frozen=True, kw_only=True)
class Picky:
    """A policy with a parameter of every kind."""

    wait_s: float = 60.0
    least_percent: float = 5.0
    least_g_per_kwh: float = 1.0
    times: int = 2
    eager: bool = False
    label: str = "x"
    by_site: Mapping[str, float] = field(default_factory=dict)
    name: ClassVar[str] = "picky"

    def __post_init__(self) -> None:
        if self.times > 5:
            raise ValueError(f"times must be at most 5, found {self.times}")
        if self.label == "bad":
            raise ValueError("these parameters contradict each other")

    def decide(self, snapshot: Snapshot) -> Decision:
        """Stays."""
        return Decision(at=snapshot.now, policy=self.name, action=Action.STAY, reason="")


@pytest.fixture
def picky(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("picky_policies")
    module.Picky = Picky  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picky_policies", module)
    points = {
        name: EntryPoint(name=name, value=value, group="ga.policies")
        for name, value in {
            "picky": "picky_policies:Picky",
            "nameless": "picky_policies:Absent",
            "broken": "no_such_package_at_all:Broken",
        }.items()
    }
    monkeypatch.setattr(policies, "installed", lambda: points)


def config(name: str, **parameters: object) -> PolicyConfig:
    return PolicyConfig.model_validate({"name": name, **parameters})


def test_the_installed_ones() -> None:
    assert {"hysteresis", "stay", "greenaccounter"} <= set(policies.installed())
    assert build(config("stay"), ["a"]) == Stay()
    assert build(config("hysteresis"), ["a"]) == Hysteresis()
    assert build(config("hysteresis", margin="15%", dwell="30m", max_downtime=60), ["a"]) == Hysteresis(
        margin_percent=15.0, dwell_s=1800.0, max_downtime_s=60.0
    )
    assert build(config("greenaccounter", thresholds={"a": 250}), ["a", "b"]) == GreenAccounter(thresholds={"a": 250.0})


@pytest.mark.usefixtures("picky")
def test_every_kind_of_parameter() -> None:
    given = config(
        "picky", wait="1h", least="7%", least_g_per_kwh=3, times=1, eager=True, label="y", by_site={"a": 1, "b": 2.5}
    )
    assert build(given, ["a", "b"]) == Picky(
        wait_s=3600.0,
        least_percent=7.0,
        least_g_per_kwh=3.0,
        times=1,
        eager=True,
        label="y",
        by_site={"a": 1.0, "b": 2.5},
    )
    assert build(config("picky"), []) == Picky()


@pytest.mark.usefixtures("picky")
@pytest.mark.parametrize(
    ("given", "loc", "text"),
    [
        ({"wait": "soon"}, ("policy", "wait"), 'found "soon", expected a duration'),
        ({"wait_s": 5}, ("policy", "wait_s"), "unknown key; did you mean wait?"),
        ({"least": "-1%"}, ("policy", "least"), "expected a percentage"),
        ({"least_g_per_kwh": "3"}, ("policy", "least_g_per_kwh"), 'found "3", expected a number'),
        ({"times": 1.0}, ("policy", "times"), "expected a whole number"),
        ({"times": 6}, ("policy", "times"), "must be at most 5, found 6"),
        ({"eager": "perhaps"}, ("policy", "eager"), 'found "perhaps"'),
        ({"label": 3}, ("policy", "label"), "found 3, expected text"),
        ({"label": "bad"}, ("policy",), "contradict each other"),
        ({"by_site": 3}, ("policy", "by_site"), "expected a mapping"),
        ({"by_site": {"a": "x"}}, ("policy", "by_site", "a"), "expected a number"),
        ({"by_site": {"c": 1}}, ("policy", "by_site", "c"), "unknown site; allowed: a, bee"),
        ({"by_site": {"be": 1}}, ("policy", "by_site", "be"), "did you mean bee?"),
    ],
)
def test_refusals(given: dict[str, object], loc: tuple[str, ...], text: str) -> None:
    with pytest.raises(PolicyProblems) as caught:
        build(config("picky", **given), ["a", "bee"])
    (problem,) = caught.value.problems
    assert problem.loc == loc
    assert text in problem.text


@pytest.mark.usefixtures("picky")
def test_all_problems_at_once() -> None:
    with pytest.raises(PolicyProblems) as caught:
        build(config("picky", wait="x", least="y", no=1), [])
    assert {problem.loc[-1] for problem in caught.value.problems} == {"wait", "least", "no"}


@pytest.mark.usefixtures("picky")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pickey", 'no policy "pickey" is installed; did you mean picky? allowed: broken, nameless, picky'),
        ("broken", "no_such_package_at_all:Broken, but cannot be imported: No module named"),
        ("nameless", "picky_policies:Absent, but cannot be imported"),
    ],
)
def test_policies_that_are_not_there(name: str, text: str) -> None:
    with pytest.raises(PolicyProblems) as caught:
        build(config(name), [])
    assert text in caught.value.problems[0].text
