"""Run a program of PiRack in a fork of a process that has imported all programs.

Each pytest worker has one such process, the fork server of `multiprocessing`. A fork saves the
imports, which take most of the processor time of a short command.
"""

import atexit
import gc
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_any
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import IO

from tests.helpers.waiting import TIMEOUT_SECONDS
from virtual_rack.network_namespace import CLONE_NEWNET, setns

_IMPORTED_BEFORE_FORKS = [
    "cli.__main__",
    "controller.__main__",
    "controller.server_process",
    "dhcp_installer.__main__",
    "exporter.__main__",
    "rack.power.drivers.snmp_client",
    "virtual_rack.__main__",
    "virtual_rack.demo.__main__",
    "virtual_rack.pins",
]
_POLL_SECONDS = 0.2

processes_lock = threading.Lock()
"""Lock for all processes of `fork_server`, because multiprocessing is not thread-safe."""


def fork_server() -> ForkServerContext:
    """Return the context whose processes have imported the programs of PiRack."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED_BEFORE_FORKS)
    return context


class ForkedProgram:
    """A running `python -m MODULE`, with methods of `subprocess.Popen`.

    Args:
        module: Name of the module, which must be in `_IMPORTED_BEFORE_FORKS` to save time.
        arguments: Command line after the module.
        environment: All environment variables.
        descriptors: File descriptors of the standard input, output and error.
        folder: Working directory, by default that of this process.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        descriptors: tuple[int, int, int],
        folder: Path | None = None,
    ) -> None:
        sys.audit("subprocess.Popen", module, arguments, folder, environment)
        copies = tuple(Connection(os.dup(descriptor)) for descriptor in descriptors)
        program = _Program(
            (module, *map(str, arguments)),
            dict(environment),
            folder or Path.cwd(),
            copies,
            Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net"),
        )
        with processes_lock:
            self._process = fork_server().Process(target=program.run, daemon=True)
            self._process.start()
        for copy in copies:
            copy.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal, or None while the program runs."""
        with processes_lock:
            return self._process.exitcode

    def wait(self, timeout: float = TIMEOUT_SECONDS) -> int:
        """Wait until the program ends, and return its exit status.

        Raises:
            subprocess.TimeoutExpired: If the program still runs after this number of seconds.
        """
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            wait_for_any([self._process.sentinel], _POLL_SECONDS)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class CapturedProgram(ForkedProgram):
    """A running `python -m MODULE` with an empty input, whose output is captured in files."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        folder: Path | None = None,
    ) -> None:
        self._output = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        with open(os.devnull, "rb") as empty:  # noqa: PTH123
            super().__init__(
                module,
                arguments,
                environment=environment,
                descriptors=(empty.fileno(), self._output.fileno(), self._errors.fileno()),
                folder=folder,
            )

    def communicate(self, timeout: float = TIMEOUT_SECONDS) -> tuple[str, str]:
        """Wait until the program ends, and return its standard output and its standard error.

        Raises:
            subprocess.TimeoutExpired: If the program does not end. It is killed.
        """
        try:
            self.wait(timeout)
        finally:
            self.kill()
        return _read_and_close(self._output), _read_and_close(self._errors)


def run_program(
    module: str,
    arguments: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE` with an empty input, and return its status and output.

    Raises:
        subprocess.TimeoutExpired: If the program does not end. It is killed.
    """
    program = CapturedProgram(module, arguments, environment=environment, folder=folder)
    output, errors = program.communicate()
    return subprocess.CompletedProcess([module, *arguments], program.wait(), output, errors)


def call_in_fork(function: Callable[[], None], environment: Mapping[str, str]) -> None:
    """Call a function in a fork with these environment variables, and wait until it returns."""
    sys.audit("subprocess.Popen", sys.executable, [], None, environment)
    with processes_lock:
        process = fork_server().Process(target=_call, args=(function, dict(environment)))
        process.start()
    process.join(TIMEOUT_SECONDS)
    with processes_lock:
        status = process.exitcode
        process.kill()
    assert status == 0, f"exit status {status}"


def keep_shared_memory() -> None:
    """Exclude all objects of the fork server from garbage collection.

    Otherwise, a collection in a fork copies their memory, which takes 0.1 s of processor time.
    """
    gc.freeze()


def _call(function: Callable[[], None], environment: dict[str, str]) -> None:
    keep_shared_memory()
    _replace_environment(environment)
    function()


def _replace_environment(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()


def _enter_network(namespace: Path) -> None:
    """Enter a network namespace. The fork server is in the one in which it was started."""
    if namespace.readlink() != Path("/proc/self/ns/net").readlink():
        with namespace.open("rb") as file:
            setns(file.fileno(), CLONE_NEWNET)


def _read_and_close(file: IO[str]) -> str:
    with file:
        file.seek(0)
        return file.read()


@dataclass(frozen=True)
class _Program:
    """What a new process needs to become the program."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    folder: Path
    descriptors: tuple[Connection, ...]
    network: Path

    def run(self) -> None:
        keep_shared_memory()
        for number, descriptor in enumerate(self.descriptors):
            os.dup2(descriptor.fileno(), number)
            descriptor.close()
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(  # noqa: SIM115
            2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
        )
        _replace_environment(self.environment)
        _enter_network(self.network)
        os.chdir(self.folder)
        module, *arguments = self.argv
        sys.argv = [module, *arguments]
        sys.modules.pop(f"{module}.__main__", None)  # is executed, not imported
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        finally:
            atexit._run_exitfuncs()  # the processes of multiprocessing omit them
