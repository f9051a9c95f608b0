"""What is done for each rasp of an order: ping, read, and actions by SSH."""

import asyncio
from collections.abc import Sequence

from controller.errors import ConnectionLostError, SshError
from controller.orders.actions import PING, SHUTDOWN, Action
from controller.orders.blackbox_client import BlackboxUnavailableError
from controller.orders.context import PROBE_UNAVAILABLE, OrderContext
from controller.orders.exporter_client import AliasReadError
from controller.orders.model import StepResult, failed, ok, unknown
from controller.orders.tracker import OrderTracker
from exporter.actions import DEFAULT_TIMEOUT
from rack.inventory import Rasp
from rack.layout import Slot

_MISSED_PINGS = 2  # a ping may be lost
_SSH_OVERHEAD_SECONDS = 10.0  # beside the action's own time: connection, log-in and the way back
_MAX_OUTPUT_CHARS = 4096


async def run_on_rasps(
    context: OrderContext,
    tracker: OrderTracker,
    action: Action,
    alias: str | None,
    slots: Sequence[Slot],
) -> None:
    """Do an action on the rasps in these slots, side by side."""
    rasps = context.rasps()

    async def one(slot: Slot) -> None:
        rasp = rasps.get((slot.stack, slot.number))
        if rasp is None:
            tracker.set_result(slot, failed("not installed: no Pi is known in this slot"))
        elif tracker.is_cancelled:
            tracker.set_result(slot, failed("cancelled before it began"))
        elif action.command is not None:
            await _run_ssh_action(context, tracker, action, slot, rasp)
        elif action.name == PING:
            await _ping(context, tracker, slot, rasp)
        else:
            await _read_alias(context, tracker, slot, rasp, alias or "")

    await asyncio.gather(*map(one, slots))


async def shut_down(
    context: OrderContext, tracker: OrderTracker, slot: Slot, rasp: Rasp
) -> StepResult:
    """Shut a rasp down before its stack's power is cut, see it gone, and tell whether it was."""
    rules = context.rack.orders
    loop = asyncio.get_running_loop()
    deadline = loop.time() + rules.shutdown_seconds
    tracker.set_stage(slot, "shutting down")
    if await context.is_reachable(rasp) is False:
        return unknown("did not answer before")
    trouble = ""
    try:
        ran = await context.ssh.run(rasp.address, SHUTDOWN, timeout=rules.shutdown_seconds)
        if ran.exit_status != 0:
            trouble = f"did not take the order to shut down ({_describe_exit(ran.exit_status, ran.output)})"
    except ConnectionLostError:
        trouble = ""  # as is usual for who shuts down
    except SshError as error:
        trouble = f"could not be told to shut down ({error})"
    # Also where it could not be told: it may go by itself, or somebody may cancel meanwhile.
    is_gone = await _wait_until_unreachable(context, tracker, rasp, deadline)
    if is_gone:
        return ok("was shut down")
    if is_gone is None and not trouble:
        return unknown(f"nobody saw whether it was gone: {PROBE_UNAVAILABLE}")
    return failed(trouble or f"did not shut down in {rules.shutdown_seconds:g} s")


async def wait_until_reachable(context: OrderContext, rasp: Rasp, deadline: float) -> bool | None:
    """Wait until a rasp answers.

    Args:
        context: where it is.
        rasp: it.
        deadline: until when at the longest, of the loop's clock.

    Returns:
        Whether it answered; None where nobody could tell.
    """
    loop = asyncio.get_running_loop()
    while not (answers := await context.is_reachable(rasp)) and loop.time() < deadline:
        await asyncio.sleep(context.poll_seconds)
    return answers


async def _ping(context: OrderContext, tracker: OrderTracker, slot: Slot, rasp: Rasp) -> None:
    try:
        answers = await context.run_in_thread(context.blackbox.probe, rasp.address)
    except BlackboxUnavailableError as error:
        tracker.set_result(slot, unknown(str(error)))
        return
    if answers:
        tracker.set_result(slot, ok("answers"))
    else:
        tracker.set_result(slot, failed("no answer"))


async def _read_alias(
    context: OrderContext, tracker: OrderTracker, slot: Slot, rasp: Rasp, alias: str
) -> None:
    try:
        readings = await context.run_in_thread(context.exporter_client.read, rasp.address, alias)
    except AliasReadError as error:
        tracker.set_result(slot, failed(str(error)))
        return
    tracker.set_result(slot, ok(), readings=readings)


async def _run_ssh_action(
    context: OrderContext, tracker: OrderTracker, action: Action, slot: Slot, rasp: Rasp
) -> None:
    """Run an action by SSH; where it takes the rasp down, see it go, and come back if it shall."""
    tracker.set_stage(slot, "asking")
    booted = None
    if action.restarts:
        booted = await context.run_in_thread(context.exporter_client.boot_time, rasp.address)
    own = action.command.timeout if action.command else None
    output = ""
    try:
        ran = await context.ssh.run(
            rasp.address, action.name, timeout=(own or DEFAULT_TIMEOUT) + _SSH_OVERHEAD_SECONDS
        )
    except ConnectionLostError as error:
        if not action.is_disruptive:
            tracker.set_result(slot, unknown(str(error)))
            return
    except SshError as error:
        tracker.set_result(slot, failed(str(error)))
        return
    else:
        output = ran.output[:_MAX_OUTPUT_CHARS]
        if ran.exit_status != 0:
            tracker.set_result(slot, failed(_describe_exit(ran.exit_status, output)), output=output)
            return
    if not action.is_disruptive:
        tracker.set_result(slot, ok(), output=output)
    elif action.restarts:
        await _wait_for_reboot(context, tracker, slot, rasp, booted)
    else:
        await _wait_for_shutdown(context, tracker, slot, rasp)


async def _wait_for_shutdown(
    context: OrderContext, tracker: OrderTracker, slot: Slot, rasp: Rasp
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    seconds = context.rack.orders.shutdown_seconds
    tracker.set_stage(slot, "shutting down")
    is_gone = await _wait_until_unreachable(context, tracker, rasp, began + seconds)
    if is_gone:
        tracker.set_result(slot, ok(f"gone after {loop.time() - began:.0f} s"))
    elif is_gone is None:
        tracker.set_result(slot, unknown(f"nobody saw whether it was gone: {PROBE_UNAVAILABLE}"))
    else:
        tracker.set_result(slot, failed(f"it still answers after {seconds:g} s"))


async def _wait_for_reboot(
    context: OrderContext,
    tracker: OrderTracker,
    slot: Slot,
    rasp: Rasp,
    previous_boot_time: float | None,
) -> None:
    """See a rasp go and come back; `previous_boot_time` is when it was booted before, if anybody knows."""
    loop = asyncio.get_running_loop()
    rules = context.rack.orders
    began = loop.time()
    tracker.set_stage(slot, "going down")
    is_gone = await _wait_until_unreachable(
        context, tracker, rasp, began + rules.shutdown_seconds, previous_boot_time
    )
    if not is_gone:
        told = f"nobody saw whether it went down: {PROBE_UNAVAILABLE}"
        if is_gone is False:
            told = f"it did not go down in {rules.shutdown_seconds:g} s"
        tracker.set_result(slot, unknown(told) if is_gone is None else failed(told))
        return
    tracker.set_stage(slot, "coming up")
    answers = await wait_until_reachable(context, rasp, loop.time() + rules.boot_seconds)
    if answers:
        tracker.set_result(slot, ok(f"back after {loop.time() - began:.0f} s"))
    elif answers is None:
        tracker.set_result(slot, unknown(f"nobody saw whether it came back: {PROBE_UNAVAILABLE}"))
    else:
        tracker.set_result(slot, failed(f"no answer {rules.boot_seconds:g} s after it went down"))


async def _wait_until_unreachable(
    context: OrderContext,
    tracker: OrderTracker,
    rasp: Rasp,
    deadline: float,
    previous_boot_time: float | None = None,
) -> bool | None:
    """Wait until a rasp is gone, or has been: by `previous_boot_time` a quick boot between two looks shows.

    Returns:
        Whether it is gone; None where nobody could tell.
    """
    loop = asyncio.get_running_loop()
    silent = 0
    answers: bool | None = None
    while True:
        answers = await context.is_reachable(rasp)
        silent = silent + 1 if answers is False else 0
        if silent == _MISSED_PINGS:
            return True
        if answers and previous_boot_time is not None:
            now = await context.run_in_thread(context.exporter_client.boot_time, rasp.address)
            if now is not None and now > previous_boot_time + 1:
                return True
        if loop.time() >= deadline or (tracker.is_cancelled and answers):
            return None if answers is None else False
        await asyncio.sleep(context.poll_seconds)


def _describe_exit(status: int, output: str) -> str:
    lines = output.strip().splitlines()
    return f"exit status {status}{': ' + lines[-1][:200] if lines else ''}"
