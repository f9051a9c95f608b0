"""The rasps' host keys, pinned in `ssh/known_hosts` beside pirack.db, in OpenSSH's format.

A key is believed when it is pinned, once; from then on another one at the same address is refused
until somebody says `forget`.
"""

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path

import asyncssh

from controller.errors import HostKeyError
from rack import files
from rack.inventory import Rasp

FETCH_TIMEOUT = 10.0

# What Debian's sshd has, the best first: it shows the first of these that it has a key for.
_ALGORITHMS = ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"]
_MAC_COLONS = 5  # of a MAC address
_KNOWN_HOSTS_LINE = re.compile(
    r"(?P<hosts>[^\s#@|]\S*)\s+(?P<key>\S+\s+\S+)[^\S\n]*(?P<comment>.*)"
)


class PinResult(StrEnum):
    """What came of pinning a rasp's host key."""

    PINNED = "pinned"
    UNCHANGED = "as before"
    CHANGED = "changed"
    NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A host key as it is pinned, and whose it is: the rasp's name, `03-2`, and its MAC address.

    Both are empty in a line that somebody else has written.
    """

    key: asyncssh.SSHKey
    name: str
    mac: str


class HostKeys:
    """The pinned host keys of rasps that listen on `port`.

    Args:
        folder: where `known_hosts` is.
        port: the rasps' SSH port.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.path = folder / "known_hosts"
        self._port = port
        self._file_signature: tuple[int, ...] = ()
        self._pinned_by_host: dict[str, list[PinnedKey]] = {}

    def for_address(self, address: IPv4Address) -> list[PinnedKey]:
        """Return the keys that are pinned for an address: one, unless OpenSSH has added others.

        Raises:
            WrongHostKey: the file cannot be read.
        """
        try:
            self._reload_if_changed()
        except (OSError, UnicodeDecodeError) as error:
            raise HostKeyError(
                f"{self.path} cannot be read ({error}): give it to the controller's user"
            ) from error
        return self._pinned_by_host.get(self._host_pattern(address), [])

    def _reload_if_changed(self) -> None:
        """Read the file if it is another one than before: the console may have written it."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._file_signature, self._pinned_by_host = (), {}
            return
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if stamp != self._file_signature:
            pinned: dict[str, list[PinnedKey]] = {}
            for line in self._lines():
                if (match := _KNOWN_HOSTS_LINE.fullmatch(line)) and (
                    key := _parse_key(match["key"])
                ):
                    entry = PinnedKey(key, *_parse_comment(match["comment"]))
                    for host in match["hosts"].split(","):
                        pinned.setdefault(host, []).append(entry)
            self._pinned_by_host, self._file_signature = pinned, stamp

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _host_pattern(self, host: IPv4Address | str) -> str:
        return f"{host}" if self._port == asyncssh.DEFAULT_PORT else f"[{host}]:{self._port}"

    def pin_keys(self, keys: Mapping[Rasp, asyncssh.SSHKey]) -> None:
        """Pin these keys, in the place of what was pinned for the same addresses and rasps.

        Raises:
            OSError: the file cannot be written; it is then as it was.
        """
        fresh = [
            f"{self._host_pattern(rasp.address)},{self._host_pattern(f'rasp-{rasp_name(rasp)}')}"
            f" {_format_public_key(key)} {rasp_name(rasp)} {rasp.mac}"
            for rasp, key in keys.items()
        ]
        self._rewrite({rasp.address for rasp in keys}, {rasp.mac for rasp in keys}, fresh)

    def forget(self, addresses: Iterable[IPv4Address]) -> None:
        """Pin nothing any more for these addresses: the next `pin` believes whoever answers.

        Raises:
            OSError: the file cannot be written; it is then as it was.
        """
        self._rewrite(set(addresses), set(), [])

    def _rewrite(
        self, addresses: Collection[IPv4Address], macs: Collection[str], new_lines: list[str]
    ) -> None:
        """Write `new_lines` in the place of the lines of these addresses and MAC addresses."""
        hosts = {self._host_pattern(address) for address in addresses}

        def goes(line: str) -> bool:
            match = _KNOWN_HOSTS_LINE.fullmatch(line)
            return match is not None and (
                not hosts.isdisjoint(match["hosts"].split(","))
                or _parse_comment(match["comment"])[1] in macs
            )

        with files.locked_folder(self._folder):
            kept = [line for line in self._lines() if not goes(line)]
            files.write_private(self.path, "".join(f"{line}\n" for line in [*kept, *new_lines]))

    def fetch_and_pin(
        self, rasps: Collection[Rasp], *, timeout: float = FETCH_TIMEOUT
    ) -> Mapping[Rasp, PinResult]:
        """Ask rasps for their host keys, side by side, and learn them; see `learn`."""
        return self.pin_new(asyncio.run(self._fetch_all(rasps, timeout)))

    def pin_new(self, fetched: Mapping[Rasp, asyncssh.SSHKey | None]) -> Mapping[Rasp, PinResult]:
        """Pin the keys that rasps have shown, of which none was pinned; None is no answer.

        A key goes with its rasp, by MAC address: one that has got another address is known there,
        and one that sits where another was before is a new one. A key that differs from the one
        that is pinned for a rasp is not believed: `CHANGED`.

        Raises:
            OSError: the file cannot be written; it is then as it was.
            WrongHostKey: the file cannot be read.
        """
        known = {rasp: self._pinned_keys(rasp) for rasp in fetched}
        outcomes = {rasp: _pin_result(key, known[rasp]) for rasp, key in fetched.items()}
        fresh = {
            rasp: key
            for rasp, key in fetched.items()
            if key is not None
            and (
                outcomes[rasp] is PinResult.PINNED
                or (
                    outcomes[rasp] is PinResult.UNCHANGED
                    and not self._is_pinned_at_address(rasp, key)
                )
            )
        }
        if fresh:
            self.pin_keys(fresh)
        return outcomes

    def _pinned_keys(self, rasp: Rasp) -> list[asyncssh.SSHKey]:
        here = self.for_address(rasp.address)
        own = [
            each
            for found in self._pinned_by_host.values()
            for each in found
            if each.mac == rasp.mac
        ]
        return [each.key for each in own or here if each.mac in {rasp.mac, ""}]

    def _is_pinned_at_address(self, rasp: Rasp, key: asyncssh.SSHKey) -> bool:
        return any(each.key == key for each in self.for_address(rasp.address))

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
    """Return the host key that is shown at an address; None where there is no answer."""
    try:
        async with asyncio.timeout(timeout):
            return await asyncssh.get_server_host_key(
                str(address), port, server_host_key_algs=_ALGORITHMS, config=None
            )
    except (OSError, TimeoutError, asyncssh.Error):
        return None


def changed_key_hint(rasp_name: str) -> str:
    """Return what to do about another host key of the rasp `rasp_name`, such as `03-2`."""
    stack, dash, slot = rasp_name.partition("-")
    place = f"{stack.lstrip('0')}/{slot}" if dash else "TARGET"
    return (
        f"if it was set up anew, run `python -m controller ssh forget {place}` and"
        f" `ssh pin {place}`; else find out who answers there"
    )


def _pin_result(fetched: asyncssh.SSHKey | None, pinned: Collection[asyncssh.SSHKey]) -> PinResult:
    if fetched is None:
        return PinResult.NO_ANSWER
    if not pinned:
        return PinResult.PINNED
    return PinResult.UNCHANGED if fetched in pinned else PinResult.CHANGED


def _parse_comment(comment: str) -> tuple[str, str]:
    """Return the name and the MAC address that a line of ours ends with, or nothing."""
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
    """Return a public key as OpenSSH writes it, `ssh-ed25519 AAAA…`, without a comment."""
    return " ".join(key.export_public_key().decode().split()[:2])


def rasp_name(rasp: Rasp) -> str:
    """Return the name of a rasp, such as `03-2`."""
    return f"{rasp.stack:02}-{rasp.slot}"
