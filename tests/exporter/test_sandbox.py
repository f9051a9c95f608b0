"""Tests that aliases read the same values in the sandbox of the exporter's unit as outside of it.

The unit runs in a real systemd.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import make_pyz
from exporter.aliases import DEFAULT_PATH
from tests.exporter.scraping import parse_metrics
from tests.helpers.systemd_machine import SystemdMachine, running_systemd
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.process

UNIT = Path("deploy/pirack-exporter.service")
PYTHON = "/usr/bin/python3"

# Replaces the folders of /sys that this machine does not have.
SENSORS_SCRIPT = """
set -e
mount -t tmpfs tmpfs /sys/class/thermal
mount -t tmpfs tmpfs /sys/devices/system/cpu
mount -t tmpfs tmpfs /sys/devices/platform
cd /sys
mkdir -p class/thermal/thermal_zone0 devices/system/cpu/cpu0/cpufreq
mkdir -p devices/platform/soc/soc:firmware
echo 48312 > class/thermal/thermal_zone0/temp
echo 1500000 > devices/system/cpu/cpu0/cpufreq/scaling_cur_freq
echo 50005 > devices/platform/soc/soc:firmware/get_throttled
"""
PROCESS_ALIASES = """
[processes]
count = ls -d /proc/[0-9]* | wc -l
sleepers = pgrep -c -x sleep || true
states = ps ax -o stat= | wc -l
"""
SCRAPE = (
    "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9849/metrics').read().decode())"
)
CHECK_IN_SANDBOX = """
pid=$(systemctl show --value --property MainPID pirack-exporter)
nsenter --target "$pid" --all --setuid "$(stat -c %u "/proc/$pid")" \\
    --setgid "$(stat -c %g "/proc/$pid")" pirack-exporter --check /etc/pirack/aliases.ini
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdMachine]:
    """A machine on which the exporter is installed, and another service with three processes."""
    if not Path(PYTHON).exists():
        pytest.skip(f"{PYTHON} is not installed")
    folder = tmp_path_factory.mktemp("sandbox")
    pyz = folder / "pirack-exporter.pyz"
    make_pyz.make(pyz)
    with running_systemd(folder) as machine:
        machine.output_of("sh", "-c", SENSORS_SCRIPT)
        machine.write("/usr/local/bin/pirack-exporter", pyz.read_bytes(), mode=0o755)
        machine.write("/etc/pirack/aliases.ini", DEFAULT_PATH.read_text() + PROCESS_ALIASES)
        machine.write("/etc/systemd/system/pirack-exporter.service", UNIT.read_text())
        machine.write(
            "/etc/systemd/system/sleepers.service",
            "[Service]\nExecStart=/bin/sh -c 'sleep 1000 & sleep 1000 & sleep 1000'\n",
        )
        machine.output_of("systemctl", "daemon-reload")
        machine.output_of("systemctl", "start", "sleepers", "pirack-exporter")
        wait_until(lambda: machine.run(PYTHON, "-c", SCRAPE).returncode == 0)
        yield machine


def scrape(machine: SystemdMachine) -> dict[str, float]:
    return parse_metrics(machine.output_of(PYTHON, "-c", SCRAPE))


def test_every_packaged_alias_has_its_value_in_the_sandbox(machine: SystemdMachine) -> None:
    metrics = scrape(machine)
    assert metrics["pirack_up"] == 1
    assert metrics["pirack_cpu_temperature_celsius"] == 48.312
    assert metrics["pirack_cpu_frequency_hertz"] == 1.5e9
    assert metrics["pirack_power_condition{condition=throttled,since=now}"] == 1
    outside = {}
    for line in machine.output_of(
        "pirack-exporter", "--check", "/etc/pirack/aliases.ini"
    ).splitlines():
        name, _, value = line.strip().rpartition(" ")
        if name.startswith("pirack_"):
            outside[name.replace('"', "")] = float(value)
    assert outside.keys() <= metrics.keys()
    for name in ("memory_total_bytes", "disk_size_bytes", "boot_time_seconds", "disk_readonly"):
        assert metrics[f"pirack_{name}"] == outside[f"pirack_{name}"]


def test_read_only_mount_of_the_sandbox_is_not_a_read_only_file_system(
    machine: SystemdMachine,
) -> None:
    pid = machine.output_of("systemctl", "show", "--value", "--property=MainPID", "pirack-exporter")
    touch = machine.run("nsenter", f"--target={pid.strip()}", "--mount", "touch", "/etc/x")
    assert "Read-only file system" in touch.stderr
    assert scrape(machine)["pirack_disk_readonly"] == 0


def test_aliases_count_the_processes_of_all_users(machine: SystemdMachine) -> None:
    metrics = scrape(machine)
    assert metrics["pirack_processes_sleepers"] == 3
    assert metrics["pirack_processes_count"] >= 6
    assert metrics["pirack_processes_states"] >= 6


def test_documented_command_checks_a_file_in_the_sandbox(machine: SystemdMachine) -> None:
    documented = Path("docs/reference/exporter.md").read_text()
    for line in CHECK_IN_SANDBOX.strip().splitlines():
        assert line.strip() in documented
    inside = machine.output_of("sh", "-c", CHECK_IN_SANDBOX)
    assert "pirack_processes_sleepers 3\n" in inside
    assert "note:" not in inside
    outside = machine.output_of("pirack-exporter", "--check", "/etc/pirack/aliases.ini")
    assert "note: not in the sandbox of the service" in outside
