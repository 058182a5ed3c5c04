"""What a sweep knows of each policy: the columns of its results."""

from __future__ import annotations

from typing import Final

# The kernel's kept machine code has these numbers in it: whoever changes them has to touch kernel.py as well.
EMISSIONS_G: Final = 0
ENERGY_J: Final = 1
DURATION_S: Final = 2
PAUSES: Final = 3
PAUSED_S: Final = 4
FINISHED: Final = 5
COLUMNS: Final = ("emissions_g", "energy_j", "duration_s", "pauses", "paused_s", "finished")
"""IT energy, emissions with PUE. duration_s of a run that was given up: up to then. finished: 1, or 0 when given up."""
