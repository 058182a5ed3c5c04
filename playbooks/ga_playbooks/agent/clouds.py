"""What EC2, GCE and Azure tell their own machine of its end."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .metadata import Address, exchange, expect_ok

UNNAMED_S = 30.0  # what GCE and Azure give a spot machine at least
EC2_UNNAMED_S = 120.0
EC2_TOKEN_TTL_S = 21600  # the longest that is allowed
GCE_ALARMS = {
    "preempted": ("TRUE", UNNAMED_S),
    "maintenance-event": ("TERMINATE_ON_HOST_MAINTENANCE", 60.0),  # an hour with GPUs, but it does not say so
}


class Notice(NamedTuple):
    key: str  # by which it is known again
    at_s: Optional[float]  # epoch seconds on this machine's clock; None when no time is named
    unnamed_s: float  # in that case, from first sight to the end


class Ec2:
    """Spot interruption, by IMDSv2. A rebalance recommendation is only an opinion: nobody has been told to go."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.token = ""

    def notices(self) -> List[Notice]:
        status, body = self.ask()
        if status == 401:  # the token has run out
            status, body = self.ask()
        if status == 404:
            return []
        said = json.loads(expect_ok(status, body))
        if said["action"] not in ("terminate", "stop", "hibernate"):
            raise ValueError("unknown action")
        return [Notice("spot", parse_time(str(said.get("time"))), EC2_UNNAMED_S)]

    def ask(self) -> Tuple[int, str]:
        if not self.token:
            headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(EC2_TOKEN_TTL_S), "Content-Length": "0"}
            token = expect_ok(*exchange(self.address, "/latest/api/token", headers, "PUT"))
            if not (token.isascii() and token.isprintable()):  # it becomes a header
                raise ValueError("not a token")
            self.token = token
        headers = {"X-aws-ec2-metadata-token": self.token}
        status, body = exchange(self.address, "/latest/meta-data/spot/instance-action", headers)
        if status not in (200, 404):
            self.token = ""
        return status, body


class Gce:
    """One of the values by which a machine is told that it is stopped. A live migration does no harm."""

    def __init__(self, address: Address, value: str) -> None:
        self.address, self.value = address, value

    def notices(self) -> List[Notice]:
        target = "/computeMetadata/v1/instance/" + self.value
        said = expect_ok(*exchange(self.address, target, {"Metadata-Flavor": "Google"}))
        alarm, unnamed_s = GCE_ALARMS[self.value]
        if said == alarm:
            return [Notice(self.value, None, unnamed_s)]
        if said not in ("FALSE", "NONE", "MIGRATE_ON_HOST_MAINTENANCE"):
            raise ValueError("unknown value")
        return []


class Azure:
    """Scheduled events that delete this machine. One that is cancelled or over is no longer listed."""

    def __init__(self, address: Address) -> None:
        self.address = address

    def notices(self) -> List[Notice]:
        events: List[Dict[str, Any]] = json.loads(self.ask("scheduledevents?api-version=2020-07-01"))["Events"]
        events = [event for event in events if event.get("EventStatus") in ("Scheduled", "Started")]
        ends = [event for event in events if event.get("EventType") in ("Preempt", "Terminate")]
        if not ends:
            return []
        name = self.ask("instance/compute/name?api-version=2021-02-01&format=text").lower()
        return [
            Notice(event["EventId"], parse_time(str(event.get("NotBefore"))), UNNAMED_S)  # empty once it has started
            for event in ends
            if name in map(str.lower, event["Resources"])  # each machine of a set hears of all of them
        ]

    def ask(self, target: str) -> str:
        return expect_ok(*exchange(self.address, "/metadata/" + target, {"Metadata": "true"}))


def parse_time(text: str) -> Optional[float]:
    """Epoch seconds, from ISO 8601 (UTC where no zone is named), from RFC 1123, or as they are. None for all else."""
    for read_s in (float, iso_8601_s, rfc_1123_s):
        try:
            epoch_s = read_s(text.strip())
        except (ValueError, OverflowError):
            continue
        return epoch_s if 1e9 <= epoch_s < 1e11 else None  # seconds from now would be long ago, milliseconds never
    return None


def iso_8601_s(text: str) -> float:
    moment = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def rfc_1123_s(text: str) -> float:
    return datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=timezone.utc).timestamp()
