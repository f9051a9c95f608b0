"""Overlays of this machine, which receive all writes."""

import subprocess
from abc import ABC, abstractmethod

MOUNT_OVERLAY = """
mount --make-rprivate /
mount -t tmpfs -o size=2g tmpfs "$LAYER"
mkdir "$LAYER/upper" "$LAYER/work" "$LAYER/root"
mount -t overlay -o "lowerdir=/,upperdir=$LAYER/upper,workdir=$LAYER/work" overlay "$LAYER/root"
cd "$LAYER/root"
mount -t proc proc proc
mount -t tmpfs tmpfs tmp
"""
"""Shell commands that mount an overlay at `$LAYER/root`, for a mount namespace of its own."""


class Machine(ABC):
    """A machine that runs programs in an overlay."""

    @abstractmethod
    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program as root."""

    def output_of(self, *command: str) -> str:
        """Return the output of a successful program."""
        completed = self.run(*command)
        assert completed.returncode == 0, completed.stderr
        return completed.stdout
