"""Ends at once and leaves processes behind: one in its session, one in a session of its own, one without our names."""

from __future__ import annotations

import os
import subprocess

sleep = ["sleep", "60"]
subprocess.Popen(sleep, close_fds=False)
subprocess.Popen(sleep, close_fds=False, start_new_session=True)
subprocess.Popen(sleep, close_fds=False, env={"PATH": os.environ["PATH"]})
