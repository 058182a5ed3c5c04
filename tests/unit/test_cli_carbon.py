"""`ga carbon` and `ga forecast`: what is refused before anything is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from gacli.cli.app import app
from gacli.cli.carbon_asked import asked
from gacli.errors import ConfigError


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GA_STATE_DIR", str(tmp_path / "ga-state"))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        pytest.param(["now", "DEE"], "did you mean DE?", id="zone"),
        pytest.param(["now", "de"], "did you mean DE?", id="zone in small letters"),
        pytest.param(["now", "aws:eu-central-11"], "eu-central-1", id="region"),
        pytest.param(["now", "ibm:frankfurt"], "aws, azure, gcp", id="provider"),
        pytest.param(["now", "--source", "neco"], "did you mean neso?", id="source"),
        pytest.param(["now", "DE", "--source", "trace"], "-c", id="source that needs a configuration"),
        pytest.param(["now", "--source", "neso"], "found none", id="a service without zones"),
        pytest.param(["now", "DE", "--source", "static", "-c", "x.yaml"], "found both", id="source and configuration"),
        pytest.param(["now", "DE", "--at", "yesterday"], "--at", id="time"),
        pytest.param(["now", "DE", "--json", "--csv"], "found both", id="two forms"),
        pytest.param(["history"], "found none", id="history of no zone"),
        pytest.param(["history", "DE", "--since", "24"], "1h to", id="too short"),
        pytest.param(["history", "DE", "--since", "1d", "--from", "2024-06-01"], "found both", id="since and from"),
        pytest.param(["history", "DE", "--from", "2024-06-02", "--to", "2024-06-01"], "past time", id="backwards"),
        pytest.param(["forecast"], "found none", id="forecast of no zone"),
        pytest.param(["forecast", "DE", "--horizon", "97h"], "1h to 4d", id="too far"),
        pytest.param(["forecast", "DE", "--plot", "x.pdf"], ".png or .svg", id="no picture"),
        pytest.param(["rank", "--over", "5d"], "0s to 4d", id="over too long"),
        pytest.param(["zones", "--provider", "ibm"], "aws, azure, gcp", id="places of no provider"),
    ],
)
def test_what_is_refused(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        app(["carbon", *arguments], standalone_mode=False)
    assert word in str(caught.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("words", [["DE"], []])
def test_backtests_need_files(words: list[str]) -> None:
    with pytest.raises(ConfigError, match="expected the files of carbon traces"):
        app(["forecast", "backtest", *words], standalone_mode=False)


@pytest.mark.parametrize(
    ("words", "zones"),
    [
        (["FR", "DE", "FR"], {"FR": (), "DE": ()}),
        (["aws:eu-central-1", "DE"], {"DE": ("aws:eu-central-1",)}),
        (
            ["gcp:europe-west3", "aws:eu-central-1", "gcp:europe-west3"],
            {"DE": ("gcp:europe-west3", "aws:eu-central-1")},
        ),
        (["azure:qatarcentral"], {"QA": ("azure:qatarcentral",)}),
    ],
)
def test_zones_and_places(words: list[str], zones: dict[str, tuple[str, ...]]) -> None:
    assert asked(words, config=None, source=None, all_zones=False).zones == zones


def test_a_service_may_know_zones_that_nobody_else_knows() -> None:
    of = asked(["XK"], config=None, source="neso", all_zones=False)
    assert (of.zones, of.chain.name) == ({"XK": ()}, "neso")
    with pytest.raises(ConfigError, match='no zone is known by "xk"'):
        asked(["xk"], config=None, source="neso", all_zones=False)
