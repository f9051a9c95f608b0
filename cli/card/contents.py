"""Files that a card needs on its boot partition.

The folder `pirack` contains the files to install and `install.sh`, which installs them. How the
image runs this script depends on the image:

- Raspberry Pi OS since Trixie has cloud-init. It reads user-data, meta-data and network-config from
  the boot partition: `seedfrom: file:///boot/firmware` in 99_raspberry-pi.cfg of
  https://github.com/RPi-Distro/pi-gen, stage2/04-cloud-init. In the image, user-data and
  network-config contain comments only. cloud-init's last stage runs after
  multi-user.target, for which the dialog userconfig.service makes a new system wait
  (https://github.com/RPi-Distro/userconf-pi). Therefore, user-data uses bootcmd instead of runcmd.
- Raspberry Pi OS Bookworm and Debian's images for the Raspberry Pi have no cloud-init. systemd runs
  firstrun.sh because of the kernel arguments in cmdline.txt: systemd-run-generator(8).
  Raspberry Pi Imager uses the same arguments (src/downloadthread.cpp of
  https://github.com/raspberrypi/rpi-imager). On the first boot of Bookworm, `init=` in cmdline.txt
  runs `firstboot` of https://github.com/RPi-Distro/raspberrypi-sys-mods before. It keeps the other
  arguments, creates the SSH host keys and reboots.

In stock images, /etc/machine-id is missing or `uninitialized` (pi-gen, export-image/05-finalise),
and there are no SSH host keys. Debian's images (https://salsa.debian.org/raspi-team/image-specs)
allow root to log in on the console without a password, and do not contain python3.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rack.errors import PiRackError

FOLDER = "pirack"
CMDLINE = "cmdline.txt"
FIRSTRUN = "firstrun.sh"
USER_DATA = "user-data"
CLOUD_INIT_FILES = ("meta-data", "network-config", USER_DATA)
KERNEL_ARGUMENTS = (
    "systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot"
    " systemd.unit=kernel-command-line.target"
)
"""Arguments with which systemd runs firstrun.sh. firstrun.sh removes them."""

CHECKOUT_HINT = "run pirack from a checkout or on the master"
"""Fix for a missing file of the checkout."""

# Files with which Raspberry Pi Imager or a user sets up an image, besides those of a card.
_OTHER_SETTINGS = ("custom.toml", "rpi-preseed.toml", "userconf", "userconf.txt")
_DEBIAN_SETTINGS = "sysconf.txt"  # a stock image contains it, with comments only
READ_FILES = (CMDLINE, FIRSTRUN, *CLOUD_INIT_FILES, *_OTHER_SETTINGS, _DEBIAN_SETTINGS)
"""Files of the boot partition that `card_files` has to know."""

_WRITTEN_BY_CARD = b"Written by `pirack card`."


class CardError(PiRackError):
    """The image cannot be prepared."""


@dataclass(frozen=True)
class CardSources:
    """Contents of the files of a card.

    Attributes:
        installed: Files of the folder `pirack`, by name.
        boot: Files that make an image run `pirack/install.sh`, by name.
    """

    installed: Mapping[str, bytes]
    boot: Mapping[str, bytes]

    @classmethod
    def load(cls, folder: Path, installed: Mapping[str, bytes]) -> "CardSources":
        """Read the files in `folder` of the checkout, and add those for `pirack`.

        Raises:
            CardError: If the folder cannot be read.
        """
        try:
            boot = {name: (folder / name).read_bytes() for name in (FIRSTRUN, *CLOUD_INIT_FILES)}
            script = (folder / "install.sh").read_bytes()
        except OSError as error:
            raise CardError(
                f"cannot read {error.filename}: {error.strerror}: {CHECKOUT_HINT}"
            ) from error
        return cls({**installed, "install.sh": script}, boot)


def card_files(existing: Mapping[str, bytes], sources: CardSources) -> dict[str, bytes]:
    """Return the files to write to a boot partition, in the order in which to write them.

    The last file makes the image run the others. Without it, the image boots as before.

    Args:
        existing: Contents of those files in `READ_FILES` that the partition has.
        sources: Contents of the files of a card.

    Raises:
        CardError: If this is not a boot partition, or if it has settings of another program.
    """
    if CMDLINE not in existing:
        raise CardError(
            f"there is no {CMDLINE}: name the boot partition of Raspberry Pi OS or Debian"
        )
    for name in _customized_files(existing):
        raise CardError(
            f"{name} has settings of another program, such as Raspberry Pi Imager:"
            " write the image again without customization"
        )
    files = {f"{FOLDER}/{name}": content for name, content in sources.installed.items()}
    files[f"{FOLDER}/id"] = _id_of(sources.installed)
    if existing.keys() & set(CLOUD_INIT_FILES):
        return files | {name: sources.boot[name] for name in CLOUD_INIT_FILES}
    files[FIRSTRUN] = sources.boot[FIRSTRUN]
    return files | {CMDLINE: _add_arguments(existing[CMDLINE])}


def _customized_files(existing: Mapping[str, bytes]) -> Iterator[str]:
    yield from (name for name in _OTHER_SETTINGS if name in existing)
    for name in (USER_DATA, "network-config", _DEBIAN_SETTINGS):
        if _has_settings(existing.get(name, b"")):
            yield name
    if _WRITTEN_BY_CARD not in existing.get(FIRSTRUN, _WRITTEN_BY_CARD):
        yield FIRSTRUN
    if b"systemd.run=" in existing[CMDLINE].replace(KERNEL_ARGUMENTS.encode(), b""):
        yield CMDLINE


def _has_settings(content: bytes) -> bool:
    """Return whether a file contains more than comments and was not written by `card`."""
    lines = [line.strip() for line in content.splitlines()]
    return _WRITTEN_BY_CARD not in content and any(
        line and not line.startswith(b"#") for line in lines
    )


def _add_arguments(cmdline: bytes) -> bytes:
    """Add the kernel arguments to cmdline.txt, which must be one line."""
    line = b" ".join(cmdline.split())
    if KERNEL_ARGUMENTS.encode() in line:
        return cmdline
    return line + f" {KERNEL_ARGUMENTS}\n".encode()


def _id_of(installed: Mapping[str, bytes]) -> bytes:
    """Return a hash of the files, with which install.sh recognizes a new card."""
    digest = hashlib.sha256()
    for name, content in sorted(installed.items()):
        digest.update(b"%s\0%d\0%s" % (name.encode(), len(content), content))
    return f"{digest.hexdigest()}\n".encode()
