"""The programs that the virtual rack and the tests run beside PiRack's own.

A program is taken from the PATH; where there is none, Debian's package is unpacked under `.tools/`
and the program runs from there. `python -m virtual_rack.programs NAME …` fetches and shows them.
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

from virtual_rack.debian import Debian, PackageError

TOOLS = Path(__file__).resolve().parent.parent / ".tools"

VERSION_SECONDS = 30.0


class ProgramError(Exception):
    """A program is neither here nor to be fetched; the text is one line with its mend."""


@dataclass(frozen=True)
class Program:
    """A program ready to run: `subprocess.Popen([*program.words, …], env=program.env)`."""

    name: str
    path: Path
    version_option: str = "--version"
    settings: Mapping[str, str] = field(default_factory=dict)
    share: Path | None = None

    @property
    def words(self) -> list[str]:
        """How its command line begins.

        Where it looks for files in /usr/share that are under `share`, it is started in a mount
        namespace of its own in which they are there. The machine's own /usr/share stays as it is.
        """
        if self.share is None:
            return [str(self.path)]
        kind = ["--mount"] if os.geteuid() == 0 else ["--map-root-user", "--mount"]
        mount = 'mount --bind "$0" /usr/share && exec "$@"'
        return ["unshare", *kind, "--", "sh", "-c", mount, str(self.share), str(self.path)]

    @property
    def env(self) -> dict[str, str]:
        """This process's environment, with what the program needs besides."""
        return {**os.environ, **self.settings}

    def version(self) -> str:
        """Return the first line that the program says of its version.

        Raises:
            ProgramError: it does not run here.
        """
        try:
            said = subprocess.run(
                [*self.words, self.version_option],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=VERSION_SECONDS,
                check=True,
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise ProgramError(
                f"{self.path} does not run here ({_why(error)}): {_mend(self.name)}"
            ) from error
        return said.strip().partition("\n")[0]


@dataclass(frozen=True)
class _Packaged:
    """A Debian package, and what a program is called on the PATH and in there.

    `wants_share`: it wants files of its package in /usr/share, and no option names another place.
    """

    package: str
    names: tuple[str, ...]
    besides: tuple[str, ...] = ()
    version_option: str = "--version"
    wants_share: bool = False


_PROGRAMS = {
    # Its templates, which it reads even where nothing uses them.
    "alertmanager": _Packaged(
        "prometheus-alertmanager", ("alertmanager", "prometheus-alertmanager"), wants_share=True
    ),
    "amtool": _Packaged("prometheus-alertmanager", ("amtool",)),
    "blackbox_exporter": _Packaged(
        "prometheus-blackbox-exporter", ("blackbox_exporter", "prometheus-blackbox-exporter")
    ),
    # libatomic1 is for Playwright's driver, which may find itself on a machine without it.
    "chromium": _Packaged("chromium", ("chromium",), besides=("libatomic1",)),
    "dhclient": _Packaged("isc-dhcp-client", ("dhclient",)),
    "dhcpcd": _Packaged("dhcpcd-base", ("dhcpcd",)),
    "dhcpd": _Packaged("isc-dhcp-server", ("dhcpd",)),
    "ip": _Packaged("iproute2", ("ip",), version_option="-V"),
    "node_exporter": _Packaged(
        "prometheus-node-exporter", ("node_exporter", "prometheus-node-exporter")
    ),
    # Prometheus' pages need libjs-jquery, which a machine that has it would keep to itself.
    "prometheus": _Packaged("prometheus", ("prometheus",), besides=("libjs-jquery",)),
    "promtool": _Packaged("prometheus", ("promtool",), besides=("libjs-jquery",)),
    "sqlite3": _Packaged("sqlite3", ("sqlite3",)),
    "ssh": _Packaged("openssh-client", ("ssh",), version_option="-V"),
    "sshd": _Packaged("openssh-server", ("sshd",), version_option="-V"),
    "udhcpc": _Packaged("udhcpc", ("udhcpc",), version_option="--help"),
    "zabbix_agentd": _Packaged("zabbix-agent", ("zabbix_agentd",)),
}
NAMES = tuple(_PROGRAMS)

# A user's PATH often lacks the folders of the daemons.
_DAEMONS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
# Chromium's own comes first: `usr/bin/chromium` is a script that reads the machine's /etc.
_FOLDERS = ("usr/lib/chromium", "usr/bin", "usr/sbin", "bin", "sbin")


def find(name: str, *, search_path: str | None = None, debian: Debian | None = None) -> Program:
    """Return the program `name`, one of `NAMES`; fetch it once if the machine has none.

    `search_path` is what `PATH` is by default, `debian` the packages under `.tools/`.

    Raises:
        ProgramError: it is not here and cannot be fetched, or does not run here.
    """
    packaged = _PROGRAMS[name]
    path = search_path if search_path is not None else os.environ.get("PATH", os.defpath)
    for own in packaged.names:
        here = shutil.which(own, path=os.pathsep.join((path, *_DAEMONS)))
        if here is not None:
            return Program(name, Path(here), packaged.version_option)
    debian = debian or Debian(TOOLS)
    try:
        tree = debian.unpack(packaged.package, *packaged.besides)
    except PackageError as error:
        raise ProgramError(f"{name} is not here, and {error}: {_mend(name)}") from error
    for folder in _FOLDERS:
        for own in packaged.names:
            inside = tree / folder / own
            if inside.is_file():
                share = tree / "usr/share" if packaged.wants_share else None
                program = Program(name, inside, packaged.version_option, _settings(tree), share)
                program.version()
                return program
    raise ProgramError(f"Debian's package {packaged.package} has no {name}: {_mend(name)}")


def _settings(tree: Path) -> dict[str, str]:
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


def _mend(name: str) -> str:
    return f"install {name} so that it is on the PATH, or use `docker compose up`"


def _why(error: OSError | subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return str(error.stdout).strip().partition("\n")[0] or f"exit status {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer in {VERSION_SECONDS:.0f} s"
    return str(error)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the programs named, and print where each is and its version."""
    parser = argparse.ArgumentParser(
        prog="python -m virtual_rack.programs",
        description="Find or fetch the programs that the demo and the tests run.",
    )
    parser.add_argument(
        "names", nargs="+", choices=NAMES, metavar="NAME", help="one of " + ", ".join(NAMES)
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
