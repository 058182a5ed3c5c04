"""Compute gacli/carbon/data/typical_days.csv from hourly traces in ga's own layout.

    python scripts/typical_days.py FOLDER

FOLDER holds one `<ZONE>.csv` or `<ZONE>.csv.gz` a zone of ZONES, covering YEARS. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from math import fsum
from pathlib import Path

from gacli.carbon.trace import files_in, read_trace

OUTPUT = Path(__file__).resolve().parent.parent / "gacli" / "carbon" / "data" / "typical_days.csv"
YEARS = (2023, 2024)

# Where the large clouds have regions, spread over continents and kinds of grid (hydro, wind, sun, coal, nuclear).
ZONES = (
    "AU-NSW",
    "AU-VIC",
    "BE",
    "BR-CS",
    "CA-ON",
    "CA-QC",
    "CH",
    "CL-SEN",
    "DE",
    "ES",
    "FI",
    "FR",
    "GB",
    "IE",
    "IN-WE",
    "IT-CSO",
    "IT-NO",
    "JP-TK",
    "KR",
    "NL",
    "NO-NO1",
    "PL",
    "SE-SE3",
    "SG",
    "TW",
    "US-CAL-CISO",
    "US-CENT-SWPP",
    "US-MIDA-PJM",
    "US-MIDW-MISO",
    "US-NW-BPAT",
    "US-NW-PACW",
    "US-NY-NYIS",
    "US-TEX-ERCO",
    "ZA",
)

HEADER = f"""\
# Contains data from Electricity Maps (https://www.electricitymaps.com), Open Database License (ODbL) v1.0
# This table is itself offered under the ODbL v1.0: https://opendatacommons.org/licenses/odbl/1-0/
# Typical days: mean carbon intensity of each hour (UTC) of the day in each month, in gCO2eq/kWh (life cycle, average,
# consumption-based), rounded to one gram. Computed by scripts/typical_days.py from the hourly data of
# {YEARS[0]}-01-01 to {YEARS[-1]}-12-31.
"""


def render(folder: Path) -> str:
    """The whole table as text. Raises TraceError for a missing or faulty trace, ValueError for one off YEARS."""
    lines = [",".join(["zone", "month", *(f"h{hour:02}" for hour in range(24))])]
    for zone, path in sorted(files_in(folder, ZONES).items()):
        trace = read_trace(path, zone=zone)
        last = trace.readings[-1].at
        if trace.step_s != 3600 or trace.start.year > YEARS[0] or last.year < YEARS[-1]:
            raise ValueError(f"{path}: expected hourly readings of {YEARS}, found {trace.start} to {last}")
        values: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
        for reading in trace.readings:
            if reading.at.year in YEARS:
                values[reading.at.month, reading.at.hour].append(reading.intensity_g_per_kwh)
        for month in range(1, 13):
            # fsum is exact, so that the rounding is the same on every machine.
            means = [fsum(values[month, hour]) / len(values[month, hour]) for hour in range(24)]
            lines.append(",".join([zone, str(month), *(str(round(mean)) for mean in means)]))
    return HEADER + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compute the built-in table of typical days.")
    parser.add_argument("folder", type=Path, help="folder with one hourly trace a zone")
    OUTPUT.write_text(render(parser.parse_args().folder), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
