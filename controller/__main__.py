"""`python -m controller`: serve the API and the pages, or administer the controller."""

import logging
from typing import Any

import click

from controller.command_line.arguments import controller_options
from controller.options import ControllerOptions
from rack.terminal import LazyCommandGroup

_PROGRAM = "python -m controller"

_EXIT_STATUSES = """\b
Exit statuses:
  0    success
  1    `ssh pin`: the host key of a rasp was not pinned; `doctor`: there are findings
  2    invalid command line or configuration, or the command failed
  130  interrupted
"""


# The server does not import the commands, because the relays wait for its start after a boot.
_COMMANDS = {
    "audit": "controller.command_line.admin:list_audit",
    "backup": "controller.command_line.backup:back_up",
    "doctor": "controller.command_line.doctor:doctor",
    "restore": "controller.command_line.backup:restore",
    "ssh": "controller.command_line.ssh:ssh",
    "token": "controller.command_line.admin:token",
    "user": "controller.command_line.admin:user",
}


@click.group(
    cls=LazyCommandGroup,
    locations=_COMMANDS,
    invoke_without_command=True,
    epilog=_EXIT_STATUSES,
)
@controller_options
@click.version_option(package_name="pirack", message="%(prog)s %(version)s")
@click.pass_context
def controller(context: click.Context, /, **options: Any) -> None:
    """Serve the API and the pages of a rack until SIGTERM or Ctrl-C.

    With a command, administer users, tokens, SSH keys and backups, list audit events, or check the
    master.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)  # INFO logs each connection
    logging.getLogger("waitress").setLevel(logging.ERROR)  # clients can cause any lower level
    context.obj = ControllerOptions(**options)
    if context.invoked_subcommand is None:
        from controller.serve import serve  # noqa: PLC0415 - the commands do not need it

        serve(context.obj)
    else:  # the copy of the audit log is for the journal, not for terminals
        logging.getLogger("controller.audit").setLevel(logging.WARNING)


if __name__ == "__main__":
    controller(prog_name=_PROGRAM)
