"""What is done for each rasp of an order: ping, read, and actions by SSH."""

import asyncio
from collections.abc import Sequence

from controller.errors import Lost, SshError
from controller.orders.actions import PING, SHUTDOWN, Action
from controller.orders.order import Verdict, failed, ok, unknown
from controller.orders.ping import PingUnavailable
from controller.orders.reading import NotRead
from controller.orders.run import Run
from controller.orders.site import NOBODY_TELLS, Site
from exporter.actions import DEFAULT_TIMEOUT
from rack.inventory import Rasp
from rack.layout import Slot

_SILENT_TWICE = 2  # a ping may be lost
_SSH_SECONDS = 10.0  # beside the action's own time: connection, log-in and the way back
_LONGEST_OUTPUT = 4096


async def run(
    site: Site, run: Run, action: Action, alias: str | None, slots: Sequence[Slot]
) -> None:
    """Do an action on the rasps in these slots, side by side."""
    rasps = site.rasps()

    async def one(slot: Slot) -> None:
        rasp = rasps.get((slot.stack, slot.number))
        if rasp is None:
            run.end(slot, failed("not installed: no Pi is known in this slot"))
        elif run.is_cancelled:
            run.end(slot, failed("cancelled before it began"))
        elif action.command is not None:
            await _order(site, run, action, slot, rasp)
        elif action.name == PING:
            await _ping(site, run, slot, rasp)
        else:
            await _read(site, run, slot, rasp, alias or "")

    await asyncio.gather(*map(one, slots))


async def shut_down(site: Site, run: Run, slot: Slot, rasp: Rasp) -> Verdict:
    """Shut a rasp down before its stack's power is cut, see it gone, and tell whether it was."""
    rules = site.rack.orders
    loop = asyncio.get_running_loop()
    deadline = loop.time() + rules.shutdown_seconds
    run.stage(slot, "shutting down")
    if await site.does_answer(rasp) is False:
        return unknown("did not answer before")
    trouble = ""
    try:
        ran = await site.ssh.run(rasp.address, SHUTDOWN, timeout=rules.shutdown_seconds)
        if ran.exit_status != 0:
            trouble = f"did not take the order to shut down ({_why(ran.exit_status, ran.output)})"
    except Lost:
        trouble = ""  # as is usual for who shuts down
    except SshError as error:
        trouble = f"could not be told to shut down ({error})"
    # Also where it could not be told: it may go by itself, or somebody may cancel meanwhile.
    is_gone = await _wait_gone(site, run, rasp, deadline)
    if is_gone:
        return ok("was shut down")
    if is_gone is None and not trouble:
        return unknown(f"nobody saw whether it was gone: {NOBODY_TELLS}")
    return failed(trouble or f"did not shut down in {rules.shutdown_seconds:g} s")


async def wait_up(site: Site, rasp: Rasp, deadline: float) -> bool | None:
    """Wait until a rasp answers.

    Args:
        site: where it is.
        rasp: it.
        deadline: until when at the longest, of the loop's clock.

    Returns:
        Whether it answered; None where nobody could tell.
    """
    loop = asyncio.get_running_loop()
    while not (answers := await site.does_answer(rasp)) and loop.time() < deadline:
        await asyncio.sleep(site.poll_seconds)
    return answers


async def _ping(site: Site, run: Run, slot: Slot, rasp: Rasp) -> None:
    try:
        answers = await site.in_thread(site.pings.does_answer, rasp.address)
    except PingUnavailable as error:
        run.end(slot, unknown(str(error)))
        return
    if answers:
        run.end(slot, ok("answers"))
    else:
        run.end(slot, failed("no answer"))


async def _read(site: Site, run: Run, slot: Slot, rasp: Rasp, alias: str) -> None:
    try:
        readings = await site.in_thread(site.exporters.read, rasp.address, alias)
    except NotRead as error:
        run.end(slot, failed(str(error)))
        return
    run.end(slot, ok(), readings=readings)


async def _order(site: Site, run: Run, action: Action, slot: Slot, rasp: Rasp) -> None:
    """Run an action by SSH; where it takes the rasp down, see it go, and come back if it shall."""
    run.stage(slot, "asking")
    booted = None
    if action.comes_back:
        booted = await site.in_thread(site.exporters.boot_time, rasp.address)
    own = action.command.timeout if action.command else None
    output = ""
    try:
        ran = await site.ssh.run(
            rasp.address, action.name, timeout=(own or DEFAULT_TIMEOUT) + _SSH_SECONDS
        )
    except Lost as error:
        if not action.takes_down:
            run.end(slot, unknown(str(error)))
            return
    except SshError as error:
        run.end(slot, failed(str(error)))
        return
    else:
        output = ran.output[:_LONGEST_OUTPUT]
        if ran.exit_status != 0:
            run.end(slot, failed(_why(ran.exit_status, output)), output=output)
            return
    if not action.takes_down:
        run.end(slot, ok(), output=output)
    elif action.comes_back:
        await _see_back(site, run, slot, rasp, booted)
    else:
        await _see_gone(site, run, slot, rasp)


async def _see_gone(site: Site, run: Run, slot: Slot, rasp: Rasp) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    seconds = site.rack.orders.shutdown_seconds
    run.stage(slot, "shutting down")
    is_gone = await _wait_gone(site, run, rasp, began + seconds)
    if is_gone:
        run.end(slot, ok(f"gone after {loop.time() - began:.0f} s"))
    elif is_gone is None:
        run.end(slot, unknown(f"nobody saw whether it was gone: {NOBODY_TELLS}"))
    else:
        run.end(slot, failed(f"it still answers after {seconds:g} s"))


async def _see_back(site: Site, run: Run, slot: Slot, rasp: Rasp, booted: float | None) -> None:
    """See a rasp go and come back; `booted` is when it was booted before, if anybody knows."""
    loop = asyncio.get_running_loop()
    rules = site.rack.orders
    began = loop.time()
    run.stage(slot, "going down")
    is_gone = await _wait_gone(site, run, rasp, began + rules.shutdown_seconds, booted)
    if not is_gone:
        told = f"nobody saw whether it went down: {NOBODY_TELLS}"
        if is_gone is False:
            told = f"it did not go down in {rules.shutdown_seconds:g} s"
        run.end(slot, unknown(told) if is_gone is None else failed(told))
        return
    run.stage(slot, "coming up")
    answers = await wait_up(site, rasp, loop.time() + rules.boot_seconds)
    if answers:
        run.end(slot, ok(f"back after {loop.time() - began:.0f} s"))
    elif answers is None:
        run.end(slot, unknown(f"nobody saw whether it came back: {NOBODY_TELLS}"))
    else:
        run.end(slot, failed(f"no answer {rules.boot_seconds:g} s after it went down"))


async def _wait_gone(
    site: Site, run: Run, rasp: Rasp, deadline: float, booted: float | None = None
) -> bool | None:
    """Wait until a rasp is gone, or has been: by `booted` a quick boot between two looks shows.

    Returns:
        Whether it is gone; None where nobody could tell.
    """
    loop = asyncio.get_running_loop()
    silent = 0
    answers: bool | None = None
    while True:
        answers = await site.does_answer(rasp)
        silent = silent + 1 if answers is False else 0
        if silent == _SILENT_TWICE:
            return True
        if answers and booted is not None:
            now = await site.in_thread(site.exporters.boot_time, rasp.address)
            if now is not None and now > booted + 1:
                return True
        if loop.time() >= deadline or (run.is_cancelled and answers):
            return None if answers is None else False
        await asyncio.sleep(site.poll_seconds)


def _why(status: int, output: str) -> str:
    lines = output.strip().splitlines()
    return f"exit status {status}{': ' + lines[-1][:200] if lines else ''}"
