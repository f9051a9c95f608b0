"""Find the process that uses a port, and the interface that uses a network."""

import contextlib
import socket

import psutil


def process_on_port(address: str, port: int) -> str | None:
    """Return the user of a TCP port, such as `prometheus (process 4711)`, or None."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return _listening_process(port) or error.strerror or "another program"
    return None


def interface_in_network(prefix: str) -> str | None:
    """Return the interface of this machine with an IPv4 address that starts with these octets."""
    for name, addresses in psutil.net_if_addrs().items():
        for address in addresses:
            if address.family == socket.AF_INET and address.address.startswith(f"{prefix}."):
                return str(name)
    return None


def _listening_process(port: int) -> str | None:
    # Without root, processes of other users are not visible.
    with contextlib.suppress(psutil.AccessDenied):
        for connection in psutil.net_connections("tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == port
                and connection.pid is not None
            ):
                return _process_name(connection.pid)
    return None


def _process_name(pid: int) -> str:
    with contextlib.suppress(psutil.Error):
        return f"{psutil.Process(pid).name()} (process {pid})"
    return f"process {pid}"
