"""Build the root of a minimal Debian 12 for aarch64."""

import os
from pathlib import Path

from tests.emulated.foreign_programs import run_foreign
from tools.programs import find

MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SOURCES = tuple(
    f"deb [signed-by={KEYRING}] {url} {suite} main"
    for url, suite in (
        (MIRROR, "bookworm"),
        (MIRROR, "bookworm-updates"),
        ("http://deb.debian.org/debian-security", "bookworm-security"),
    )
)
# What a Debian or Raspberry Pi OS image contains, as far as a master, a rasp or these tests use it.
PACKAGES = (
    "busybox-static",
    "ca-certificates",
    "curl",
    "dbus",
    "gpiod",
    "iproute2",
    "kmod",
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd-sysv",
    "systemd-timesyncd",
    "udev",
)
_OPTIONS = (
    "--mode=root",
    "--architectures=arm64",
    "--variant=minbase",
    "--skip=check/qemu,check/chrootless",
    '--aptopt=Acquire::Languages "none"',
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")),
)
_TIMEOUT = 3600.0


def build_debian_root(folder: Path) -> None:
    """Install a minimal Debian 12 for aarch64 in a new folder. Takes about 10 minutes.

    Raises:
        ForeignCommandError: If a package is not available or cannot be installed.
        ProgramError: If mmdebstrap or qemu-user is not available.
    """
    mmdebstrap = find("mmdebstrap")
    scratch = folder.with_name(f"{folder.name}.scratch")
    scratch.mkdir(parents=True, exist_ok=True)
    scratch.chmod(0o755)  # mmdebstrap reads its packages as the user _apt
    path = f"{mmdebstrap.path.parent}:{os.environ['PATH']}"  # with mmtarfilter
    run_foreign(
        *mmdebstrap.command,
        *_OPTIONS,
        f"--include={','.join(PACKAGES)}",
        "bookworm",
        str(folder),
        *SOURCES,
        environment={**mmdebstrap.environment, "PATH": path, "TMPDIR": str(scratch)},
        timeout=_TIMEOUT,
        log=folder.with_name(f"{folder.name}.log"),
    )
    scratch.rmdir()
