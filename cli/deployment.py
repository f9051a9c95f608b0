"""Bring the exporter, its aliases and its unit to rasps, side by side, each as a whole or not.

The way there is the SSH access of whoever runs this: ~/.ssh/config says user, key, port and jump
hosts, ~/.ssh/known_hosts which host keys are right. What happens on a rasp is `cli/on_rasp.py`.
"""

import asyncio
import contextlib
import io
import json
import shlex
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal

import asyncssh

from cli import on_rasp

_AT_ONCE = 16
_CONNECT_SECONDS = 10.0
_WHOLE_SECONDS = 300.0
_KEEPALIVE_SECONDS = 10.0

# As root, or, where people log in as somebody else, by sudo without a password; with the python3
# that a service finds, whatever is in front of it in a person's PATH.
_COMMAND = """\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
set -- python3 -I -c 'import sys; exec(sys.stdin.buffer.read(int(sys.argv.pop(1))))' {words}
[ "$(id -u)" = 0 ] && exec "$@"
exec sudo -n "$@"
"""

Result = Literal["ok", "failed", "unknown"]


@dataclass(frozen=True)
class Rasp:
    """Where to bring it: a rasp's name and address."""

    name: str
    address: IPv4Address


@dataclass(frozen=True)
class Goods:
    """What to bring: the contents of the files, and the exporter's version."""

    program: bytes
    aliases: bytes
    unit: bytes
    version: str


@dataclass(frozen=True)
class Outcome:
    """What became of a rasp: `unknown` where it was lost on the way and nobody can tell."""

    rasp: str
    result: Result
    detail: str


Tell = Callable[[Rasp, str], None]


async def deploy(
    rasps: Sequence[Rasp],
    goods: Goods,
    *,
    port: int,
    tell: Tell = lambda _rasp, _stage: None,
) -> list[Outcome]:
    """Bring the goods to all rasps; return what became of each, in their order.

    Args:
        rasps: where to.
        goods: what.
        port: where each exporter is to listen, at its rasp's address.
        tell: called with each rasp and the stage that it has come to.
    """
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(rasp: Rasp) -> Outcome:
        async with limit:
            outcome = await _to_one(rasp, goods, port, tell)
        tell(rasp, outcome.result)
        return outcome

    return await asyncio.gather(*map(one, rasps))


async def _to_one(rasp: Rasp, goods: Goods, port: int, tell: Tell) -> Outcome:
    tell(rasp, "connecting")
    try:
        async with asyncssh.connect(
            str(rasp.address),
            connect_timeout=_CONNECT_SECONDS,
            login_timeout=_CONNECT_SECONDS,
            keepalive_interval=_KEEPALIVE_SECONDS,
        ) as connection:
            return await _over(connection, rasp, goods, port, tell)
    except asyncssh.HostKeyNotVerifiable:
        detail = (
            "its host key is not the one in known_hosts, or none is there:"
            f" look at it with `ssh {rasp.address}`"
        )
    except asyncssh.PermissionDenied:
        detail = f"it does not take your key: try `ssh {rasp.address}`"
    except TimeoutError:
        detail = f"no SSH within {_CONNECT_SECONDS:.0f} s"
    except (OSError, asyncssh.Error, ValueError) as error:
        detail = f"no SSH: {_reason(error)}"
    return Outcome(rasp.name, "failed", detail)


async def _over(
    connection: asyncssh.SSHClientConnection,
    rasp: Rasp,
    goods: Goods,
    port: int,
    tell: Tell,
) -> Outcome:
    listen = f"{rasp.address}:{port}"
    source = Path(on_rasp.__file__).read_bytes()
    words = shlex.join([str(len(source)), listen, goods.version])
    said: dict[str, str] = {}
    errors = b""
    try:
        async with (
            asyncio.timeout(_WHOLE_SECONDS),
            connection.create_process(_COMMAND.format(words=words), encoding=None) as process,
        ):
            tell(rasp, "bringing")
            with contextlib.suppress(BrokenPipeError, ConnectionError):
                process.stdin.write(source + _packed(goods, listen))
                process.stdin.write_eof()
            async for line in process.stdout:
                said = _understood(line) or said
                if stage := said.get("stage"):
                    tell(rasp, stage)
            errors = await process.stderr.read()
            await process.wait_closed()
            status = process.exit_status
    except TimeoutError:
        return _lost(rasp, f"it was not done after {_WHOLE_SECONDS:.0f} s")
    except (OSError, asyncssh.Error) as error:
        return _lost(rasp, _reason(error))
    match said.get("result"):
        case "ok":
            return Outcome(rasp.name, "ok", said.get("detail", ""))
        case "failed":
            return Outcome(rasp.name, "failed", said.get("detail", ""))
    if status is None or status < 0 or said:
        return _lost(rasp, "the connection broke")
    lines = errors.decode(errors="replace").strip().splitlines()
    return Outcome(rasp.name, "failed", lines[-1] if lines else f"exit status {status}")


def _packed(goods: Goods, listen: str) -> bytes:
    contents = {
        on_rasp.PROGRAM: goods.program,
        on_rasp.ALIASES: goods.aliases,
        on_rasp.SETTINGS: f"LISTEN={listen}\n".encode(),
        on_rasp.UNIT: goods.unit,
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _understood(line: bytes) -> dict[str, str]:
    try:
        words = json.loads(line)
    except ValueError:  # a greeting of the login shell's
        return {}
    return {str(key): str(value) for key, value in words.items()} if isinstance(words, dict) else {}


def _lost(rasp: Rasp, why: str) -> Outcome:
    return Outcome(
        rasp.name, "unknown", f"{why}: the rasp goes on, or undoes it, by itself; deploy again"
    )


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
