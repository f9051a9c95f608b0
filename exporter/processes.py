"""Run commands, each in a shell and a process group of its own, side by side.

A command is over when its shell ends or its time is up. Whatever is left of its process group is
killed then, so that no command leaves anything behind that holds on to its output or to the CPU.
"""

import os
import select
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from exporter.output import LIMIT

_SHELL = "/bin/sh"
_CHUNK = 16 * 1024
_LAST_WORDS = 4096
_DEATH = 100  # milliseconds in which a killed process is expected to be gone


@dataclass(frozen=True, slots=True)
class Command:
    """A shell command and the seconds it may take."""

    text: str
    timeout: float


@dataclass(frozen=True, slots=True)
class Result:
    """What a command has printed and the seconds it took.

    `error` is None if it worked; else it says in a line why not, and the output is not to be used.
    """

    output: bytes
    error: str | None
    seconds: float


class Processes:
    """Starts processes, and sees that all of them end.

    `environment` is all that a command finds in its environment.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._running: set[_Running] = set()
        self._undead: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._closed = False

    def run(self, commands: Iterable[Command]) -> list[Result]:
        """Run all commands at once and return their results in the same order."""
        with selectors.DefaultSelector() as selector:
            attempts = [self._start(command, selector) for command in commands]
            unfinished = {attempt for attempt in attempts if isinstance(attempt, _Running)}
            results: dict[_Running, Result] = {}
            while unfinished:
                patience = min(running.deadline for running in unfinished) - time.monotonic()
                for key, _ in selector.select(max(patience, 0)):
                    key.data.read(key.fileobj)
                now = time.monotonic()
                for running in [each for each in unfinished if each.is_over(now)]:
                    unfinished.discard(running)
                    results[running] = self._finish(running)
        return [
            results[attempt] if isinstance(attempt, _Running) else attempt for attempt in attempts
        ]

    def close(self) -> None:
        """Kill whatever runs; a `run` under way in another thread returns at once."""
        with self._lock:
            self._closed = True
            for running in self._running:
                running.kill()

    def _start(self, command: Command, selector: selectors.BaseSelector) -> "_Running | Result":
        with self._lock:
            if self._closed:
                return Result(b"", "the exporter stops", 0)
            try:
                running = _Running(command, self._environment, selector)
            except OSError as error:
                return Result(b"", f"cannot be started: {error.strerror}", 0)
            self._running.add(running)
            return running

    def _finish(self, running: "_Running") -> Result:
        with self._lock:
            self._running.discard(running)
            self._undead = [process for process in self._undead if process.poll() is None]
            result = running.finish()
            if running.process.returncode is None:
                self._undead.append(running.process)
            return result


class _Running:
    """A command under way; its two pipes and its end are watched by `selector`."""

    def __init__(
        self, command: Command, environment: Mapping[str, str], selector: selectors.BaseSelector
    ) -> None:
        self._selector = selector
        self._timeout = command.timeout
        self._started = time.monotonic()
        self.deadline = self._started + command.timeout
        self.process = subprocess.Popen(
            [_SHELL, "-c", command.text],
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
        self._end = os.pidfd_open(self.process.pid)
        self._has_ended = False
        self._output = b""
        self._last_words = b""
        selector.register(self._end, selectors.EVENT_READ, self)
        for pipe in filter(None, (self.process.stdout, self.process.stderr)):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ, self)

    def read(self, source: int | IO[bytes]) -> None:
        """Take what `source` has for us: the end of the shell, or a piece of one of its pipes."""
        if isinstance(source, int):
            self._has_ended = True
        else:
            self._read(source)

    def is_over(self, now: float) -> bool:
        return self._has_ended or now >= self.deadline or len(self._output) > LIMIT

    def kill(self) -> None:
        """Kill the process group. Its leader is not reaped yet, so its number is still its own."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def finish(self) -> Result:
        """Kill what is left, take what is still in the pipes, close them, and tell how it went."""
        seconds = time.monotonic() - self._started
        self.kill()
        for pipe in (self.process.stdout, self.process.stderr):
            while pipe and not pipe.closed and len(self._output) <= LIMIT and self._read(pipe):
                pass
            if pipe and not pipe.closed:
                self._close(pipe)
        self._reap()
        return Result(self._output, self._error(), seconds)

    def _read(self, pipe: IO[bytes]) -> bool:
        piece = pipe.read(_CHUNK)
        if piece == b"":
            self._close(pipe)
        elif piece and pipe is self.process.stdout:
            self._output += piece
        elif piece:
            self._last_words = (self._last_words + piece)[-_LAST_WORDS:]
        return bool(piece)

    def _close(self, pipe: IO[bytes]) -> None:
        self._selector.unregister(pipe)
        pipe.close()

    def _reap(self) -> None:
        death = select.poll()
        death.register(self._end, select.POLLIN)
        death.poll(_DEATH)
        self.process.poll()
        self._selector.unregister(self._end)
        os.close(self._end)

    def _error(self) -> str | None:
        if len(self._output) > LIMIT:
            return f"more than {LIMIT} bytes of output"
        if not self._has_ended:
            return f"took longer than {self._timeout:g} s"
        status = self.process.returncode
        if status == 0:
            return None
        last_words = self._last_words.decode(errors="replace").strip().rpartition("\n")[2]
        how = f"exit status {status}" if status > 0 else f"killed by {signal.Signals(-status).name}"
        return f"{how}: {last_words}" if last_words else how
