"""Quantities as a decision's reason words them."""

from __future__ import annotations

from gacli.core.carbon import Reading
from gacli.core.site import Site


def grams(mass_g: float) -> str:
    """`0.42 g`, `410 g`, `1.25 kg`; three digits at most."""
    if abs(mass_g) >= 1000:
        return f"{mass_g / 1000:,.2f} kg"
    return f"{mass_g:.0f} g" if abs(mass_g) >= 10 else f"{mass_g:.2g} g"


def duration(span_s: float) -> str:
    """`45 s`, `4.0 min`, `6.0 h`, `2.5 days`."""
    if span_s < 120:
        return f"{span_s:.0f} s"
    if span_s < 7200:
        return f"{span_s / 60:.1f} min"
    return f"{span_s / 3600:.1f} h" if span_s < 172_800 else f"{span_s / 86_400:.1f} days"


def change(percent: float) -> str:
    """A relative difference with its sign, a true minus: `−70.3%`, `+4.0%`."""
    return f"{percent:+.1f}%".replace("-", "−")


def intensity(site: Site, reading: Reading) -> str:
    """`oregon 92 g/kWh`."""
    return f"{site.name} {reading.intensity_g_per_kwh:.0f} g/kWh"
