"""Install the exporter on several rasps concurrently over SSH.

The user's ~/.ssh/config and ~/.ssh/known_hosts apply. Each rasp runs `cli/deploy/remote.py`.
"""

import asyncio
import contextlib
import io
import json
import shlex
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Literal

import asyncssh

from cli.deploy import remote
from cli.deploy.payload import Payload

_MAX_CONCURRENT = 16
_CONNECT_TIMEOUT = 10.0
_TOTAL_TIMEOUT = 300.0
_KEEPALIVE_INTERVAL = 10.0

# Uses sudo unless the user is root, and the PATH of services, so that it finds the same python3.
_REMOTE_COMMAND = """\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
set -- python3 -I -c 'import sys; exec(sys.stdin.buffer.read(int(sys.argv.pop(1))))' {arguments}
[ "$(id -u)" = 0 ] && exec "$@"
exec sudo -n "$@"
"""

DeployStatus = Literal["ok", "failed", "unknown"]


@dataclass(frozen=True)
class DeployTarget:
    """Name and address of a rasp."""

    name: str
    address: IPv4Address


@dataclass(frozen=True)
class ListenSetting:
    """Value of LISTEN on a rasp, and the address and port at which the exporter must then reply."""

    setting: str
    probe: str


@dataclass(frozen=True)
class DeployResult:
    """Result for a rasp. `result` is `unknown` if the connection was lost."""

    rasp: str
    result: DeployStatus
    detail: str


StageCallback = Callable[[DeployTarget, str], None]


async def deploy_all(
    targets: Sequence[DeployTarget],
    payload: Payload,
    *,
    network: IPv4Network,
    port: int,
    on_stage: StageCallback = lambda _target, _stage: None,
) -> list[DeployResult]:
    """Install the payload on all targets. Return the results in the order of `targets`.

    Args:
        targets: The rasps.
        payload: The files.
        network: Network of the rasps, in which they may get other addresses.
        port: Port of the exporters.
        on_stage: Receives each target and its new stage.
    """
    limit = asyncio.Semaphore(_MAX_CONCURRENT)

    def listen(address: IPv4Address) -> ListenSetting:
        # On loopback, the machine has all addresses, so that there is no address to follow.
        host = address if network.is_loopback else network
        return ListenSetting(f"{host}:{port}", f"{address}:{port}")

    async def deploy_one(target: DeployTarget) -> DeployResult:
        async with limit:
            result = await _deploy_one(target, payload, listen(target.address), on_stage)
        on_stage(target, result.result)
        return result

    return await asyncio.gather(*map(deploy_one, targets))


async def _deploy_one(
    target: DeployTarget, payload: Payload, listen: ListenSetting, on_stage: StageCallback
) -> DeployResult:
    on_stage(target, "connecting")
    try:
        async with asyncssh.connect(
            str(target.address),
            connect_timeout=_CONNECT_TIMEOUT,
            login_timeout=_CONNECT_TIMEOUT,
            keepalive_interval=_KEEPALIVE_INTERVAL,
        ) as connection:
            return await _transfer(connection, target, payload, listen, on_stage)
    except asyncssh.HostKeyNotVerifiable:
        detail = f"the host key is not in known_hosts: verify it with `ssh {target.address}`"
    except asyncssh.PermissionDenied:
        detail = f"the SSH key was rejected: try `ssh {target.address}`"
    except TimeoutError:
        detail = f"no SSH connection within {_CONNECT_TIMEOUT:.0f} s"
    except (OSError, asyncssh.Error, ValueError) as error:
        detail = f"no SSH connection: {_describe_error(error)}"
    return DeployResult(target.name, "failed", detail)


async def _transfer(
    connection: asyncssh.SSHClientConnection,
    target: DeployTarget,
    payload: Payload,
    listen: ListenSetting,
    on_stage: StageCallback,
) -> DeployResult:
    source = Path(remote.__file__).read_bytes()
    arguments = shlex.join([str(len(source)), listen.probe, payload.version])
    status: dict[str, str] = {}
    errors = b""
    try:
        async with (
            asyncio.timeout(_TOTAL_TIMEOUT),
            connection.create_process(
                _REMOTE_COMMAND.format(arguments=arguments), encoding=None
            ) as process,
        ):
            on_stage(target, "transferring")
            with contextlib.suppress(BrokenPipeError, ConnectionError):
                process.stdin.write(source + _pack(payload, listen.setting))
                process.stdin.write_eof()
            async for line in process.stdout:
                status = _parse_line(line) or status
                if stage := status.get("stage"):
                    on_stage(target, stage)
            errors = await process.stderr.read()
            await process.wait_closed()
            exit_status = process.exit_status
    except TimeoutError:
        return _unknown_result(target, f"not finished after {_TOTAL_TIMEOUT:.0f} s")
    except (OSError, asyncssh.Error) as error:
        return _unknown_result(target, _describe_error(error))
    match status.get("result"):
        case "ok":
            return DeployResult(target.name, "ok", status.get("detail", ""))
        case "failed":
            return DeployResult(target.name, "failed", status.get("detail", ""))
    if exit_status is None or exit_status < 0 or status:
        return _unknown_result(target, "the connection was lost")
    lines = errors.decode(errors="replace").strip().splitlines()
    return DeployResult(target.name, "failed", lines[-1] if lines else f"exit status {exit_status}")


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
        fields = json.loads(line)
    except ValueError:  # output of the login shell
        return {}
    if not isinstance(fields, dict):
        return {}
    return {str(key): str(value) for key, value in fields.items()}


def _unknown_result(target: DeployTarget, reason: str) -> DeployResult:
    detail = f"{reason}: the rasp completes the installation or rolls it back; deploy again"
    return DeployResult(target.name, "unknown", detail)


def _describe_error(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
