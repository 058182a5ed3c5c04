"""Handles the signals named as arguments by going on."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

for name in sys.argv[1:]:
    signal.signal(signal.Signals[name], lambda _number, _frame: None)
Path(os.environ["GA_PROGRESS_FILE"]).write_text('{"kind":"progress","step":1}\n')
end = time.monotonic() + 60
while time.monotonic() < end:
    time.sleep(1)
