"""The configuration that `ga init` writes: it runs as it is, on mock machines, and shows what can be said."""

from __future__ import annotations

import re
from string import Template
from typing import Final

from gacli.config.fields import NAME_PATTERN
from gacli.errors import ConfigError

_TEMPLATE: Final = Template("""\
# A training job for ga. Every key is described in docs/configuration.md; `ga check` reads this file and says what is
# wrong with it. It runs as it is: on mock machines of this computer, through a past day, 288 times as fast.

name: $name

# The folder that is copied to each machine (relative to this file), and what to leave out of it.
work: .
exclude: [".git/", "__pycache__/", ".venv/"]

# Shell commands that prepare a machine, in the copied folder; again only when something changed.
setup: []
#  - pip install -r requirements.txt

# The command that trains. Replace this stand-in by your own, such as: python train.py
run: for step in 1 2 3 4 5 6 7 8 9 10; do echo "step $$step"; sleep 3; done

# Environment of set-up and training.
env: {SEED: "1"}

# To move or pause the job, ga sends this signal; the script saves to GA_CHECKPOINT_DIR and exits within the grace
# period. A script that writes elsewhere by itself: name that folder as `path`.
checkpoint:
  # path: out/ckpt
  signal: SIGUSR1
  grace: 2m

# Where to begin: the cleanest site at that time, or a site's name.
start_at: cleanest

# When to move: to what is cleaner by this margin, and not before the job has been this long in one place.
policy: {name: hysteresis, margin: 10%, dwell: 1h}

# Carbon intensity: built-in typical days. Others: `static` (one value a zone) and `trace` (your CSV files).
carbon:
  source: typical
  poll: 5m

# A chosen day, 288 times as fast. Remove these lines to run in the present.
replay: {start: 2024-06-01T00:00:00Z, scale: 288}

sites:
  - name: frankfurt
    provider: mock
    zone: DE                  # grid zone; put NO (Norway) into quotes for other YAML tools: "NO"
    pue: 1.2                  # energy of the data centre over energy of its machines
    power: {idle: 100W, busy: 400W}   # of one machine, where nothing is metered
    price: 2.5                # USD per hour
  - name: paris
    provider: mock
    zone: FR
    power: {idle: 100W, busy: 400W}
  - name: stockholm
    provider: mock
    zone: SE-SE3
    power: {idle: 100W, busy: 400W}

  # A machine of your own, by its name in ~/.ssh/config:
  # - name: basement
  #   provider: ssh
  #   zone: DE
  #   power: {idle: 60W, busy: 700W}
  #   options: {host: gpu-box}
""")


def template(name: str) -> str:
    """The text of a commented configuration for a job called `name`. ConfigError when it cannot be a job's name."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise ConfigError(
            f'name: found "{name}", expected 1 to 40 lower-case letters, digits and dashes that begin with no dash'
        )
    return _TEMPLATE.substitute(name=name)
