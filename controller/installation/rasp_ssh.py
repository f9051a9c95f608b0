"""SSH tasks of an install: sync the disks of rasps, and manage their host keys."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path

from controller.errors import SshError
from controller.ssh.host_keys import HostKeys, PinResult
from controller.ssh.pool import SshPool
from rack.inventory import Rasp

_SYNC = "sync"
_SYNC_SECONDS = 5.0

_PIN_PROBLEMS = {
    PinResult.CHANGED: "the SSH host key differs from the pinned key and was rejected",
    PinResult.REVOKED: "the SSH host key is revoked in known_hosts and was rejected",
    PinResult.NO_ANSWER: "no SSH host key received",
}


class RaspSsh:
    """SSH access to the rasps for installs.

    Args:
        folder: Folder of the master's key and `known_hosts`.
        port: SSH port of the rasps.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port

    def sync(self, addresses: Collection[IPv4Address]) -> None:
        """Run `sync` on the rasps at these addresses. Ignore failures."""
        asyncio.run(self._sync(addresses))

    async def _sync(self, addresses: Collection[IPv4Address]) -> None:
        ssh = SshPool(self._folder, self._port)

        async def sync_one(address: IPv4Address) -> None:
            with suppress(SshError):
                await ssh.run(address, _SYNC, timeout=_SYNC_SECONDS)

        await asyncio.gather(*map(sync_one, addresses))
        await ssh.close()

    def move_host_keys(self, previous: Collection[Rasp], new: Collection[Rasp]) -> Sequence[str]:
        """Pin the host keys of rasps at their new addresses. Return error messages.

        The operation is idempotent: recovery repeats it after an interrupted install.
        """
        host_keys = HostKeys(self._folder, self._port)
        previous_by_mac = {rasp.mac: rasp for rasp in previous}
        try:
            moved = {
                rasp: keys[0]
                for rasp in new
                if rasp.mac in previous_by_mac
                and (keys := host_keys.keys_of(previous_by_mac[rasp.mac]))
                and not host_keys.is_pinned_at_address(rasp, keys[0])
            }
            if moved:
                host_keys.replace_keys(moved)
        except (OSError, SshError) as error:
            return [f"the SSH host keys cannot be moved to the new addresses: {error}"]
        return []

    def pin_host_keys(self, rasps: Collection[Rasp]) -> Sequence[str]:
        """Pin the host keys of rasps without a pinned key. Return messages for the user."""
        try:
            results = HostKeys(self._folder, self._port).fetch_and_pin(rasps)
        except (OSError, SshError) as error:
            return [f"the SSH host keys cannot be pinned: {error}"]
        messages = []
        if count := list(results.values()).count(PinResult.PINNED):
            messages.append(f"pinned the SSH host keys of {count} rasps")
        for problem, text in _PIN_PROBLEMS.items():
            if names := [rasp.target for rasp, result in results.items() if result is problem]:
                messages.append(f"{', '.join(names)}: {text}")
        return messages
