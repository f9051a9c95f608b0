"""Virtual PoE switch: Debian's snmpd with the ports of a switch, over SNMP v2c and v3."""

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tools.programs import Program, find
from virtual_rack.faults import Fault
from virtual_rack.outlets.datagram_proxy import DatagramProxy
from virtual_rack.outlets.device import OutletServer
from virtual_rack.outlets.local_server import LocalServer
from virtual_rack.outlets.power_ethernet_mib import (
    SUBTREES,
    PowerEthernetMib,
    format_oid,
    replies,
)

_PIPE = Path(__file__).with_name("socket_pipe.py")
_SOCKET = "mib.sock"
_AGENT = "mib"
_PERSISTENT_FOLDER = "persistent"
_START_SECONDS = 60.0
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.02
_ATTEMPTS = 5
_USER_LINE = re.compile(r"^(usmUser|createUser) .*\n", re.MULTILINE)
_STARTED = "NET-SNMP version"  # the last message of snmpd at its start


@dataclass(frozen=True, slots=True)
class SnmpCredentials:
    """Communities of SNMP v2c, and a user of SNMP v3 with authentication and encryption.

    The protocols have the names of snmpd.conf(5). Passwords have at least 8 characters. Without a
    privacy password, messages are not encrypted.
    """

    community: str = "private-test"
    read_community: str = "public-test"
    user: str = "pirack"
    auth_protocol: str = "SHA-256"
    auth_password: str = "authentication-test"  # noqa: S105 - of a simulated device
    privacy_protocol: str = "AES"
    privacy_password: str = "encryption-test"  # noqa: S105


class PoeSwitch(OutletServer):
    """A switch with a PoE port for each address, which is `PORT` or `GROUP.PORT`.

    Args:
        addresses: Addresses of the ports.
        folder: Folder for the files of snmpd, which is created.
        credentials: Credentials that the switch accepts.
        options: See `OutletServer`.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        folder: Path,
        *,
        credentials: SnmpCredentials | None = None,
        **options: Any,
    ) -> None:
        super().__init__(addresses, **options)
        self.credentials = credentials or SnmpCredentials()
        self.folder = folder.resolve()
        mib = PowerEthernetMib(self.outlets)
        self._mib_server = LocalServer(self.folder / _SOCKET, lambda lines: replies(mib, lines))
        self._proxy: DatagramProxy | None = None
        self._snmpd: subprocess.Popen[bytes] | None = None
        # The kernel kills snmpd when the thread that started it ends.
        self._starter = ThreadPoolExecutor(1, "snmpd")

    def start(self) -> None:
        """Start snmpd; see `OutletServer`."""
        program = find("snmpd")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._proxy = DatagramProxy(self.host, self.port, self._request_delay)
        self.port = self._proxy.port
        self._write_agent()
        self._mib_server.start()
        self._starter.submit(self._start_snmpd, program).result()
        self._proxy.start()

    def close(self) -> None:
        """Stop snmpd; see `OutletServer`."""
        super().close()
        if self._proxy is not None:
            self._proxy.close()
        self._starter.submit(self._stop_snmpd).result()
        self._starter.shutdown()
        self._mib_server.close()

    def _request_delay(self) -> float | None:
        return None if self.is_away else self.delay

    def _apply_faults(self, changed: Fault) -> None:
        restarts = changed is Fault.OUTLET_RESTARTS and changed in self._faults
        if self._snmpd is not None and (restarts or changed is Fault.OUTLET_CREDENTIALS):
            self._starter.submit(self._restart_snmpd).result()

    def _restart_snmpd(self) -> None:
        self._stop_snmpd()
        self._start_snmpd(find("snmpd"))

    def _write_agent(self) -> None:
        """Write the program that snmpd runs for its pass_persist protocol."""
        command = shlex.join([sys.executable, "-I", "-S", str(_PIPE), _SOCKET])
        agent = self.folder / _AGENT
        agent.write_text(f"#!/bin/sh\nexec {command}\n")
        agent.chmod(0o755)

    def _start_snmpd(self, program: Program) -> None:
        for _ in range(_ATTEMPTS):
            port = _free_udp_port()
            if self._try_to_start(program, port):
                if self._proxy is not None:
                    self._proxy.server_port = port
                return
        raise OSError(0, f"snmpd does not start, see {self.folder / 'snmpd.log'}")

    def _try_to_start(self, program: Program, port: int) -> bool:
        """Return whether snmpd has started at this port of 127.0.0.1."""
        log = self.folder / "snmpd.log"
        log.unlink(missing_ok=True)
        self._write_configuration(port)
        self._snmpd = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "TERM", "--", *program.command),
                *("-f", "-Lf", log.name),
            ],
            cwd=self.folder,  # for the relative paths in snmpd.conf
            env=program.environment
            | {
                "MIBS": "",  # the switch reports numbers only
                "SNMPCONFPATH": f".{os.pathsep}{_PERSISTENT_FOLDER}",
                "SNMP_PERSISTENT_DIR": _PERSISTENT_FOLDER,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._snmpd.poll() is None:
            if log.exists() and _STARTED in log.read_text(errors="replace"):
                return True
            time.sleep(_POLL_SECONDS)
        self._stop_snmpd()
        return False

    def _stop_snmpd(self) -> None:
        if self._snmpd is None:
            return
        self._snmpd.terminate()
        try:
            self._snmpd.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._snmpd.kill()
            self._snmpd.wait()
        self._snmpd = None

    def _write_configuration(self, port: int) -> None:
        """Write snmpd.conf. Forget the keys of users, which snmpd derives and stores."""
        persistent = self.folder / _PERSISTENT_FOLDER / "snmpd.conf"
        persistent.parent.mkdir(exist_ok=True)
        if persistent.exists():
            text = persistent.read_text(errors="replace")
            persistent.write_text(
                re.sub(r"^(usmUser|createUser) .*\n", "", text, flags=re.MULTILINE)
            )
        path = self.folder / "snmpd.conf"
        path.touch(mode=0o600)
        path.write_text(_configuration(self._accepted_credentials(), port))

    def _accepted_credentials(self) -> SnmpCredentials:
        if not self.has_other_credentials:
            return self.credentials
        other = os.urandom(16).hex()
        return replace(
            self.credentials,
            community=other,
            read_community=f"read-{other}",
            auth_password=other,
            privacy_password=other if self.credentials.privacy_password else "",
        )


def _configuration(credentials: SnmpCredentials, port: int) -> str:
    user = credentials.user
    privacy = (
        f' {credentials.privacy_protocol} "{credentials.privacy_password}"'
        if credentials.privacy_password
        else ""
    )
    return "\n".join(
        [
            f"agentaddress udp:127.0.0.1:{port}",
            "sysDescr PiRack virtual PoE switch",
            "dontLogTCPWrappersConnects true",
            f"rwcommunity {credentials.community}",
            f"rocommunity {credentials.read_community}",
            f'createUser {user} {credentials.auth_protocol} "{credentials.auth_password}"{privacy}',
            f"rwuser {user} {'priv' if privacy else 'auth'}",
            *(f"pass_persist {format_oid(subtree)} ./{_AGENT}" for subtree in SUBTREES),
            "",
        ]
    )


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
