"""Bring the exporter, its aliases and its unit to rasps, side by side, each as a whole or not.

The way there is the SSH access of whoever runs this: ~/.ssh/config says user, key, port and jump
hosts, ~/.ssh/known_hosts which host keys are right. What happens on a rasp is `cli/deploy/remote.py`.
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

from cli.deploy import remote

_MAX_CONCURRENT = 16
_CONNECT_TIMEOUT = 10.0
_TOTAL_TIMEOUT = 300.0
_KEEPALIVE_INTERVAL = 10.0

# As root, or, where people log in as somebody else, by sudo without a password; with the python3
# that a service finds, whatever is in front of it in a person's PATH.
_REMOTE_COMMAND = """\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
set -- python3 -I -c 'import sys; exec(sys.stdin.buffer.read(int(sys.argv.pop(1))))' {words}
[ "$(id -u)" = 0 ] && exec "$@"
exec sudo -n "$@"
"""

DeployStatus = Literal["ok", "failed", "unknown"]


@dataclass(frozen=True)
class DeployTarget:
    """Where to bring it: a rasp's name and address."""

    name: str
    address: IPv4Address


@dataclass(frozen=True)
class Payload:
    """What to bring: the contents of the files, and the exporter's version."""

    program: bytes
    aliases: bytes
    unit: bytes
    version: str


@dataclass(frozen=True)
class DeployResult:
    """What became of a rasp: `unknown` where it was lost on the way and nobody can tell."""

    rasp: str
    result: DeployStatus
    detail: str


StageCallback = Callable[[DeployTarget, str], None]


async def deploy_all(
    targets: Sequence[DeployTarget],
    payload: Payload,
    *,
    port: int,
    on_stage: StageCallback = lambda _rasp, _stage: None,
) -> list[DeployResult]:
    """Bring the goods to all rasps; return what became of each, in their order.

    Args:
        targets: where to.
        payload: what.
        port: where each exporter is to listen, at its rasp's address.
        on_stage: called with each rasp and the stage that it has come to.
    """
    limit = asyncio.Semaphore(_MAX_CONCURRENT)

    async def one(rasp: DeployTarget) -> DeployResult:
        async with limit:
            outcome = await _deploy_one(rasp, payload, port, on_stage)
        on_stage(rasp, outcome.result)
        return outcome

    return await asyncio.gather(*map(one, targets))


async def _deploy_one(
    target: DeployTarget, payload: Payload, port: int, on_stage: StageCallback
) -> DeployResult:
    on_stage(target, "connecting")
    try:
        async with asyncssh.connect(
            str(target.address),
            connect_timeout=_CONNECT_TIMEOUT,
            login_timeout=_CONNECT_TIMEOUT,
            keepalive_interval=_KEEPALIVE_INTERVAL,
        ) as connection:
            return await _transfer(connection, target, payload, port, on_stage)
    except asyncssh.HostKeyNotVerifiable:
        detail = (
            "its host key is not the one in known_hosts, or none is there:"
            f" look at it with `ssh {target.address}`"
        )
    except asyncssh.PermissionDenied:
        detail = f"it does not take your key: try `ssh {target.address}`"
    except TimeoutError:
        detail = f"no SSH within {_CONNECT_TIMEOUT:.0f} s"
    except (OSError, asyncssh.Error, ValueError) as error:
        detail = f"no SSH: {_describe_error(error)}"
    return DeployResult(target.name, "failed", detail)


async def _transfer(
    connection: asyncssh.SSHClientConnection,
    target: DeployTarget,
    payload: Payload,
    port: int,
    on_stage: StageCallback,
) -> DeployResult:
    listen = f"{target.address}:{port}"
    source = Path(remote.__file__).read_bytes()
    words = shlex.join([str(len(source)), listen, payload.version])
    said: dict[str, str] = {}
    errors = b""
    try:
        async with (
            asyncio.timeout(_TOTAL_TIMEOUT),
            connection.create_process(
                _REMOTE_COMMAND.format(words=words), encoding=None
            ) as process,
        ):
            on_stage(target, "bringing")
            with contextlib.suppress(BrokenPipeError, ConnectionError):
                process.stdin.write(source + _pack(payload, listen))
                process.stdin.write_eof()
            async for line in process.stdout:
                said = _parse_line(line) or said
                if stage := said.get("stage"):
                    on_stage(target, stage)
            errors = await process.stderr.read()
            await process.wait_closed()
            status = process.exit_status
    except TimeoutError:
        return _unknown_result(target, f"it was not done after {_TOTAL_TIMEOUT:.0f} s")
    except (OSError, asyncssh.Error) as error:
        return _unknown_result(target, _describe_error(error))
    match said.get("result"):
        case "ok":
            return DeployResult(target.name, "ok", said.get("detail", ""))
        case "failed":
            return DeployResult(target.name, "failed", said.get("detail", ""))
    if status is None or status < 0 or said:
        return _unknown_result(target, "the connection broke")
    lines = errors.decode(errors="replace").strip().splitlines()
    return DeployResult(target.name, "failed", lines[-1] if lines else f"exit status {status}")


def _pack(payload: Payload, listen: str) -> bytes:
    contents = {
        remote.PROGRAM: payload.program,
        remote.ALIASES: payload.aliases,
        remote.SETTINGS: f"LISTEN={listen}\n".encode(),
        remote.UNIT: payload.unit,
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _parse_line(line: bytes) -> dict[str, str]:
    try:
        words = json.loads(line)
    except ValueError:  # a greeting of the login shell's
        return {}
    return {str(key): str(value) for key, value in words.items()} if isinstance(words, dict) else {}


def _unknown_result(target: DeployTarget, reason: str) -> DeployResult:
    return DeployResult(
        target.name, "unknown", f"{reason}: the rasp goes on, or undoes it, by itself; deploy again"
    )


def _describe_error(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
