"""What is said of GPU limits."""

from __future__ import annotations

from typing import Any

import pytest

from gacli.views.wording import limit_text

GPU: dict[str, Any] = {
    "device": "gpu0", "power_w": None, "clock_mhz": None, "low": None, "high": None, "was_w": None, "refused": "",
}  # fmt: skip
SET = {**GPU, "power_w": 250.0, "low": 100.0, "high": 400.0, "was_w": 400.0}


@pytest.mark.parametrize(
    ("gpus", "limit_id", "refused", "text"),
    [
        ([SET, {**SET, "device": "gpu1"}], 1, "", "gpu0, gpu1: 250 W (of 100 to 400 W; was 400 W)"),
        ([{**GPU, "clock_mhz": 1200, "low": 210, "high": 1410}], 1, "", "gpu0: 1200 MHz (of 210 to 1410 MHz)"),
        (
            [SET, {**GPU, "device": "gpu1", "refused": "Not Supported"}],
            1,
            "",
            "gpu0: 250 W (of 100 to 400 W; was 400 W); gpu1: cannot be limited (Not Supported)",
        ),
        ([{**GPU, "power_w": 400.0}], 2, "", "gpu0: 400 W"),
        ([{**GPU, "power_w": 400.0}], None, "", "gpu0: 400 W again"),
        ([GPU], None, "", "gpu0: clocks are free again"),
        ([], 3, "", "GPUs: no limit"),
        ([], 1, "NVML tells of no GPU here", "GPUs are not limited: NVML tells of no GPU here"),
    ],
    ids=["power", "clock", "one refuses", "lifted", "power put back", "clock put back", "nothing to lift", "refused"],
)
def test_limit_text(gpus: list[dict[str, Any]], limit_id: int | None, refused: str, text: str) -> None:
    assert limit_text({"limit_id": limit_id, "gpus": gpus, "refused": refused}) == text
