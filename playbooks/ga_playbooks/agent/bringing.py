"""What a pusher does: all streams of one copy, and its progress for whoever asks."""

from __future__ import annotations

import collections
import json
import os
import time
from typing import Deque, List, Tuple

from .files import Json
from .manifests import bad_files
from .streams import Outcome, Stream, share_out
from .transfers import Transfer

TICK_S = 0.1
RATE_S = 3.0

# Of several failures, the one that says most.
WORST_FIRST = ("mismatch", "peer_key_changed", "peer_disk_full", "peer_unreachable", "stopped")


def bring(transfer: Transfer, source: str, target: str, manifest: Json, again: List[str]) -> Outcome:
    """Copy what the target lacks. again: files that arrived damaged; is it the source's own that are?"""
    files = {file["path"]: file for file in manifest["files"]}
    bad = bad_files(source, {"files": [files[path] for path in again if path in files]})
    if bad:
        return Outcome("mismatch", "damaged where they come from", tuple(bad))
    environment = transfer.environment()
    streams = [
        Stream(number, [files[path] for path in paths], source, target, transfer.folder, environment)
        for number, paths in enumerate(share_out(manifest["files"]))
    ]
    total = sum(file["size"] for file in manifest["files"])
    if streams:
        run_all(streams, Progress(transfer.path("progress.json"), total))
    failed = [stream.outcome for stream in streams if stream.outcome.error]
    return min(failed, key=lambda outcome: WORST_FIRST.index(outcome.error)) if failed else Outcome()


def run_all(streams: List[Stream], progress: Progress) -> None:
    """One stream goes ahead, so that whether there is a way at all is asked once; when one fails, all end."""
    first, *others = streams
    first.start()
    while first.alive and not first.reached.wait(TICK_S):
        pass
    if not first.reached.is_set():
        return
    for stream in others:
        stream.reached.set()
        stream.start()
    while any(stream.alive for stream in streams):
        progress.tell(sum(stream.done_bytes for stream in streams))
        if any(stream.outcome.error and not stream.alive for stream in streams):
            for stream in streams:
                stream.stop()
        next((stream for stream in streams if stream.alive), first).join(TICK_S)
    progress.tell(sum(stream.done_bytes for stream in streams))


class Progress:
    """Writes `{"done_bytes", "total_bytes", "rate"}`; rate in bytes/s over the last seconds."""

    def __init__(self, path: str, total_bytes: int) -> None:
        self._path = path
        self._total_bytes = total_bytes
        self._past: Deque[Tuple[float, int]] = collections.deque()

    def tell(self, done_bytes: int) -> None:
        now, done_bytes = time.monotonic(), min(done_bytes, self._total_bytes)
        self._past.append((now, done_bytes))
        while now - self._past[0][0] > RATE_S:
            self._past.popleft()
        since, before = self._past[0]
        rate = (done_bytes - before) / (now - since) if now > since else 0.0
        # Read by others at any moment, and of no worth after a power cut: replaced as a whole, not synced.
        with open(self._path + ".new", "w") as file:
            json.dump({"done_bytes": done_bytes, "total_bytes": self._total_bytes, "rate": rate}, file)
        os.replace(self._path + ".new", self._path)
