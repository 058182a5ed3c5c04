"""When the provider will take this machine: said by its metadata service, or by a file.

GA_PREEMPTION_NOTICE, in the machine's environment, is the path of a file: that it exists is the notice, and nobody else
is asked. It may hold the time, as epoch seconds or in ISO 8601 (UTC). For machines that stand for others, and for
schedulers that can run a command before they take a machine away.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from typing import Callable, Dict, List, Mapping, Optional

from .clouds import GCE_ALARMS, UNNAMED_S, Azure, Ec2, Gce, Notice, parse_time
from .metadata import ADDRESS, Address

VARIABLE = "GA_PREEMPTION_NOTICE"
AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"
EVERY_S = 5.0  # as EC2 recommends
FILE_EVERY_S = 0.5

Source = Callable[[], List[Notice]]  # raises whatever it likes when there is no answer, or none that makes sense


class Notices:
    """taken_at_s: epoch seconds on this machine's clock; None while nothing is announced, and once it was withdrawn.

    Where a notice names no time, it is 120 s (EC2), 60 s (maintenance on GCE) or 30 s (all else) after it was first
    seen. Who cannot be asked, or answers nonsense, has said nothing new.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        address: Address = ADDRESS,
        dmi: str = "/sys/class/dmi/id",
        every_s: float = EVERY_S,
    ) -> None:
        self.taken_at_s: Optional[float] = None
        self.path = environment.get(VARIABLE, "")
        self.address, self.dmi = address, dmi
        self.every_s = FILE_EVERY_S if self.path else every_s
        self.known: Dict[int, Dict[str, float]] = {}  # the notices of each source that stand, and when

    def watch(self) -> None:
        """Look in a thread from now on, if there is anything to look at."""
        sources = [self.file_notices] if self.path else self.cloud_sources()
        if sources:
            with contextlib.suppress(RuntimeError):  # no more threads: the trainer needs no notice to run
                threading.Thread(target=self.forever, args=(sources,), daemon=True).start()

    def forever(self, sources: List[Source]) -> None:
        while True:
            self.look(sources, time.time())
            time.sleep(self.every_s)

    def look(self, sources: List[Source], now_s: float) -> None:
        for index, source in enumerate(sources):
            with contextlib.suppress(Exception):
                before = self.known.get(index, {})
                self.known[index] = {
                    key: before.get(key, now_s + unnamed_s) if at_s is None else at_s
                    for key, at_s, unnamed_s in source()
                }
        self.taken_at_s = min((at_s for notices in self.known.values() for at_s in notices.values()), default=None)

    def cloud_sources(self) -> List[Source]:
        """Whom to ask at this machine; none where it is of no cloud that is known."""
        if self.dmi_field("sys_vendor") == "Amazon EC2" or self.dmi_field("bios_version").endswith(".amazon"):  # or Xen
            return [Ec2(self.address).notices]
        if self.dmi_field("product_name") == "Google Compute Engine":  # the vendor alone makes laptops too
            return [Gce(self.address, value).notices for value in GCE_ALARMS]
        if self.dmi_field("chassis_asset_tag") == AZURE_TAG:  # the vendor alone is any Hyper-V's
            return [Azure(self.address).notices]
        return []

    def file_notices(self) -> List[Notice]:
        try:
            kind = os.stat(self.path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return []
        text = ""
        if stat.S_ISREG(kind):  # to open a pipe might take for ever
            with contextlib.suppress(OSError), open(self.path, "rb") as file:
                text = file.read(100).decode("utf-8", "replace")
        return [Notice("file", parse_time(text), UNNAMED_S)]

    def dmi_field(self, name: str) -> str:
        try:
            with open(os.path.join(self.dmi, name)) as file:
                return file.read().strip()
        except (OSError, ValueError):
            return ""
