"""What a move, or a pause, is expected to cost."""

from __future__ import annotations

import math

from gacli.core.site import Site
from gacli.core.snapshot import MoveCost, PauseCost


def move_cost(
    *,
    source: Site | None,
    target: Site,
    source_intensity_g_per_kwh: float,
    target_intensity_g_per_kwh: float,
    boot_s: float,
    checkpoint_s: float,
    checkpoint_bytes: int,
    bandwidth_bytes_per_s: float,
    restart_s: float,
) -> MoveCost:
    """The expected time and emissions of bringing the job from `source` to `target`.

    All durations, and the seconds in the bandwidth, are on the job's clock. bandwidth_bytes_per_s: from the source's
    disk to the target's, whatever lies between; > 0. source: None when no machine holds the job; its intensity is then
    not used. downtime_s = checkpoint_s + checkpoint_bytes / bandwidth + restart_s. overhead_g = the target's idle power
    while it boots, and both machines' idle power during the downtime, each at its own PUE and present intensity.
    Raises ValueError for a negative or non-finite quantity.
    """
    for name, value in {
        "source_intensity_g_per_kwh": source_intensity_g_per_kwh,
        "target_intensity_g_per_kwh": target_intensity_g_per_kwh,
        "boot_s": boot_s,
        "checkpoint_s": checkpoint_s,
        "checkpoint_bytes": checkpoint_bytes,
        "restart_s": restart_s,
    }.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be finite and at least 0, found {value}")
    if not (math.isfinite(bandwidth_bytes_per_s) and bandwidth_bytes_per_s > 0):
        raise ValueError(f"bandwidth_bytes_per_s must be finite and above 0, found {bandwidth_bytes_per_s}")
    downtime_s = checkpoint_s + checkpoint_bytes / bandwidth_bytes_per_s + restart_s
    target_g_per_s = target.facility_rate_g_per_s(target.power.idle_w, target_intensity_g_per_kwh)
    overhead_g = target_g_per_s * (boot_s + downtime_s)
    if source is not None:
        overhead_g += source.facility_rate_g_per_s(source.power.idle_w, source_intensity_g_per_kwh) * downtime_s
    return MoveCost(boot_s=boot_s, downtime_s=downtime_s, overhead_g=overhead_g)


def pause_cost(site: Site, intensity_g_per_kwh: float, *, save_s: float, resume_s: float) -> PauseCost:
    """What pausing at `site` and resuming there is expected to cost: busy while it saves, idle until it goes on.

    Durations are on the job's clock; PUE is the site's, the intensity the present one.
    """
    saving_g = site.facility_rate_g_per_s(site.power.busy_w, intensity_g_per_kwh) * save_s
    resuming_g = site.facility_rate_g_per_s(site.power.idle_w, intensity_g_per_kwh) * resume_s
    return PauseCost(save_s=save_s, resume_s=resume_s, overhead_g=saving_g + resuming_g)
