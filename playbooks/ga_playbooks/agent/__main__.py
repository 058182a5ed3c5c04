"""The command line of the agent: each call prints one JSON object, {"ok": true, …} or {"ok": false, "error": …}.

Each verb imports what it needs, all of it before its work begins: see the package.
"""

from __future__ import annotations

import getopt
import json
import os
import sys
from typing import Callable, Dict, List, NamedTuple, Optional

from .failures import failure, trace
from .files import Json

USAGE = """\
usage: agent.pyz VERB [NAME] --job-dir DIR [options]

launch, setup                  read what to do as JSON from standard input
poll                           --generation N  --after SEQ  --limit BYTES  --heard-s S
stop                           --generation N  --signal NAME  --grace-s S
limit                          --generation N; read what is asked for from standard input
unlimit                        when standard input ends
logs                           --generation N  --offset BYTES  --limit BYTES
end, checkpoints
manifest NAME, verify NAME     NAME is a checkpoint
receive NAME, accept NAME      read its manifest from standard input
offer NAME, settle NAME        --transfer ID
admit NAME, push NAME          --transfer ID; read what from whom, or to whom, from standard input
pushing                        --transfer ID  --wait-s S
incoming                       --transfer ID; for sshd alone
revoke                         --transfer ID
"""
OPTIONS = [
    *("job-dir=", "generation=", "after=", "offset=", "limit=", "signal=", "grace-s="),
    *("transfer=", "wait-s=", "heard-s="),
]


class Call(NamedTuple):
    verb: str
    name: str
    job_dir: str
    generation: int
    after: int
    offset: int
    limit: int
    signal: str
    grace_s: float
    transfer: str
    wait_s: float
    heard_s: Optional[float]


def parse(argv: List[str]) -> Call:
    """Raises ValueError, LookupError or getopt.GetoptError for what is no call."""
    # argparse would make each poll a fifth slower.
    given, words = getopt.gnu_getopt(argv, "", OPTIONS)
    verb, name = [*words, ""] if len(words) == 1 else words
    options = dict(given)
    return Call(
        verb=verb,
        name=name,
        job_dir=os.path.abspath(options["--job-dir"]),
        generation=int(options.get("--generation", "0")),
        after=int(options.get("--after", "0")),
        offset=int(options.get("--offset", "0")),
        limit=int(options.get("--limit", str(1 << 20))),
        signal=options.get("--signal", "SIGUSR1"),
        grace_s=float(options.get("--grace-s", "60")),
        transfer=options.get("--transfer", ""),
        wait_s=float(options.get("--wait-s", "0")),
        heard_s=float(options["--heard-s"]) if "--heard-s" in options else None,
    )


def launch(call: Call) -> Json:
    from . import launching

    return launching.launch(call.job_dir, json.load(sys.stdin))


def poll(call: Call) -> Json:
    from . import polling

    return polling.poll(call.job_dir, call.generation, call.after, call.limit, call.heard_s)


def stop(call: Call) -> Json:
    from . import stopping

    return stopping.stop(call.job_dir, call.generation, call.signal, call.grace_s)


def limit(call: Call) -> Json:
    from . import limiting

    return limiting.request_limit(call.job_dir, call.generation, json.load(sys.stdin))


def unlimit(call: Call) -> Json:
    from . import unlimiting

    return unlimiting.unlimit(call.job_dir)


def logs(call: Call) -> Json:
    from . import logs

    return logs.logs(call.job_dir, call.generation, call.offset, call.limit)


def end(call: Call) -> Json:
    from . import ending

    return ending.end(call.job_dir)


def setup(call: Call) -> Json:
    from . import setup_steps

    return setup_steps.setup(call.job_dir, json.load(sys.stdin))


def checkpoints(call: Call) -> Json:
    from . import checkpoints

    return checkpoints.checkpoints(call.job_dir)


def manifest(call: Call) -> Json:
    from . import checkpoints

    return checkpoints.show_manifest(call.job_dir, call.name)


def verify(call: Call) -> Json:
    from . import checkpoints

    return checkpoints.verify(call.job_dir, call.name)


def receive(call: Call) -> Json:
    from . import receiving

    return receiving.receive(call.job_dir, call.name, json.load(sys.stdin))


def accept(call: Call) -> Json:
    from . import receiving

    return receiving.accept(call.job_dir, call.name, json.load(sys.stdin))


def offer(call: Call) -> Json:
    from . import offering

    return offering.offer(call.job_dir, call.name, call.transfer)


def admit(call: Call) -> Json:
    from . import admitting

    return admitting.admit(call.job_dir, call.name, call.transfer, json.load(sys.stdin))


def incoming(call: Call) -> Json:
    from . import incoming

    incoming.incoming(call.job_dir, call.transfer)


def push(call: Call) -> Json:
    from . import pushing

    return pushing.push(call.job_dir, call.name, call.transfer, json.load(sys.stdin))


def pushing(call: Call) -> Json:
    from . import pushing

    return pushing.pushing(call.job_dir, call.transfer, call.wait_s)


def settle(call: Call) -> Json:
    from . import settling

    return settling.settle(call.job_dir, call.name, call.transfer)


def revoke(call: Call) -> Json:
    from . import transfers

    return transfers.revoke(call.job_dir, call.transfer)


VERBS: Dict[str, Callable[[Call], Json]] = {
    verb.__name__: verb
    for verb in (
        *(launch, poll, stop, limit, unlimit, logs, end, setup, checkpoints, manifest, verify, receive, accept),
        *(offer, admit, incoming, push, pushing, settle, revoke),
    )
}


def main(argv: List[str]) -> int:
    try:
        call = parse(argv)
        verb = VERBS[call.verb]
    except (getopt.GetoptError, LookupError, ValueError) as problem:
        sys.stderr.write("%s\n%s: %s\n" % (USAGE, type(problem).__name__, problem))
        return 2
    try:
        result = verb(call)
    except Exception as problem:
        sys.stderr.write(trace(problem))
        result = failure("failed", problem)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
