"""What an install asks of the rasps by SSH: to write their disks, and for their host keys."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path

from controller.errors import SshError
from controller.host_keys import HostKeys, Pinning
from controller.ssh import Ssh
from rack.inventory import Rasp

_SYNC = "sync"
_SYNC_SECONDS = 5.0

_TROUBLES = {
    Pinning.CHANGED: "show another SSH host key than the pinned one, which is not believed",
    Pinning.NO_ANSWER: "show no SSH host key",
}


class RaspsBySsh:
    """The rasps of a rack that listen for SSH on `port`; `folder` has the keys."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port

    def sync(self, addresses: Collection[IPv4Address]) -> None:
        """Ask them to write their disks, and wait for those that do; the others are let be."""
        asyncio.run(self._sync(addresses))

    async def _sync(self, addresses: Collection[IPv4Address]) -> None:
        ssh = Ssh(self._folder, self._port)

        async def one(address: IPv4Address) -> None:
            with suppress(SshError):
                await ssh.run(address, _SYNC, timeout=_SYNC_SECONDS)

        await asyncio.gather(*map(one, addresses))
        await ssh.close()

    def move_host_keys(self, before: Collection[Rasp], after: Collection[Rasp]) -> Sequence[str]:
        """Have the pinned host keys go with their rasps; return why that cannot be."""
        keys = HostKeys(self._folder, self._port)
        try:
            own = {rasp.mac: keys.of(rasp.address) for rasp in before}
            moved = {
                rasp: own[rasp.mac][0].key
                for rasp in after
                if rasp not in before and own.get(rasp.mac)
            }
            if moved:
                keys.put(moved)
        except (OSError, SshError) as error:
            return [f"the SSH host keys do not go with their rasps: {error}"]
        return []

    def pin_host_keys(self, rasps: Collection[Rasp]) -> Sequence[str]:
        """Pin the host keys of rasps of which none was pinned; return what people should know."""
        try:
            pinned = HostKeys(self._folder, self._port).pin(rasps)
        except (OSError, SshError) as error:
            return [f"the SSH host keys cannot be pinned: {error}"]
        remarks = []
        if fresh := [rasp for rasp, pinning in pinned.items() if pinning is Pinning.PINNED]:
            remarks.append(f"the SSH host keys of {len(fresh)} rasps are pinned")
        for pinning, what in _TROUBLES.items():
            if those := [rasp for rasp, each in pinned.items() if each is pinning]:
                names = ", ".join(f"{rasp.stack}/{rasp.slot}" for rasp in those)
                remarks.append(f"{names}: {what}")
        return remarks
