"""Find or download external programs for the virtual rack and the tests.

If a program is not on the PATH, its Debian package is downloaded and unpacked in `.tools/`. To list
and download programs, run `python -m tools.programs NAME …`.
"""

import argparse
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.debian_packages import DebianPackages, PackageError

TOOLS_FOLDER = Path(__file__).resolve().parent.parent / ".tools"

VERSION_TIMEOUT_SECONDS = 30.0


class ProgramError(Exception):
    """A program is not installed and could not be downloaded. The message is one line."""


@dataclass(frozen=True)
class Program:
    """A program. To run it: `subprocess.run([*program.command, …], env=program.environment)`."""

    name: str
    path: Path
    version_option: str = "--version"
    extra_environment: Mapping[str, str] = field(default_factory=dict)
    usr_share: Path | None = None

    @property
    def command(self) -> list[str]:
        """The start of the command line, before the arguments of the program.

        With `usr_share`, the program runs in a mount namespace with that folder as /usr/share.
        """
        if self.usr_share is None:
            return [str(self.path)]
        flags = ["--mount"] if os.geteuid() == 0 else ["--map-root-user", "--mount"]
        mount = 'mount --bind "$0" /usr/share && exec "$@"'
        return ["unshare", *flags, "--", "sh", "-c", mount, str(self.usr_share), str(self.path)]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of this process, with the variables that the program requires."""
        return {**os.environ, **self.extra_environment}

    def version(self) -> str:
        """Return the first line of the program's version output.

        Raises:
            ProgramError: If the program does not run on this machine.
        """
        try:
            output = subprocess.run(
                [*self.command, self.version_option],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=VERSION_TIMEOUT_SECONDS,
                check=True,
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise ProgramError(
                f"{self.path} does not run on this machine ({_failure_reason(error)}):"
                f" {_install_hint(self.name)}"
            ) from error
        return output.strip().partition("\n")[0]


@dataclass(frozen=True)
class _ProgramPackage:
    """Debian package of a program, and the possible names of the program.

    `needs_usr_share`: Whether the program only finds its files in /usr/share.
    """

    package: str
    executables: tuple[str, ...]
    extra_packages: tuple[str, ...] = ()
    version_option: str = "--version"
    needs_usr_share: bool = False


_PROGRAMS = {
    # Alertmanager always reads its default templates from /usr/share.
    "alertmanager": _ProgramPackage(
        "prometheus-alertmanager", ("alertmanager", "prometheus-alertmanager"), needs_usr_share=True
    ),
    "amtool": _ProgramPackage("prometheus-alertmanager", ("amtool",)),
    "apache2": _ProgramPackage("apache2-bin", ("apache2",), version_option="-v"),
    "blackbox_exporter": _ProgramPackage(
        "prometheus-blackbox-exporter", ("blackbox_exporter", "prometheus-blackbox-exporter")
    ),
    "caddy": _ProgramPackage("caddy", ("caddy",), version_option="version"),
    # The headless shell uses 40 % less CPU time. Playwright's driver requires libatomic1.
    "chromium": _ProgramPackage(
        "chromium-headless-shell",
        ("chromium-headless-shell", "chromium"),
        extra_packages=("libatomic1",),
    ),
    "cloud-init": _ProgramPackage("cloud-init", ("cloud-init",)),
    "depmod": _ProgramPackage("kmod", ("depmod",)),
    "dhclient": _ProgramPackage("isc-dhcp-client", ("dhclient",)),
    "dhcpcd": _ProgramPackage("dhcpcd-base", ("dhcpcd",)),
    "dhcpd": _ProgramPackage("isc-dhcp-server", ("dhcpd",)),
    "etcd": _ProgramPackage("etcd-server", ("etcd",)),
    "fdtput": _ProgramPackage("device-tree-compiler", ("fdtput",)),
    "ip": _ProgramPackage("iproute2", ("ip",), version_option="-V"),
    "mcopy": _ProgramPackage("mtools", ("mcopy",)),
    "mkfs.ext4": _ProgramPackage("e2fsprogs", ("mkfs.ext4",), version_option="-V"),
    "mmdebstrap": _ProgramPackage("mmdebstrap", ("mmdebstrap",)),
    "nats-server": _ProgramPackage("nats-server", ("nats-server",)),
    "nginx": _ProgramPackage("nginx", ("nginx",), version_option="-v"),
    "node_exporter": _ProgramPackage(
        "prometheus-node-exporter", ("node_exporter", "prometheus-node-exporter")
    ),
    "pasta": _ProgramPackage("passt", ("pasta",)),
    # The pages of Prometheus require libjs-jquery. apt skips this package if it is installed.
    "prometheus": _ProgramPackage("prometheus", ("prometheus",), extra_packages=("libjs-jquery",)),
    "promtool": _ProgramPackage("prometheus", ("promtool",), extra_packages=("libjs-jquery",)),
    "qemu-aarch64-static": _ProgramPackage("qemu-user-static", ("qemu-aarch64-static",)),
    "qemu-system-aarch64": _ProgramPackage("qemu-system-arm", ("qemu-system-aarch64",)),
    "redis-server": _ProgramPackage("redis-server", ("redis-server",)),
    "rsyslogd": _ProgramPackage("rsyslog", ("rsyslogd",), version_option="-v"),
    "snmpd": _ProgramPackage("snmpd", ("snmpd",), version_option="-v"),
    "snmpget": _ProgramPackage("snmp", ("snmpget",), version_option="-V"),
    "snmpset": _ProgramPackage("snmp", ("snmpset",), version_option="-V"),
    "snmpwalk": _ProgramPackage("snmp", ("snmpwalk",), version_option="-V"),
    "ssh": _ProgramPackage("openssh-client", ("ssh",), version_option="-V"),
    "sshd": _ProgramPackage("openssh-server", ("sshd",), version_option="-V"),
    "udhcpc": _ProgramPackage("udhcpc", ("udhcpc",), version_option="--help"),
    "zabbix_agentd": _ProgramPackage("zabbix-agent", ("zabbix_agentd",)),
}
PROGRAM_NAMES = tuple(_PROGRAMS)

# The PATH of a user often lacks the folders that contain daemons.
_DAEMON_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
# The folder of Chromium is first, because the script in `usr/bin` starts the installed Chromium.
_PROGRAM_FOLDERS = ("usr/lib/chromium", "usr/bin", "usr/sbin", "bin", "sbin")


def find(
    name: str, *, search_path: str | None = None, packages: DebianPackages | None = None
) -> Program:
    """Return a program. Download the program if it is not installed.

    Args:
        name: One of `PROGRAM_NAMES`.
        search_path: Folders to search, by default `PATH`.
        packages: Folder for downloaded packages, by default `.tools/`.

    Raises:
        ProgramError: If the program is not installed and cannot be downloaded, or does not run.
    """
    packaged = _PROGRAMS[name]
    path = search_path if search_path is not None else os.environ.get("PATH", os.defpath)
    for executable in packaged.executables:
        installed = shutil.which(executable, path=os.pathsep.join((path, *_DAEMON_FOLDERS)))
        if installed is not None:
            return Program(name, Path(installed), packaged.version_option)
    packages = packages or DebianPackages(TOOLS_FOLDER)
    try:
        tree = packages.unpack(packaged.package, *packaged.extra_packages)
    except PackageError as error:
        raise ProgramError(
            f"{name} is not installed and cannot be downloaded ({error}): {_install_hint(name)}"
        ) from error
    for folder in _PROGRAM_FOLDERS:
        for executable in packaged.executables:
            unpacked = tree / folder / executable
            if unpacked.is_file():
                share = tree / "usr/share" if packaged.needs_usr_share else None
                program = Program(
                    name, unpacked, packaged.version_option, _extra_environment(tree), share
                )
                program.version()
                return program
    raise ProgramError(
        f"Debian's package {packaged.package} does not contain {name}: {_install_hint(name)}"
    )


def _extra_environment(tree: Path) -> dict[str, str]:
    """Return the environment variables for a program in `tree` instead of `/`."""
    settings = {}
    modules = tree / "usr/lib/python3/dist-packages"
    if modules.is_dir():
        settings["PYTHONPATH"] = str(modules)
    libraries = sorted(
        {
            library.parent
            for pattern in ("*-linux-gnu*/lib*.so*", "*-linux-gnu*/*/lib*.so*")
            for folder in ("usr/lib", "lib")
            for library in (tree / folder).glob(pattern)
        }
    )
    if libraries:
        settings["LD_LIBRARY_PATH"] = os.pathsep.join(map(str, libraries))
    if (tree / "etc/fonts/fonts.conf").exists():
        settings["FONTCONFIG_PATH"] = str(tree / "etc/fonts")
        settings["XDG_DATA_DIRS"] = f"{tree}/usr/share:/usr/local/share:/usr/share"
    return settings


def _install_hint(name: str) -> str:
    return f"install {name} so that it is on the PATH, or use `docker compose up`"


def _failure_reason(error: OSError | subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return str(error.stdout).strip().partition("\n")[0] or f"exit status {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no output within {VERSION_TIMEOUT_SECONDS:.0f} s"
    return str(error)


def main(arguments: Sequence[str] | None = None) -> int:
    """Find or download programs, and print their paths and versions."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.programs",
        description="Find or download the programs that the demo and the tests run.",
    )
    parser.add_argument(
        "names",
        nargs="+",
        choices=PROGRAM_NAMES,
        metavar="NAME",
        help="one of " + ", ".join(PROGRAM_NAMES),
    )
    names = parser.parse_args(arguments).names
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    status = 0
    for name in names:
        try:
            program = find(name)
            sys.stdout.write(f"{name}\t{program.path}\t{program.version()}\n")
        except ProgramError as error:
            sys.stderr.write(f"{error}\n")
            status = 2
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
