"""What this machine's kernel does with the lines of a process that has ended."""

from pathlib import Path


def persists_outputs(root: Path = Path("/")) -> bool | None:
    """Tell whether an output stays driven when its process ends; None where nobody can tell.

    Raspberry Pi's kernels keep it, unless config.txt has `dtparam=strict_gpiod`; the upstream
    kernel makes it an input (raspberrypi/linux's pull requests 6117 and 6150). A Pi 5's header has
    a driver of its own, and the same kernel may hold both.
    """
    try:
        compatible = (root / "proc/device-tree/compatible").read_bytes().split(b"\0")
        driver = "pinctrl_rp1" if b"brcm,bcm2712" in compatible else "pinctrl_bcm2835"
        setting = root / "sys/module" / driver / "parameters/persist_gpio_outputs"
        return {"Y": True, "N": False}.get(setting.read_text(encoding="ascii").strip())
    except OSError:
        return None
