"""Tests of the programs with which the exporter is compared."""

import os
import subprocess
from pathlib import Path

import pytest

from bench.peers import packaged_aliases, shell_command
from exporter import native
from exporter.aliases import Alias
from exporter.runner import environment
from tests.exporter.scraping import write_tree
from tests.helpers.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.process
NATIVE_ALIASES = [alias for alias in packaged_aliases() if native.parse(alias.command)]


@pytest.mark.parametrize("alias", NATIVE_ALIASES, ids=lambda alias: alias.name)
def test_shell_command_of_a_native_command_prints_its_value(alias: Alias, tmp_path: Path) -> None:
    root = write_tree("pi4", tmp_path)
    shell = subprocess.run(
        ["/bin/sh", "-c", shell_command(alias)],
        env=environment(root), capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True,
    )  # fmt: skip
    command = native.parse(alias.command)
    assert command is not None
    value = command.run(root, lambda _: os.statvfs("/"))  # the shell command reads `/`
    assert float(shell.stdout) == pytest.approx(value, rel=0.01)
