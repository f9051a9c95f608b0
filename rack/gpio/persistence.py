"""Detect whether the kernel keeps GPIO outputs after the last program that uses them ends."""

from pathlib import Path

NOT_PERSISTENT = (
    "this kernel releases the pins if the service pirack-relays is stopped, and every relay goes to"
    " rest. A stop, restart or upgrade of the controller moves no relay"
)
"""What it means that `persists_outputs` is False."""

_HEADER_DRIVERS = ("pinctrl-rp1", "pinctrl-bcm2835")
"""Drivers of the 40-pin header: Pi 5, other models. A kernel may contain both."""


def header_driver(root: Path = Path("/")) -> str | None:
    """Return the kernel driver of the 40-pin header, or None if the machine has no header.

    A driver counts if it controls a device. Containers can read this, unlike the device tree.
    """
    for driver in _HEADER_DRIVERS:
        folder = root / "sys/bus/platform/drivers" / driver
        if any(entry.is_symlink() and entry.name != "module" for entry in folder.glob("*")):
            return driver
    return None


def persists_outputs(root: Path = Path("/")) -> bool | None:
    """Return whether outputs stay driven when their last program ends. None without a header.

    Raspberry Pi kernels keep outputs unless config.txt sets `dtparam=strict_gpiod`. Upstream
    kernels turn outputs into inputs (pull requests 6117 and 6150 of raspberrypi/linux). A driver
    without the parameter, such as Debian's kernel 6.1 has, turns outputs into inputs.
    """
    driver = header_driver(root)
    if driver is None:
        return None
    module = root / "sys/module" / driver.replace("-", "_")
    try:
        text = (module / "parameters/persist_gpio_outputs").read_text(encoding="ascii")
    except OSError:
        return False
    return text.strip() == "Y"
