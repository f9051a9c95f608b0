"""The programs that the virtual rack and the tests run beside PiRack's own.

A program is taken from the PATH; where there is none, Debian's package is unpacked under `.tools/`
and the program runs from there. `python -m tools.programs NAME …` fetches and shows them.
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
    """A program is neither here nor to be fetched; the text is one line with its mend."""


@dataclass(frozen=True)
class Program:
    """A program ready to run: `subprocess.Popen([*program.words, …], env=program.env)`."""

    name: str
    path: Path
    version_option: str = "--version"
    extra_environment: Mapping[str, str] = field(default_factory=dict)
    usr_share: Path | None = None

    @property
    def command(self) -> list[str]:
        """How its command line begins.

        Where it looks for files in /usr/share that are under `share`, it is started in a mount
        namespace of its own in which they are there. The machine's own /usr/share stays as it is.
        """
        if self.usr_share is None:
            return [str(self.path)]
        kind = ["--mount"] if os.geteuid() == 0 else ["--map-root-user", "--mount"]
        mount = 'mount --bind "$0" /usr/share && exec "$@"'
        return ["unshare", *kind, "--", "sh", "-c", mount, str(self.usr_share), str(self.path)]

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, with what the program needs besides."""
        return {**os.environ, **self.extra_environment}

    def version(self) -> str:
        """Return the first line that the program says of its version.

        Raises:
            ProgramError: it does not run here.
        """
        try:
            said = subprocess.run(
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
                f"{self.path} does not run here ({_failure_reason(error)}): {_install_hint(self.name)}"
            ) from error
        return said.strip().partition("\n")[0]


@dataclass(frozen=True)
class _ProgramPackage:
    """A Debian package, and what a program is called on the PATH and in there.

    `needs_usr_share`: it wants files of its package in /usr/share, and no option names another place.
    """

    package: str
    executables: tuple[str, ...]
    extra_packages: tuple[str, ...] = ()
    version_option: str = "--version"
    needs_usr_share: bool = False


_PROGRAMS = {
    # Its templates, which it reads even where nothing uses them.
    "alertmanager": _ProgramPackage(
        "prometheus-alertmanager", ("alertmanager", "prometheus-alertmanager"), needs_usr_share=True
    ),
    "amtool": _ProgramPackage("prometheus-alertmanager", ("amtool",)),
    "blackbox_exporter": _ProgramPackage(
        "prometheus-blackbox-exporter", ("blackbox_exporter", "prometheus-blackbox-exporter")
    ),
    # libatomic1 is for Playwright's driver, which may find itself on a machine without it.
    "chromium": _ProgramPackage("chromium", ("chromium",), extra_packages=("libatomic1",)),
    "dhclient": _ProgramPackage("isc-dhcp-client", ("dhclient",)),
    "dhcpcd": _ProgramPackage("dhcpcd-base", ("dhcpcd",)),
    "dhcpd": _ProgramPackage("isc-dhcp-server", ("dhcpd",)),
    "ip": _ProgramPackage("iproute2", ("ip",), version_option="-V"),
    "node_exporter": _ProgramPackage(
        "prometheus-node-exporter", ("node_exporter", "prometheus-node-exporter")
    ),
    # Prometheus' pages need libjs-jquery, which a machine that has it would keep to itself.
    "prometheus": _ProgramPackage("prometheus", ("prometheus",), extra_packages=("libjs-jquery",)),
    "promtool": _ProgramPackage("prometheus", ("promtool",), extra_packages=("libjs-jquery",)),
    "sqlite3": _ProgramPackage("sqlite3", ("sqlite3",)),
    "ssh": _ProgramPackage("openssh-client", ("ssh",), version_option="-V"),
    "sshd": _ProgramPackage("openssh-server", ("sshd",), version_option="-V"),
    "udhcpc": _ProgramPackage("udhcpc", ("udhcpc",), version_option="--help"),
    "zabbix_agentd": _ProgramPackage("zabbix-agent", ("zabbix_agentd",)),
}
PROGRAM_NAMES = tuple(_PROGRAMS)

# A user's PATH often lacks the folders of the daemons.
_DAEMON_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
# Chromium's own comes first: `usr/bin/chromium` is a script that reads the machine's /etc.
_PROGRAM_FOLDERS = ("usr/lib/chromium", "usr/bin", "usr/sbin", "bin", "sbin")


def find(
    name: str, *, search_path: str | None = None, packages: DebianPackages | None = None
) -> Program:
    """Return the program `name`, one of `PROGRAM_NAMES`; fetch it once if the machine has none.

    `search_path` is what `PATH` is by default, `packages` the packages under `.tools/`.

    Raises:
        ProgramError: it is not here and cannot be fetched, or does not run here.
    """
    packaged = _PROGRAMS[name]
    path = search_path if search_path is not None else os.environ.get("PATH", os.defpath)
    for own in packaged.executables:
        here = shutil.which(own, path=os.pathsep.join((path, *_DAEMON_FOLDERS)))
        if here is not None:
            return Program(name, Path(here), packaged.version_option)
    packages = packages or DebianPackages(TOOLS_FOLDER)
    try:
        tree = packages.unpack(packaged.package, *packaged.extra_packages)
    except PackageError as error:
        raise ProgramError(f"{name} is not here, and {error}: {_install_hint(name)}") from error
    for folder in _PROGRAM_FOLDERS:
        for own in packaged.executables:
            inside = tree / folder / own
            if inside.is_file():
                share = tree / "usr/share" if packaged.needs_usr_share else None
                program = Program(
                    name, inside, packaged.version_option, _extra_environment(tree), share
                )
                program.version()
                return program
    raise ProgramError(f"Debian's package {packaged.package} has no {name}: {_install_hint(name)}")


def _extra_environment(tree: Path) -> dict[str, str]:
    """What a program needs in its environment to run from `tree` instead of from `/`."""
    settings = {}
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
        return f"no answer in {VERSION_TIMEOUT_SECONDS:.0f} s"
    return str(error)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the programs named, and print where each is and its version."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.programs",
        description="Find or fetch the programs that the demo and the tests run.",
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
