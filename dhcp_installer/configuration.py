"""The DHCP server's configuration file: what it says, is to say, and who reads it."""

import difflib
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from dhcp_installer import dhcp_server
from dhcp_installer.dhcp_server import DhcpServer
from dhcp_installer.dhcpd_conf import LEASE, Renderer
from rack.inventory import Rasp


class Configuration:
    """A DHCP server's file, its renderer, and the server.

    All methods raise `ConfigurationError` where the file cannot be had as it is to be; those that
    ask the server `ServerError`, too.

    Args:
        path: the file.
        renderer: writes its text.
        server: reads it.
        now: names what is kept of the file before.
    """

    def __init__(
        self,
        path: Path,
        renderer: Renderer,
        server: DhcpServer,
        *,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.path = path
        self._renderer = renderer
        self._server = server
        self._now = now

    def in_force(self) -> str | None:
        """Return the text in force; None where there is no file yet."""
        return dhcp_server.in_force(self.path) if self.path.exists() else None

    def wanted(self, rasps: Iterable[Rasp], *, lease_seconds: int = LEASE) -> str:
        """Return the text in which each of these has its address, beside what people wrote."""
        return self._renderer.render(rasps, self.in_force() or "", lease_seconds=lease_seconds)

    def check(self, text: str) -> None:
        """Have the server read a text as if it were the file; nothing is changed."""
        dhcp_server.check(self.path, text, self._server)

    def put_in_force(self, text: str, *, keep: bool = False) -> Path | None:
        """Make the text the server's; with `keep`, return the copy of what it replaces."""
        return dhcp_server.put_in_force(
            self.path, text, self._server, keep_as=self._now() if keep else None
        )

    def restore(self, before: str | None, rasps: Iterable[Rasp]) -> None:
        """Put the text before an install in force again.

        Where there was none, or people have changed their part of the file since, that is kept,
        and PiRack's is written for these rasps.
        """
        now = self.in_force()
        if before is not None and (now is None or self._is_foreign_part_as(now, before)):
            self.put_in_force(before)
        elif now is not None:
            self.put_in_force(self.wanted(rasps))

    def _is_foreign_part_as(self, now: str, before: str) -> bool:
        return self._renderer.foreign(now) == self._renderer.foreign(before)

    def diff(self, before: str, after: str) -> str:
        """Return what becomes of the file, as a unified diff.

        It has no lines around those that change: they may be people's, and hold a key.
        """
        return "".join(
            difflib.unified_diff(
                before.splitlines(keepends=True),
                after.splitlines(keepends=True),
                str(self.path),
                f"{self.path} (new)",
                n=0,
            )
        )
