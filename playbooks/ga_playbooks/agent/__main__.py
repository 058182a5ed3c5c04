"""The command line of the agent.

    python3 agent.pyz VERB [NAME] --job-dir DIR …   prints one JSON object: {"ok": true, …} or {"ok": false, "error": …}
"""

from __future__ import annotations

import getopt
import json
import os
import sys
from typing import Any, Callable, Dict, List, NamedTuple

from .failures import failure, trace
from .files import Json

# Options and their defaults; a value is of its default's type.
OPTIONS: Dict[str, Any] = {
    "job-dir": "",
    "generation": 0,
    "after": 0,
    "offset": 0,
    "limit": 1 << 20,
    "signal": "SIGUSR1",
    "grace-s": 60.0,
}


class Call(NamedTuple):
    """One call of a verb. name: of a checkpoint."""

    verb: str
    name: str
    job_dir: str
    options: Dict[str, Any]

    def __getitem__
