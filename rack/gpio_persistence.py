"""Detect whether the kernel keeps GPIO outputs after a process ends."""

from pathlib import Path


def persists_outputs(root: Path = Path("/")) -> bool | None:
    """Return whether outputs stay driven when their process ends, or None if unknown.

    Raspberry Pi kernels keep outputs unless config.txt sets `dtparam=strict_gpiod`. Upstream
    kernels turn outputs into inputs (pull requests 6117 and 6150 of raspberrypi/linux). A Pi 5 uses
    another driver, and a kernel may contain both drivers.
    """
    try:
        compatible = (root / "proc/device-tree/compatible").read_bytes().split(b"\0")
        driver = "pinctrl_rp1" if b"brcm,bcm2712" in compatible else "pinctrl_bcm2835"
        setting = root / "sys/module" / driver / "parameters/persist_gpio_outputs"
        return {"Y": True, "N": False}.get(setting.read_text(encoding="ascii").strip())
    except OSError:
        return None
