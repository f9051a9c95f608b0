"""Configuration file of the DHCP server, with its renderer and the server."""

import difflib
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from dhcp_installer.config_text import printable
from dhcp_installer.dhcpd import server
from dhcp_installer.dhcpd.renderer import LEASE_SECONDS, Renderer
from dhcp_installer.dhcpd.server import DhcpServer
from rack.inventory import Rasp


class DhcpConfigFile:
    """The configuration file of a DHCP server.

    Methods raise `ConfigurationError` if the file cannot be read, rendered or written, and
    `DhcpServerError` if the DHCP server fails.

    Args:
        path: The file.
        renderer: Renders the text of the file.
        server: The DHCP server.
        clock: Returns the time for the names of backups.
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
        """Return the active text, or None if the file does not exist."""
        return server.read_active(self.path) if self.path.exists() else None

    def render(self, rasps: Iterable[Rasp], *, lease_seconds: int = LEASE_SECONDS) -> str:
        """Return a text with an entry for each rasp and the current unmanaged part."""
        return self._renderer.render(rasps, self.read_active() or "", lease_seconds=lease_seconds)

    def check(self, text: str) -> None:
        """Check a text with the DHCP server without changing anything."""
        server.check(self.path, text, self._server)

    def activate(self, text: str, *, backup: bool = False) -> Path | None:
        """Activate a text. With `backup`, copy the previous file and return the copy's path."""
        return server.activate(
            self.path, text, self._server, backup_time=self._clock() if backup else None
        )

    def restore(self, previous: str | None, rasps: Iterable[Rasp]) -> None:
        """Restore the text that the file had before an install.

        If the file did not exist, or its unmanaged part was edited since, keep the unmanaged part
        and render the entries of these rasps.

        Raises:
            DhcpRestartError: If the server does not start. The file was restored.
        """
        current = self.read_active()
        if previous is not None and (
            current is None or self._has_same_unmanaged_part(current, previous)
        ):
            server.restore(self.path, previous, self._server)
        elif current is not None:
            text = self.render(rasps)
            self.check(text)
            server.restore(self.path, text, self._server)

    def _has_same_unmanaged_part(self, current: str, previous: str) -> bool:
        return self._renderer.unmanaged(current) == self._renderer.unmanaged(previous)

    def diff(self, previous: str, new: str) -> str:
        """Return a unified diff without context lines, which could contain a secret key."""
        return "".join(
            difflib.unified_diff(
                _lines(previous),
                _lines(new),
                str(self.path),
                f"{self.path} (new)",
                n=0,
            )
        )


def _lines(text: str) -> list[str]:
    return printable(text).splitlines(keepends=True)
