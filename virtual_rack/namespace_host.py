"""Rasp in a network namespace, with a link to the switch and real processes."""

import subprocess
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from rack.layout import Slot
from virtual_rack.board import SystemRequest
from virtual_rack.dhcp_clients import HOST_NAME, DhcpClient
from virtual_rack.exporter_port import ExporterPort
from virtual_rack.faults import Fault
from virtual_rack.network_namespace import NAMESPACES_FOLDER
from virtual_rack.rasp import mac_of
from virtual_rack.sd_card import SdCard
from virtual_rack.sshd import Sshd
from virtual_rack.switch import Switch

_INIT_SCRIPT = Path(__file__).with_name("rasp_init") / "rasp.sh"
_REBOOT_EXIT_STATUS = 10  # of rasp.sh
_STOP_SECONDS = 5.0
_LED_TRIGGERS = "none [mmc0] timer\n"  # some triggers of a Raspberry Pi's activity LED


class NamespaceHost:
    """The network namespace of a rasp, which exists from a boot until the loss of power.

    Args:
        slot: Slot of the rasp. The host name of the slot is the name of the namespace.
        folder: Folder of the rasp.
        card: SD card of the rasp. Without a card, a folder of the machine takes its place.
        client: DHCP client.
        sshd: SSH server.
        exporter: Port of the exporter, which runs inside the namespace.
        switch: Switch to which the namespace is linked.
        env: Environment of the rasp's processes.
        request: Function that receives requests for a reboot or halt.
    """

    def __init__(  # noqa: PLR0913 - the components of a rasp
        self,
        slot: Slot,
        folder: Path,
        *,
        card: SdCard | None,
        client: DhcpClient,
        sshd: Sshd,
        exporter: ExporterPort,
        switch: Switch,
        env: Mapping[str, str],
        request: Callable[[SystemRequest], None],
    ) -> None:
        self._name = slot.host_name
        self._mac = mac_of(slot)
        self._folder = folder
        self._card = card
        self._client = client
        self._sshd = sshd
        self._exporter = exporter
        self._switch = switch
        self._env = env
        self._request = request
        self._init: subprocess.Popen[bytes] | None = None
        self._has_power = True
        led = folder / "sys/class/leds/ACT/trigger"
        led.parent.mkdir(parents=True)
        led.write_text(_LED_TRIGGERS)
        (folder / "var/lib").mkdir(parents=True)

    def serve(self, faults: Collection[Fault]) -> None:
        """Serve requests; see `NetworkHost`."""
        if self._init is None:
            if self._card is not None and self._card.is_in_use():
                return  # until the mount of the last boot has ended
            self._has_power = True
            self._switch.plug_in(self._name, self._mac)
            self._sshd.prepare(faults)
            self._init = self._boot(faults)
        self._switch.release_held_link(self._name)
        self._sshd.serve(faults)
        restart = self._folder / "restart-pirack-exporter"
        if restart.exists():
            restart.unlink()
            self._exporter.restart()
        self._switch.run_inside(self._name, lambda: self._exporter.serve(faults))
        status = self._init.poll()
        if status is not None:
            self._request(
                SystemRequest.REBOOT if status == _REBOOT_EXIT_STATUS else SystemRequest.HALT
            )

    def _boot(self, faults: Collection[Fault]) -> subprocess.Popen[bytes]:
        with (self._folder / "console.log").open("ab") as console:
            return subprocess.Popen(
                [
                    *("nsenter", f"--net={NAMESPACES_FOLDER / self._name}", "unshare"),
                    *("--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"),
                    *(str(_INIT_SCRIPT), str(self._folder), HOST_NAME),
                    *self._client.argv(faults),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**self._env, "CARD": str(self._card.image) if self._card else ""},
            )

    def cut_power(self) -> None:
        """Take the link down, lose unsynced data and kill all processes; see `NetworkHost`."""
        if self._init is None or not self._has_power:
            return
        self._has_power = False
        self._switch.cut_link(self._name)  # first, so that no process can say goodbye
        if self._card is not None:
            self._card.cut_power(Path(f"/proc/{self._init.pid}/root"))
        self._init.kill()

    def close(self) -> None:
        """Remove the namespace and kill its processes; see `NetworkHost`."""
        if self._init is None:
            return
        self._switch.unplug(self._name)
        self._init.kill()
        self._init.wait(_STOP_SECONDS)
        self._init = None
        self._exporter.close()
