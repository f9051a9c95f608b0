"""Wrapper scripts that make a program available on a PATH."""

import shlex
from pathlib import Path

from tools.programs import Program


def write_wrapper(program: Program, folder: Path) -> None:
    """Write a script that has the name of a program and runs that program.

    Raises:
        OSError: If the folder cannot be written.
    """
    settings = [
        f"export {name}={shlex.quote(text)}" for name, text in program.extra_environment.items()
    ]
    path = folder / program.name
    path.write_text(
        "\n".join(["#!/bin/sh", *settings, f'exec {shlex.join(program.command)} "$@"', ""])
    )
    path.chmod(0o755)
