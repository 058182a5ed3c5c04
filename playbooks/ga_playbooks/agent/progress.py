"""What the script tells of itself, and what of that can be believed."""

from __future__ import annotations

import json
import math
import os
from typing import Any, List, Optional, Tuple

from .files import Json

LINE_LIMIT = 64 * 1024


def finite(value: Any) -> Optional[float]:
    try:
        number = float(value) if isinstance(value, (int, float)) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def whole_number(value: Any) -> Optional[int]:
    number = finite(value)
    return int(number) if number is not None and number >= 0 else None


def parse_progress(line: bytes) -> Optional[Tuple[str, Json]]:
    """One line of the script's report as (kind, fields); None for what is none: scripts write anything."""
    try:
        report = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kind = report.get("kind") if isinstance(report, dict) else None
    if kind in ("complete", "save_begin"):
        return str(kind), {}
    step = whole_number(report.get("step")) if kind in ("progress", "saved") else None
    if kind == "progress" and step is not None:
        metrics = report.get("metrics")
        pairs = [(str(key), finite(value)) for key, value in metrics.items()] if isinstance(metrics, dict) else []
        return "progress", {
            "step": step,
            "total": whole_number(report.get("total")),
            "loss": finite(report.get("loss")),
            "metrics": {key: value for key, value in pairs if value is not None},
        }
    if kind == "saved" and isinstance(report.get("name"), str):
        size, duration_s = whole_number(report.get("bytes")), finite(report.get("duration_s"))
        return "saved", {
            "name": report["name"],
            "step": -1 if step is None else step,
            "bytes": size or 0,
            "duration_s": max(duration_s or 0.0, 0.0),
        }
    return None


class ProgressTail:
    """Follows the file that the script appends to; a line counts once it is whole."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.offset = 0
        self.partial = b""

    def read(self) -> List[Tuple[str, Json]]:
        try:
            if os.path.getsize(self.path) <= self.offset:
                return []
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                data = file.read()
        except OSError:
            return []
        self.offset += len(data)
        lines = (self.partial + data).split(b"\n")
        self.partial = lines.pop()[: LINE_LIMIT + 1]
        reports = [parse_progress(line) for line in lines if 0 < len(line) <= LINE_LIMIT]
        return [report for report in reports if report is not None]
