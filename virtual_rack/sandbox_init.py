"""First process of a sandbox, which starts the namespace rack."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from dhcp_installer.errors import InstallError
from exporter.aliases import AliasesError
from exporter.aliases import load as load_aliases
from rack.errors import PiRackError
from rack.layout_file import load as load_layout
from tools.programs import ProgramError, find
from virtual_rack import lifecycle, sd_card
from virtual_rack.command_line import build_parser
from virtual_rack.master import VirtualMaster
from virtual_rack.namespace_rack import NamespaceOptions, may_change_users, namespace_rack

_MOUNT_SECONDS = 20.0
_HOME = "/run/root"
_PASSWD = f"root:x:{{user}}:{{user}}::{_HOME}:/bin/sh\nsshd:x:65533:65534::/run/sshd:/bin/false\n"
_SHADOW = "root:*:::::::\nsshd:*:::::::\n"  # accounts that are not locked, without a valid password


def main() -> int:
    """Run the rack in a child process and return its exit status.

    This process reaps orphaned processes. When this process ends, the kernel kills all other
    processes in the sandbox.
    """
    options = build_parser().parse_args()
    options.state.mkdir(parents=True, exist_ok=True)
    _mount_private_files(options.state)
    rack = os.fork()
    if rack == 0:
        return _run(options)
    while True:
        pid, status = os.wait()
        if pid == rack:
            return os.waitstatus_to_exitcode(status)


def _mount_private_files(state: Path) -> None:
    """Mount a private /run, /etc/passwd and /etc/shadow, which sshd requires."""
    folder = state.resolve() / "users"
    folder.mkdir(exist_ok=True)
    user = 0 if may_change_users() else 1000
    (folder / "passwd").write_text(_PASSWD.format(user=user))
    (folder / "shadow").write_text(_SHADOW)
    for arguments in (
        ["-t", "tmpfs", "tmpfs", "/run"],
        ["--bind", str(folder / "passwd"), "/etc/passwd"],
        ["--bind", str(folder / "shadow"), "/etc/shadow"],
    ):
        subprocess.run(["mount", *arguments], timeout=_MOUNT_SECONDS, check=True)
    Path(_HOME).mkdir()


def _run(options: argparse.Namespace) -> int:
    stop = lifecycle.stop_event_from_signals()
    try:
        layout = load_layout(options.rack)
        no_cards = sd_card.unavailable_reason(options.state, find("mkfs.ext4"))
        if no_cards:
            sys.stderr.write(
                f"no virtual SD cards ({no_cards}): power cuts keep unsynced data. For cards, run"
                " the rack as root on a machine with loop devices\n"
            )
        rack = namespace_rack(
            layout,
            load_aliases(options.aliases),
            options.aliases,
            options.state,
            NamespaceOptions(
                options.boot_time,
                options.link_time,
                options.seed,
                has_cards=not no_cards,
                keeps_page_cache=options.keep_page_cache,
            ),
        )
        VirtualMaster(layout, options.state).start_dhcpd([] if options.new else rack.inventory())
        greeting = (
            f"{len(layout.slots)} rasps on {layout.network.subnet}. To run a command on the master:"
            f" python -m virtual_rack enter --state {options.state} -- COMMAND"
        )
        lifecycle.run(rack, options.state, stop, greeting, is_new=options.new, faults=options.fault)
    except (PiRackError, AliasesError, InstallError, ProgramError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
