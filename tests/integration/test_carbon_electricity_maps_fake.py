"""The server that stands for Electricity Maps: as strict as the service, and ready for demos."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gacli.carbon.answers import MemoryAnswers
from gacli.carbon.electricity_maps import ElectricityMapsSource
from gacli.carbon.fake.electricity_maps import DEMO_TOKEN, FakeElectricityMaps, trace_table
from gacli.carbon.http import Fetcher
from gacli.clock import real_epoch_s
from gacli.core.carbon import Scope
from gacli.errors import CarbonUnavailable

Clock = Callable[[], float]
HOUR = timedelta(hours=1)
NOW = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    return NOW.timestamp


def test_the_servers_limits_are_those_of_the_api(clock: Clock) -> None:
    fetcher = Fetcher(MemoryAnswers(), epoch_s=clock)

    def status(path: str, **params: str) -> int:
        headers = {"auth-token": DEMO_TOKEN}
        return fetcher.get("test", f"{server.url}{path}", params=params, headers=headers, fresh_s=0).status

    with FakeElectricityMaps(epoch_s=clock) as server:
        ten_days = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-11T00:00:00Z"}
        assert status("/v3/carbon-intensity/past-range", zone="DE", **ten_days) == 200
        assert status("/v3/carbon-intensity/past-range", zone="DE", **ten_days | {"end": "2026-03-11T01:00:00Z"}) == 400
        assert status("/v3/carbon-intensity/past-range", zone="DE", start="then", end="now") == 400
        assert status("/v3/carbon-intensity/forecast", zone="DE", horizonHours="12") == 400
        assert status("/v3/carbon-intensity/latest", disableCallerLookup="true") == 400
        assert status("/v3/carbon-intensity/latest") == 200  # of the caller's own zone: the trap
        assert status("/v3/carbon-intensity/latest", zone="DE", emissionFactorType="both") == 400
        assert status("/v2/carbon-intensity/latest", zone="DE") == 404
        assert status("/v3/carbon-intensity/next", zone="DE") == 404


def test_traces_of_a_folder(tmp_path: Path, clock: Clock) -> None:
    rows = "".join(f"{(NOW - n * HOUR).replace(minute=0).isoformat()},{n},{n + 1}\n" for n in reversed(range(48)))
    (tmp_path / "DE.csv").write_text(f"datetime_utc,carbon_intensity_gco2_per_kwh,renewable_percent\n{rows}")
    (tmp_path / "FR.csv").write_text("not a trace\n")
    (tmp_path / "notes.txt").write_text("no trace at all")
    with FakeElectricityMaps(trace_table(tmp_path), epoch_s=clock) as server:
        source = ElectricityMapsSource(
            Fetcher(MemoryAnswers(), epoch_s=clock),
            token=DEMO_TOKEN,
            base_url=server.url,
            version="v4",
            scope=Scope.LIFECYCLE,
            epoch_s=clock,
        )
        readings = source.readings("DE", NOW - 40 * HOUR, NOW)
        assert [reading.intensity_g_per_kwh for reading in readings] == [float(n) for n in reversed(range(41))]
        assert readings[-1].renewable_percent == 1.0
        with pytest.raises(CarbonUnavailable, match=r"HTTP 500.*FR\.csv"):
            source.readings("FR", NOW, NOW)
        with pytest.raises(CarbonUnavailable, match="no data"):
            source.readings("IT", NOW, NOW)


def test_the_demo_server_is_one_line_to_start() -> None:
    command = [sys.executable, "-m", "gacli.carbon.fake.electricity_maps", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            url = line.split()[0]
            assert line.strip().endswith(f"to the token {DEMO_TOKEN}")
            source = ElectricityMapsSource(
                Fetcher(MemoryAnswers(), epoch_s=real_epoch_s),
                token=DEMO_TOKEN,
                base_url=url,
                version="v3",
                scope=Scope.LIFECYCLE,
                epoch_s=real_epoch_s,
            )
            now = datetime.fromtimestamp(real_epoch_s(), UTC)
            assert source.readings("DE", now, now)[0].intensity_g_per_kwh > 0
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
        assert process.stderr is not None
        assert (process.stdout.read(), process.stderr.read()) == ("", "")


def test_the_demo_server_says_what_it_cannot_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gacli.carbon.fake.electricity_maps", "--folder", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "none" in done.stderr
    assert "Traceback" not in done.stderr
