"""What server processors are rated at: thermal design power (TDP) of each generation's largest common model.

A virtual machine has some threads of a processor, and often not even its name; the generation it always tells. TDPs
of one generation go with the number of cores, so that W for each thread is what can be known. Figures are the makers'
ratings, checked against the table of CodeCarbon 3.3 (cpu_power.csv).
"""

from __future__ import annotations

from typing import Dict, NamedTuple, Tuple


class Rated(NamedTuple):
    """One model. threads: two for each core."""

    name: str
    tdp_w: float
    threads: int


# (vendor_id, cpu family, model) of /proc/cpuinfo. Several generations of Intel's share a number.
RATED: Dict[Tuple[str, int, int], Rated] = {
    ("GenuineIntel", 6, 63): Rated("Xeon E5-2690 v3 (Haswell)", 135.0, 24),
    ("GenuineIntel", 6, 79): Rated("Xeon E5-2690 v4 (Broadwell)", 135.0, 28),
    ("GenuineIntel", 6, 85): Rated("Xeon Platinum 8280 (Skylake to Cascade Lake)", 205.0, 56),
    ("GenuineIntel", 6, 106): Rated("Xeon Platinum 8380 (Ice Lake)", 270.0, 80),
    ("GenuineIntel", 6, 143): Rated("Xeon Platinum 8480+ (Sapphire Rapids)", 350.0, 112),
    ("GenuineIntel", 6, 207): Rated("Xeon Platinum 8592+ (Emerald Rapids)", 350.0, 128),
    ("GenuineIntel", 6, 173): Rated("Xeon 6980P (Granite Rapids)", 500.0, 256),
    ("AuthenticAMD", 23, 1): Rated("EPYC 7601 (Naples)", 180.0, 64),
    ("AuthenticAMD", 23, 49): Rated("EPYC 7742 (Rome)", 225.0, 128),
    ("AuthenticAMD", 25, 1): Rated("EPYC 7763 (Milan)", 280.0, 128),
    ("AuthenticAMD", 25, 17): Rated("EPYC 9654 (Genoa)", 360.0, 192),
    ("AuthenticAMD", 25, 160): Rated("EPYC 9754 (Bergamo)", 360.0, 256),
    ("AuthenticAMD", 26, 2): Rated("EPYC 9755 (Turin)", 500.0, 256),
    ("AuthenticAMD", 26, 17): Rated("EPYC 9965 (Turin Dense)", 500.0, 384),
}

DEFAULT_W_PER_THREAD = 4.0
"""Of a processor that is not listed: what CodeCarbon takes for one (DEFAULT_POWER_PER_CORE, version 3.3)."""
