"""Script that runs as root on a rasp, so that the master may run actions.

`deploy.set_up_ssh` and the card of `pirack card` run it. The first argument is the line for root's
authorized_keys. The second one, `--no-root-login`, states that no user logs in as root. The script
needs only python3, is idempotent, and prints notes and the host key. It never removes a line or a
login of other users.
"""

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

DROP_IN = Path("/etc/ssh/sshd_config.d/pirack.conf")
FORCED_ONLY = "forced-commands-only"
NO_ROOT_LOGIN = "--no-root-login"
TIMEOUT = 20.0


class AuthorizeError(Exception):
    """The master cannot be authorized. `deploy.set_up_ssh` prints the text."""


def split_lines(content: bytes) -> "list[bytes]":
    """Return the lines with their line ends. Unlike `splitlines`, split at newlines only."""
    return re.findall(rb"[^\n]*\n|[^\n]+", content)


def is_master_line(line: bytes) -> bool:
    """Return whether a line authorizes a master of PiRack."""
    return b'command="/usr/local/bin/pirack-exporter action ' in line and not _is_comment(line)


def authorize(content: bytes, master_line: bytes) -> bytes:
    """Return authorized_keys with this line instead of the lines of other masters.

    All other lines keep their bytes, which need not be text.
    """
    kept = [
        line
        for line in split_lines(content)
        if not is_master_line(line) or _without_end(line) == master_line
    ]
    if any(is_master_line(line) for line in kept):
        return b"".join(kept)
    if kept and not kept[-1].endswith(b"\n"):
        kept.append(b"\n")
    return b"".join([*kept, master_line, b"\n"])


def add_key(path: Path, master_line: bytes) -> None:
    """Add the master's line to a file, and verify that all other lines are unchanged."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    previous = path.read_bytes() if path.exists() else b""
    content = authorize(previous, master_line)
    if content == previous:
        return
    replace_file(path, content, mode=0o600)
    written = path.read_bytes()
    if master_line not in map(_without_end, split_lines(written)) or (
        _other_lines(written) != _other_lines(previous)
    ):
        raise AuthorizeError(f"{path} was changed at the same time: check it, then try again")


def replace_file(path: Path, content: bytes, *, mode: int) -> None:
    """Replace a file atomically and durably. An existing file keeps its owner, mode and link."""
    path = path.resolve()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            if path.exists():
                status = path.stat()
                os.fchown(descriptor, status.st_uid, status.st_gid)
                shutil.copystat(path, temporary)  # the mode, and the label of SELinux
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sshd_settings(name: str) -> "list[str]":
    """Return the values of a setting of sshd, such as `hostkey`."""
    completed = _run("sshd", "-T")
    return re.findall(rf"^{name} (.*)$", completed, re.MULTILINE)


def limit_root_login(home: Path, *, is_used: bool) -> None:
    """Allow root to run forced commands, and nothing else if no login is lost.

    `is_used`: Whether the user of this script has logged in as root.
    """
    [permitted] = sshd_settings("permitrootlogin")
    if permitted == FORCED_ONLY:
        return
    if is_used:
        if permitted == "no":
            raise AuthorizeError(
                f"PermitRootLogin is no: write PermitRootLogin {FORCED_ONLY}"
                " into /etc/ssh/sshd_config"
            )
        _report(f"note you logged in as root: PermitRootLogin stays {permitted}")
    elif permitted == "yes" or (permitted != "no" and has_login_keys(home)):
        _report(f"note other logins of root exist: PermitRootLogin stays {permitted}")
    else:
        _write_drop_in()


def has_login_keys(home: Path) -> bool:
    """Return whether root's authorized_keys contain a key without a forced command."""
    for pattern in " ".join(sshd_settings("authorizedkeysfile")).split():
        name = pattern.replace("%h", str(home)).replace("%u", "root").replace("%U", "0")
        path = home / name
        lines = split_lines(path.read_bytes()) if path.exists() else []
        if any(
            line.strip() and not _is_comment(line) and b'command="' not in line for line in lines
        ):
            return True
    return False


def _write_drop_in() -> None:
    previous = DROP_IN.read_bytes() if DROP_IN.exists() else None
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    replace_file(DROP_IN, f"PermitRootLogin {FORCED_ONLY}\n".encode(), mode=0o644)
    is_effective = False
    try:
        is_effective = sshd_settings("permitrootlogin") == [FORCED_ONLY]
    finally:
        if not is_effective:
            _restore_drop_in(previous)
    if not is_effective:
        raise AuthorizeError(
            "/etc/ssh/sshd_config does not include sshd_config.d:"
            f" write PermitRootLogin {FORCED_ONLY} into it"
        )
    _run("systemctl", "try-reload-or-restart", "ssh")  # while a card boots, ssh does not run yet


def _restore_drop_in(previous: "bytes | None") -> None:
    if previous is None:
        DROP_IN.unlink()
    else:
        replace_file(DROP_IN, previous, mode=0o644)


def host_keys() -> Iterator[str]:
    """Yield the public ed25519 host keys of sshd."""
    for name in sshd_settings("hostkey"):
        path = Path(f"{name}.pub")
        text = path.read_text(errors="replace") if path.exists() else ""
        if text.startswith("ssh-ed25519 "):
            yield " ".join(text.split()[:2])


def _is_comment(line: bytes) -> bool:
    return line.lstrip().startswith(b"#")


def _without_end(line: bytes) -> bytes:
    return line.rstrip(b"\r\n")


def _other_lines(content: bytes) -> "list[bytes]":
    return [line.removesuffix(b"\n") for line in split_lines(content) if not is_master_line(line)]


def _report(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _run(*command: str) -> str:
    try:
        completed = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AuthorizeError(f"`{' '.join(command)}`: {error}") from error
    if completed.returncode:
        lines = completed.stderr.strip().splitlines() or [f"exit status {completed.returncode}"]
        raise AuthorizeError(f"`{' '.join(command)}`: {lines[-1]}")
    return completed.stdout


def main(master_line: str, *options: str) -> int:
    """Authorize the master. Return 1 on failure."""
    os.umask(0o077)
    home = Path(pwd.getpwuid(0).pw_dir)
    try:
        add_key(home / ".ssh" / "authorized_keys", os.fsencode(master_line))
        limit_root_login(
            home, is_used="SUDO_USER" not in os.environ and NO_ROOT_LOGIN not in options
        )
        for key in host_keys():
            _report(f"host-key {key}")
    except (AuthorizeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
