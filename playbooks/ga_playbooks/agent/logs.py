"""Verb `logs`: a piece of the trainer's output."""

from __future__ import annotations

import base64
import os

from .files import Json
from .layout import Run


def logs(job_dir: str, generation: int, offset: int, limit: int) -> Json:
    data = b""
    if os.path.exists(Run(job_dir, generation).path("trainer.log")):
        with open(Run(job_dir, generation).path("trainer.log"), "rb") as file:
            file.seek(offset)
            data = file.read(limit)
    return {"ok": True, "data": base64.b64encode(data).decode()}
