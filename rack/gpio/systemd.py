"""Messages to systemd, and descriptors that systemd stores while a service restarts.

See sd_notify(3), sd_pid_notify_with_fds(3) and sd_listen_fds_with_names(3).
"""

import os
import socket
from collections.abc import Mapping

_FIRST_DESCRIPTOR = 3
_TIMEOUT_SECONDS = 10.0


def notify(message: str, *descriptors: int, environment: Mapping[str, str] = os.environ) -> None:
    """Send a message to systemd, with copies of descriptors. Do nothing outside of a service.

    Raises:
        OSError: If systemd does not accept the message.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(_TIMEOUT_SECONDS)
        sender.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        socket.send_fds(sender, [message.encode()], descriptors)


def store_descriptor(name: str, descriptor: int) -> None:
    """Let systemd keep a copy of a descriptor until the service is stopped. See `notify`."""
    notify(f"FDSTORE=1\nFDNAME={name}", descriptor)


def stored_descriptors(environment: Mapping[str, str] = os.environ) -> dict[str, int]:
    """Return the descriptors that systemd passed to this process, keyed by their names."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return {}
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    count = int(environment.get("LISTEN_FDS", "0"))
    descriptors = range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + count)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return dict(zip(names, descriptors, strict=True)) if count else {}
