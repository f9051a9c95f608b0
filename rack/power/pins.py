"""Addresses of relays: the BCM numbers of the master's pins."""

MIN_PIN = 2
MAX_PIN = 27


def normalize_pin(address: str) -> str:
    """Return the number of a pin without leading zeros.

    Raises:
        ValueError: If the text is not the number of a pin. See `PowerDriver.normalize_address`.
    """
    if address.isascii() and address.isdecimal() and MIN_PIN <= int(address) <= MAX_PIN:
        return str(int(address))
    raise ValueError(
        f"is not the BCM number of a pin: use {MIN_PIN} to {MAX_PIN}"
        " (0 and 1 belong to the HAT's EEPROM)"
    )
