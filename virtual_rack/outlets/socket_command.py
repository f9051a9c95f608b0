"""Send arguments to a Unix socket and print the reply: `socket_command.py SOCKET ARGUMENT …`.

A program that switches virtual outlets. It imports only the standard library.
"""

import json
import socket
import sys


def main() -> int:
    """Print the output in the reply, and return the exit status in the reply."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(sys.argv[1])
            connection.sendall(json.dumps(sys.argv[2:]).encode() + b"\n")
            reply = json.loads(connection.makefile().readline())
        except (OSError, ValueError) as error:
            sys.stderr.write(f"the virtual outlets do not reply: {error}\n")
            return 1
    sys.stdout.write(reply["output"])
    sys.stderr.write(reply["error"])
    return int(reply["status"])


if __name__ == "__main__":
    sys.exit(main())
