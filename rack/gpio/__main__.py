"""`python -m rack.gpio`: hold the relay lines until the process is stopped."""

import logging
import sys

from rack.gpio.chip import HeaderChip
from rack.gpio.server import serve

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        serve(HeaderChip())
    except OSError as error:
        sys.exit(f"rack.gpio: {error}")
