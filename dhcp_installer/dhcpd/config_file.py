"""The DHCP server's configuration file: what it says, is to say, and who reads it."""

import difflib
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from dhcp_installer.dhcpd import server
from dhcp_installer.dhcpd.renderer import LEASE_SECONDS, Renderer
from dhcp_installer.dhcpd.server import DhcpServer
from rack.inventory import Rasp


class DhcpConfigFile:
    """A DHCP server's file, its renderer, and the server.

    All methods raise `ConfigurationError` where the file cannot be had as it is to be; those that
    ask the server `ServerError`, too.

    Args:
        path: the file.
        renderer: writes its text.
        server: reads it.
        clock: names what is kept of the file before.
    """

    def __init__(
        self,
        path: Path,
        renderer: Renderer,
        server: DhcpServer,
        *,
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.path = path
        self._renderer = renderer
        self._server = server
        self._clock = clock

    def read_active(self) -> str | None:
        """Return the text in force; None where there is no file yet."""
        return server.read_active(self.path) if self.path.exists() else None

    def render(self, rasps: Iterable[Rasp], *, lease_seconds: int = LEASE_SECONDS) -> str:
        """Return the text in which each of these has its address, beside what people wrote."""
        return self._renderer.render(rasps, self.read_active() or "", lease_seconds=lease_seconds)

    def check(self, text: str) -> None:
        """Have the server read a text as if it were the file; nothing is changed."""
        server.check(self.path, text, self._server)

    def activate(self, text: str, *, backup: bool = False) -> Path | None:
        """Make the text the server's; with `backup`, return the copy of what it replaces."""
        return server.activate(
            self.path, text, self._server, backup_time=self._clock() if backup else None
        )

    def restore(self, previous: str | None, rasps: Iterable[Rasp]) -> None:
        """Put the text before an install in force again.

        Where there was none, or people have changed their part of the file since, that is kept,
        and PiRack's is written for these rasps.
        """
        now = self.read_active()
        if previous is not None and (now is None or self._has_same_unmanaged_part(now, previous)):
            self.activate(previous)
        elif now is not None:
            self.activate(self.render(rasps))

    def _has_same_unmanaged_part(self, current: str, previous: str) -> bool:
        return self._renderer.unmanaged(current) == self._renderer.unmanaged(previous)

    def diff(self, previous: str, new: str) -> str:
        """Return what becomes of the file, as a unified diff.

        It has no lines around those that change: they may be people's, and hold a key.
        """
        return "".join(
            difflib.unified_diff(
                previous.splitlines(keepends=True),
                new.splitlines(keepends=True),
                str(self.path),
                f"{self.path} (new)",
                n=0,
            )
        )
