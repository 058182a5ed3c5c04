"""The durable record: SQLite behind one small class per subject."""

from __future__ import annotations

from pathlib import Path

from gacli.store.controllers import Controllers
from gacli.store.database import Database
from gacli.store.devices import Devices
from gacli.store.instances import Instances
from gacli.store.jobs import Jobs
from gacli.store.journal import Journal
from gacli.store.ledger import Ledger
from gacli.store.limits import Limits
from gacli.store.placements import Placements


class Store:
    """One connection to the store and its tables. path: None keeps everything in memory (the fake)."""

    def __init__(self, path: Path | None) -> None:
        self.database = Database(path)
        self.jobs = Jobs(self.database)
        self.instances = Instances(self.database)
        self.placements = Placements(self.database)
        self.controllers = Controllers(self.database)
        self.ledger = Ledger(self.database)
        self.devices = Devices(self.database)
        self.journal = Journal(self.database)
        self.limits = Limits(self.database)
        self.transaction = self.database.transaction

    def close(self) -> None:
        self.database.close()
