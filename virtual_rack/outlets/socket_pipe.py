"""Connect standard input and output to a Unix socket: `socket_pipe.py SOCKET`.

snmpd starts this program for its pass_persist protocol. It imports only the standard library.
"""

import os
import select
import socket
import sys

_BUFFER = 65536


def main() -> None:
    """Copy in both directions until one side ends."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    while True:
        readable, _, _ = select.select([0, connection.fileno()], [], [])
        if 0 in readable:
            data = os.read(0, _BUFFER)
            if not data:
                return
            connection.sendall(data)
        if connection.fileno() in readable:
            data = connection.recv(_BUFFER)
            if not data:
                return
            while data:
                data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
