"""The pinned host keys of the rasps: `ssh/known_hosts` next to pirack.db, in OpenSSH's format.

The first key of a rasp is trusted and pinned. Other keys are rejected until this key is deleted.
"""

import asyncio
import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path

import asyncssh

from controller.errors import HostKeyError
from rack import files
from rack.inventory import Rasp
from rack.lock import locked_folder

FETCH_TIMEOUT = 10.0

# Algorithms of Debian's sshd in order of preference. sshd presents its first available key.
_ALGORITHMS = ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"]
_MAC_COLONS = 5
_KNOWN_HOSTS_LINE = re.compile(
    r"(?:@(?P<marker>\S+)\s+)?(?P<hosts>[^\s#@]\S*)\s+(?P<key>\S+\s+\S+)\s*(?P<comment>.*)"
)
_REVOKED = "revoked"

_log = logging.getLogger(__name__)


class PinResult(StrEnum):
    """Result of pinning a rasp's host key."""

    PINNED = "pinned"
    UNCHANGED = "unchanged"
    CHANGED = "changed"
    REVOKED = "revoked"
    NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A pinned host key, with the name (`03-2`) and the MAC address of its rasp.

    Name and MAC address are empty if another program wrote the line.
    """

    key: asyncssh.SSHKey
    name: str
    mac: str


@dataclass(frozen=True, slots=True)
class _KnownHostsLine:
    """A line of known_hosts with a key."""

    marker: str | None
    hosts: frozenset[str]
    pinned: PinnedKey

    @property
    def is_pinned(self) -> bool:
        """Whether the line pins a key, in contrast to a revoked key or a key of a CA."""
        return self.marker is None


class HostKeys:
    """The pinned host keys of rasps.

    A line that cannot be read is kept, logged and ignored. A key in a `@revoked` line is accepted
    for no rasp, whichever hosts the line names.

    Args:
        folder: Folder of `known_hosts`.
        port: SSH port of the rasps.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.path = folder / "known_hosts"
        self._port = port
        self._file_signature: tuple[int, ...] = ()
        self._pinned_by_host: dict[str, list[PinnedKey]] = {}
        self._revoked_keys: list[asyncssh.SSHKey] = []

    def for_address(self, address: IPv4Address) -> list[PinnedKey]:
        """Return the keys that are pinned for an address and not revoked.

        OpenSSH may have added further keys.

        Raises:
            HostKeyError: If the file cannot be read.
        """
        return [
            pinned for pinned in self._pinned_for(address) if pinned.key not in self._revoked_keys
        ]

    def missing_key_message(self, address: IPv4Address) -> str:
        """Return the problem and the fix for an address for which `for_address` has no key.

        Raises:
            HostKeyError: If the file cannot be read.
        """
        if pinned := self._pinned_for(address):
            return f"the host key of {address} is revoked: {revoked_key_hint(pinned[0].name)}"
        return f"no host key of {address} is pinned: run `python -m controller ssh pin`"

    def _pinned_for(self, address: IPv4Address) -> list[PinnedKey]:
        """Return the keys that are pinned for an address, including revoked ones."""
        try:
            self._reload_if_changed()
        except OSError as error:
            raise HostKeyError(
                f"{self.path} cannot be read ({error}): make it readable for the controller's user"
            ) from error
        return self._pinned_by_host.get(self._host_pattern(address), [])

    def _reload_if_changed(self) -> None:
        """Read the file again if another process changed it."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._file_signature, self._pinned_by_host, self._revoked_keys = (), {}, []
            return
        signature = (status.st_ino, status.st_mtime_ns, status.st_size)
        if signature != self._file_signature:
            lines = list(self._readable_lines())
            pinned: dict[str, list[PinnedKey]] = {}
            for line in lines:
                for host in line.hosts if line.is_pinned else ():
                    pinned.setdefault(host, []).append(line.pinned)
            self._revoked_keys = [line.pinned.key for line in lines if line.marker == _REVOKED]
            self._pinned_by_host, self._file_signature = pinned, signature

    def _readable_lines(self) -> Iterator[_KnownHostsLine]:
        for number, content in enumerate(self._lines(), start=1):
            text = _decode(content)
            if not text or text.startswith("#"):
                continue
            line = _parse_line(text)
            if line is None:
                _log.warning("%s line %d cannot be read and is ignored", self.path, number)
            else:
                yield line

    def _lines(self) -> list[bytes]:
        """Return the lines of the file. Other programs may have written any bytes."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return content.removesuffix(b"\n").split(b"\n") if content else []

    def _host_pattern(self, host: IPv4Address | str) -> str:
        return f"{host}" if self._port == asyncssh.DEFAULT_PORT else f"[{host}]:{self._port}"

    def replace_keys(self, keys: Mapping[Rasp, asyncssh.SSHKey]) -> None:
        """Pin these keys. Remove all other keys of their addresses and rasps.

        Raises:
            OSError: If the file cannot be written. The file is then unchanged.
        """
        lines = [
            f"{self._host_pattern(rasp.address)},{self._host_pattern(f'rasp-{rasp.name}')}"
            f" {_format_public_key(key)} {rasp.name} {rasp.mac}"
            for rasp, key in keys.items()
        ]
        self._rewrite({rasp.address for rasp in keys}, {rasp.mac for rasp in keys}, lines)

    def forget(self, addresses: Iterable[IPv4Address]) -> None:
        """Remove the pinned keys of these addresses, so that the next key is trusted.

        Raises:
            OSError: If the file cannot be written. The file is then unchanged.
        """
        self._rewrite(set(addresses), set(), [])

    def _rewrite(
        self, addresses: Collection[IPv4Address], macs: Collection[str], new_lines: list[str]
    ) -> None:
        """Replace the lines of these addresses and MAC addresses with `new_lines`."""
        hosts = {self._host_pattern(address) for address in addresses}

        def is_replaced(line: bytes) -> bool:
            match = _KNOWN_HOSTS_LINE.fullmatch(_decode(line))
            return (
                match is not None
                and match["marker"] is None
                and (
                    not hosts.isdisjoint(match["hosts"].split(","))
                    or _parse_comment(match["comment"])[1] in macs
                )
            )

        with locked_folder(self._folder, create=True):
            kept = [line for line in self._lines() if not is_replaced(line)]
            lines = [*kept, *(line.encode() for line in new_lines)]
            files.write_private(self.path, b"".join(line + b"\n" for line in lines))

    def fetch_and_pin(
        self, rasps: Collection[Rasp], *, timeout: float = FETCH_TIMEOUT
    ) -> Mapping[Rasp, PinResult]:
        """Fetch the host keys of rasps concurrently. Pin them with `pin_new`."""
        return self.pin_new(asyncio.run(self._fetch_all(rasps, timeout)))

    def pin_new(self, fetched: Mapping[Rasp, asyncssh.SSHKey | None]) -> Mapping[Rasp, PinResult]:
        """Pin the fetched keys of rasps that have no pinned key. A missing key is None.

        Pinned keys belong to a MAC address. A rasp that moved to another address keeps its pinned
        key. A replacement rasp has no pinned key. A fetched key that differs from the pinned key is
        not pinned. The result is then `CHANGED`. A revoked key is not pinned either.

        Raises:
            OSError: If the file cannot be written. The file is then unchanged.
            HostKeyError: If the file cannot be read.
        """
        pinned = {rasp: self.keys_of(rasp) for rasp in fetched}
        results = {
            rasp: PinResult.REVOKED if key in self._revoked_keys else _pin_result(key, pinned[rasp])
            for rasp, key in fetched.items()
        }
        new_keys = {
            rasp: key
            for rasp, key in fetched.items()
            if key is not None
            and (
                results[rasp] is PinResult.PINNED
                or (
                    results[rasp] is PinResult.UNCHANGED
                    and not self.is_pinned_at_address(rasp, key)
                )
            )
        }
        if new_keys:
            self.replace_keys(new_keys)
        return results

    def keys_of(self, rasp: Rasp) -> list[asyncssh.SSHKey]:
        """Return the pinned keys of a rasp, also if they are pinned at another address.

        Raises:
            HostKeyError: If the file cannot be read.
        """
        of_address = self._pinned_for(rasp.address)
        of_rasp = [
            pinned
            for pinned_keys in self._pinned_by_host.values()
            for pinned in pinned_keys
            if pinned.mac == rasp.mac
        ]
        return [pinned.key for pinned in of_rasp or of_address if pinned.mac in {rasp.mac, ""}]

    def is_pinned_at_address(self, rasp: Rasp, key: asyncssh.SSHKey) -> bool:
        """Return whether a key is pinned at the address of a rasp."""
        return any(pinned.key == key for pinned in self.for_address(rasp.address))

    async def _fetch_all(
        self, rasps: Collection[Rasp], timeout: float
    ) -> Mapping[Rasp, asyncssh.SSHKey | None]:
        keys = await asyncio.gather(
            *(fetch_host_key(rasp.address, self._port, timeout=timeout) for rasp in rasps)
        )
        return dict(zip(rasps, keys, strict=True))


async def fetch_host_key(
    address: IPv4Address, port: int, *, timeout: float
) -> asyncssh.SSHKey | None:
    """Return the host key that a server presents, or None if it does not answer."""
    try:
        async with asyncio.timeout(timeout):
            return await asyncssh.get_server_host_key(
                str(address), port, server_host_key_algs=_ALGORITHMS, config=None
            )
    except (OSError, TimeoutError, asyncssh.Error):
        return None


def changed_key_hint(rasp_name: str) -> str:
    """Return the fix for a changed host key of the rasp `rasp_name`, such as `03-2`."""
    target = _target(rasp_name)
    return (
        f"if the rasp was reinstalled, run `python -m controller ssh forget {target}` and"
        f" `ssh pin {target}`. Otherwise check which machine uses this address"
    )


def revoked_key_hint(rasp_name: str) -> str:
    """Return the fix for a revoked host key of the rasp `rasp_name`, such as `03-2`."""
    target = _target(rasp_name)
    return (
        "create new host keys on the rasp (`rm /etc/ssh/ssh_host_*; ssh-keygen -A`), then run"
        f" `python -m controller ssh forget {target}` and `ssh pin {target}`"
    )


def _target(rasp_name: str) -> str:
    stack, dash, slot = rasp_name.partition("-")
    return f"{stack.lstrip('0')}/{slot}" if dash else "TARGET"


def _pin_result(fetched: asyncssh.SSHKey | None, pinned: Collection[asyncssh.SSHKey]) -> PinResult:
    if fetched is None:
        return PinResult.NO_ANSWER
    if not pinned:
        return PinResult.PINNED
    return PinResult.UNCHANGED if fetched in pinned else PinResult.CHANGED


def _decode(line: bytes) -> str:
    """Return the text of a line without surrounding white space and byte order mark."""
    return line.decode("utf-8-sig", "replace").strip()


def _parse_line(text: str) -> _KnownHostsLine | None:
    match = _KNOWN_HOSTS_LINE.fullmatch(text)
    key = _parse_key(match["key"]) if match else None
    if match is None or key is None:
        return None
    pinned = PinnedKey(key, *_parse_comment(match["comment"]))
    return _KnownHostsLine(match["marker"], frozenset(match["hosts"].split(",")), pinned)


def _parse_comment(comment: str) -> tuple[str, str]:
    """Return the rasp's name and MAC address from a line of PiRack, else two empty strings."""
    match comment.split():
        case [name, mac] if mac.count(":") == _MAC_COLONS:
            return name, mac
    return "", ""


def _parse_key(text: str) -> asyncssh.SSHKey | None:
    try:
        return asyncssh.import_public_key(text)
    except asyncssh.KeyImportError:
        return None


def _format_public_key(key: asyncssh.SSHKey) -> str:
    """Return a public key in OpenSSH's format, `ssh-ed25519 AAAA…`, without a comment."""
    return " ".join(key.export_public_key().decode().split()[:2])
