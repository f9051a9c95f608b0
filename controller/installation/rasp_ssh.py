"""What an install asks of the rasps by SSH: to write their disks, and for their host keys."""

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
    PinResult.CHANGED: "show another SSH host key than the pinned one, which is not believed",
    PinResult.NO_ANSWER: "show no SSH host key",
}


class RaspSsh:
    """The rasps of a rack that listen for SSH on `port`; `folder` has the keys."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port

    def sync(self, addresses: Collection[IPv4Address]) -> None:
        """Ask them to write their disks, and wait for those that do; the others are let be."""
        asyncio.run(self._sync(addresses))

    async def _sync(self, addresses: Collection[IPv4Address]) -> None:
        ssh = SshPool(self._folder, self._port)

        async def one(address: IPv4Address) -> None:
            with suppress(SshError):
                await ssh.run(address, _SYNC, timeout=_SYNC_SECONDS)

        await asyncio.gather(*map(one, addresses))
        await ssh.close()

    def move_host_keys(self, previous: Collection[Rasp], new: Collection[Rasp]) -> Sequence[str]:
        """Have the pinned host keys go with their rasps; return why that cannot be."""
        keys = HostKeys(self._folder, self._port)
        try:
            own = {rasp.mac: keys.for_address(rasp.address) for rasp in previous}
            moved = {
                rasp: own[rasp.mac][0].key
                for rasp in new
                if rasp not in previous and own.get(rasp.mac)
            }
            if moved:
                keys.pin_keys(moved)
        except (OSError, SshError) as error:
            return [f"the SSH host keys do not go with their rasps: {error}"]
        return []

    def pin_host_keys(self, rasps: Collection[Rasp]) -> Sequence[str]:
        """Pin the host keys of rasps of which none was pinned; return what people should know."""
        try:
            pinned = HostKeys(self._folder, self._port).fetch_and_pin(rasps)
        except (OSError, SshError) as error:
            return [f"the SSH host keys cannot be pinned: {error}"]
        remarks = []
        if fresh := [rasp for rasp, pinning in pinned.items() if pinning is PinResult.PINNED]:
            remarks.append(f"the SSH host keys of {len(fresh)} rasps are pinned")
        for pinning, what in _PIN_PROBLEMS.items():
            if those := [rasp for rasp, each in pinned.items() if each is pinning]:
                names = ", ".join(f"{rasp.stack}/{rasp.slot}" for rasp in those)
                remarks.append(f"{names}: {what}")
        return remarks
