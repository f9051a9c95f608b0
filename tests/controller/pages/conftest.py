"""Stored runs of experiments for tests of pages."""

from pathlib import Path

import pytest

from controller.auth.access_control import AccessControl
from controller.experiments.store import RunStore
from rack.database import Database


@pytest.fixture
def run_store(tmp_path: Path, access: AccessControl) -> RunStore:
    return RunStore(Database(tmp_path / "pirack.db"))
