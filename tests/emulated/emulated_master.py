"""A Raspberry Pi 3 in QEMU that runs an SD card, with a trace of its GPIO registers."""

import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.emulated.gpio_trace import PinChange, decode
from tests.emulated.kernels import KernelFiles
from tests.emulated.qmp import QmpClient
from tests.helpers.waiting import free_port, wait_until
from tools.programs import find

BOOT_SECONDS = 900.0
"""Bound of a boot on a busy machine. At rest, a boot takes about a minute."""

COMMAND_SECONDS = 1800.0

_PARAMETERS = (
    "console=ttyS1,115200",
    "maxcpus=1",
    "root=/dev/mmcblk0",
    "rw",
    "net.ifnames=0",
    # The console shows the starts of all units.
    "systemd.log_target=kmsg",
    "printk.devkmsg=on",
    "random.trust_cpu=1",
)
# QEMU ends with the thread that started it, and writes its trace to a program that selects the
# lines of the GPIO controller: the trace of all devices is too long to store.
_QEMU_SCRIPT = """
mkfifo "$FOLDER/trace"
grep --text --line-buffered "'bcm2835_gpio'" < "$FOLDER/trace" >> "$FOLDER/gpio.log" &
exec "$@"
"""


class EmulatedMaster:
    """A Raspberry Pi 3 B with one processor, which `start` switches on.

    Args:
        kernel: The kernel.
        parameters: Parameters of the kernel.
        card: Image of the SD card, which the machine changes.
        key: Private key for SSH as root.
        folder: New folder for the files of this machine. Short, for the paths of sockets.
        network: Whether the machine has a network besides that of the rack.
    """

    def __init__(
        self,
        kernel: KernelFiles,
        parameters: Iterable[str],
        card: Path,
        key: Path,
        folder: Path,
        *,
        network: bool = True,
    ) -> None:
        self.folder = folder
        self._port = free_port()
        self._key = key
        self._control = folder / "ssh"
        self._ssh = find("ssh")
        qemu = find("qemu-system-aarch64")
        devices = (
            *("-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self._port}-:22"),
            *("-device", "usb-net,netdev=net"),
        )
        self._command = [
            *qemu.command,
            *("-M", "raspi3b", "-m", "1G", "-accel", "tcg,thread=single"),
            *("-global", "bcm2837.enabled-cpus=1"),
            *("-kernel", str(kernel.image), "-dtb", str(kernel.device_tree)),
            *("-initrd", str(kernel.initramfs)),
            *("-append", " ".join((*_PARAMETERS, *parameters))),
            *("-drive", f"if=sd,format=raw,cache=unsafe,file={card}"),
            *(devices if network else ()),
            *("-serial", "null", "-serial", f"file:{folder / 'console'}"),
            *("-display", "none", "-monitor", "none"),
            *("-qmp", f"unix:{folder / 'qmp'},server=on,wait=off"),
            *("-D", str(folder / "trace"), "-msg", "timestamp=on"),
            *("-trace", "enable=memory_region_ops_write"),
        ]
        self._environment = {**qemu.environment, "FOLDER": str(folder)}

    def start(self) -> None:
        """Switch the machine on."""
        self.folder.mkdir()
        (self.folder / "gpio.log").touch()
        self.started_at = time.time()
        script = ["bash", "-c", _QEMU_SCRIPT, "bash", "setpriv", "--pdeathsig", "KILL"]
        with (self.folder / "qemu.log").open("w") as log:
            self._process = subprocess.Popen(
                [*script, *self._command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self._process.poll() is not None or (self.folder / "qmp").exists())
        assert self._process.poll() is None, (self.folder / "qemu.log").read_text()
        self._qmp = QmpClient(self.folder / "qmp")

    def cut_power(self) -> None:
        """End the machine, as a power failure does."""
        self._process.kill()
        self._process.wait()
        self._disconnect()
        self._qmp.close()

    def run(self, script: str, *, typed: str = "", timeout: float = COMMAND_SECONDS) -> str:
        """Run a shell script as root. Return its output, and fail the test if it fails.

        Args:
            script: The script.
            typed: What the user types. The script then has a terminal.
            timeout: Seconds.
        """
        terminal = ("-tt",) if typed else ()
        completed = self._run_ssh(*terminal, "--", script, typed=typed, timeout=timeout)
        assert completed.returncode == 0, f"{script}\n{completed.stdout}{completed.stderr}"
        return completed.stdout

    def wait_for_ssh(self) -> None:
        """Wait until the machine accepts commands."""

        def accepts_commands() -> bool:
            assert self._process.poll() is None, (self.folder / "qemu.log").read_text()
            self._disconnect()
            with suppress(subprocess.TimeoutExpired):
                return self._run_ssh("--", "true", timeout=60).returncode == 0
            return False

        wait_until(accepts_commands, timeout=BOOT_SECONDS)

    def wait_for_reset(self, number: int = 1) -> float:
        """Wait until the machine has been reset a number of times. Return the time of the last."""
        wait_until(lambda: len(self._qmp.resets()) >= number, timeout=BOOT_SECONDS)
        self._disconnect()
        return self._qmp.resets()[number - 1]

    def pin_changes(self, pins: Iterable[int]) -> tuple[PinChange, ...]:
        """Return all changes of pins since the start of the machine."""
        text = (self.folder / "gpio.log").read_text(encoding="utf-8", errors="replace")
        return tuple(decode(text.splitlines(), pins, self._qmp.resets()))

    def console(self) -> str:
        """Return the messages of the kernel and of systemd since the start of the machine."""
        path = self.folder / "console"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _run_ssh(
        self, *arguments: str, timeout: float, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "30",
            "ControlMaster": "auto",
            "ControlPath": str(self._control),
            "ControlPersist": "yes",
            "LogLevel": "ERROR",
            "ServerAliveInterval": "30",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
        }
        flags = [
            argument for name, value in options.items() for argument in ("-o", f"{name}={value}")
        ]
        target = ("-F", "none", "-i", str(self._key), "-p", str(self._port), "root@127.0.0.1")
        return subprocess.run(
            [*self._ssh.command, *flags, *target, *arguments],
            env=self._ssh.environment,
            input=typed,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )

    def _disconnect(self) -> None:
        """End the connection that the commands share."""
        if self._control.exists():
            with suppress(subprocess.TimeoutExpired):
                self._run_ssh("-O", "exit", timeout=30)
            self._control.unlink(missing_ok=True)
