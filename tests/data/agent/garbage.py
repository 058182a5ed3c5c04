"""Reports a few good lines among everything that scripts write by mistake."""

from __future__ import annotations

import os
import time
from pathlib import Path

LINES = [
    b'{"kind":"progress","step":3,"total":9,"loss":NaN,"metrics":{"accuracy":0.5,"bad":"x","worse":Infinity}}\n',
    b"not json\n",
    b"\xff\xfe\x00\n",
    b"[" * 5000 + b"\n",
    b'{"kind":"progress","step":"four"}\n',
    b'{"kind":"progress","step":-4}\n',
    b'{"kind":"progress"}\n',
    b'{"kind":"unheard of","step":5}\n',
    b"[1,2]\n\n\n",
    b'{"kind":"progress","step":6,"loss":' + b"1" * 100_000 + b"}\n",
    b'{"kind":"save_begin"}\n',
    b'{"kind":"saved","name":"step-000000007","step":7,"bytes":10,"duration_s":0.1}\n',
    b'{"kind":"progress","st',
]

with Path(os.environ["GA_PROGRESS_FILE"]).open("ab", buffering=0) as file:
    for line in LINES:
        file.write(line)
    time.sleep(0.3)
    file.write(b'ep":8,"total":9}\n')
    file.write(b'{"kind":"complete"}\n{"kind":"progress","step":9}')
