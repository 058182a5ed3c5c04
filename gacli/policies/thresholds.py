"""The two intensities of policies that pause."""

from __future__ import annotations

import math

from gacli.core.carbon import MAX_INTENSITY_G_PER_KWH


def require_thresholds(pause_above_g_per_kwh: float, resume_below_g_per_kwh: float) -> None:
    """ValueError unless 0 <= resume_below <= pause_above <= MAX_INTENSITY_G_PER_KWH."""
    for name, value in {
        "pause_above_g_per_kwh": pause_above_g_per_kwh,
        "resume_below_g_per_kwh": resume_below_g_per_kwh,
    }.items():
        if not (math.isfinite(value) and 0 <= value <= MAX_INTENSITY_G_PER_KWH):
            raise ValueError(f"{name} must be at least 0 and at most {MAX_INTENSITY_G_PER_KWH:g} g/kWh, found {value}")
    if resume_below_g_per_kwh > pause_above_g_per_kwh:
        raise ValueError(
            f"resume_below_g_per_kwh must not be above pause_above_g_per_kwh ({pause_above_g_per_kwh:g}), "
            f"found {resume_below_g_per_kwh:g}"
        )
