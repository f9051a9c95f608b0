"""Run actions on rasps: ping, read, and actions over SSH."""

import asyncio

from controller.errors import ConnectionLostError, SshError
from controller.orders.actions import PING, SHUTDOWN
from controller.orders.blackbox_client import BlackboxUnavailableError
from controller.orders.boots import not_verified, wait_for_reboot, wait_until_unreachable
from controller.orders.context import OrderContext
from controller.orders.exporter_client import AliasReadError
from controller.orders.model import StepResult, failed, ok, unknown
from controller.orders.tracker import OrderTracker
from exporter.actions import DEFAULT_TIMEOUT
from rack.inventory import Rasp
from rack.layout import Slot

CANCELLED = failed("cancelled before it started")

_SSH_OVERHEAD_SECONDS = 10.0  # connection and login, in addition to the timeout of the action
_MAX_OUTPUT_CHARS = 4096
_MAX_SHOWN_CHARS = 200


async def run_on_rasps(context: OrderContext, tracker: OrderTracker) -> None:
    """Run the action of an order on its rasps concurrently."""
    action = tracker.plan.action
    rasps = context.rasps()

    async def run(slot: Slot) -> None:
        rasp = rasps.get((slot.stack, slot.number))
        if rasp is None:
            tracker.set_result(slot, failed("not installed: no rasp is known in this slot"))
        elif tracker.is_cancelled:
            tracker.set_result(slot, CANCELLED)
        elif action.command is not None:
            await _run_ssh_action(context, tracker, slot, rasp)
        elif action.name == PING:
            await _ping(context, tracker, slot, rasp)
        else:
            await _read_alias(context, tracker, slot, rasp)

    await asyncio.gather(*map(run, tracker.plan.slots))


async def shut_down(
    context: OrderContext, tracker: OrderTracker, slot: Slot, rasp: Rasp
) -> StepResult:
    """Shut a rasp down, and verify that it no longer replies."""
    settings = context.rack.orders
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.shutdown_seconds
    tracker.set_stage(slot, "shutting down")
    if await context.is_reachable(rasp) is False:
        return unknown("was not reachable before")
    error = ""
    try:
        result = await context.ssh.run(rasp.address, SHUTDOWN, timeout=settings.shutdown_seconds)
        if result.exit_status != 0:
            error = f"shutdown failed ({_describe_exit(result.exit_status, result.output)})"
    except ConnectionLostError:
        pass  # expected during a shutdown
    except SshError as ssh_error:
        error = f"shutdown was not started ({ssh_error})"
    # Wait after an error too: the rasp may still go down, or the order may be canceled.
    is_down = await wait_until_unreachable(context, tracker, rasp, deadline)
    if is_down:
        return ok("was shut down")
    if is_down is None and not error:
        return not_verified("shutdown", is_cancelled=tracker.is_cancelled)
    return failed(error or f"did not shut down within {settings.shutdown_seconds:g} s")


async def _ping(context: OrderContext, tracker: OrderTracker, slot: Slot, rasp: Rasp) -> None:
    try:
        is_reachable = await context.run_in_thread(context.blackbox.probe, rasp.address)
    except BlackboxUnavailableError as error:
        tracker.set_result(slot, unknown(str(error)))
    else:
        tracker.set_result(slot, ok("reachable") if is_reachable else failed("no reply"))


async def _read_alias(context: OrderContext, tracker: OrderTracker, slot: Slot, rasp: Rasp) -> None:
    alias = tracker.plan.request.alias or ""
    try:
        readings = await context.run_in_thread(context.exporter_client.read, rasp.address, alias)
    except AliasReadError as error:
        tracker.set_result(slot, failed(str(error)))
    else:
        tracker.set_result(slot, ok(), readings=readings)


async def _run_ssh_action(
    context: OrderContext, tracker: OrderTracker, slot: Slot, rasp: Rasp
) -> None:
    """Run an action over SSH. After a disruptive action, wait for shutdown or reboot."""
    action = tracker.plan.action
    tracker.set_stage(slot, "running")
    started = asyncio.get_running_loop().time()
    timeout = (action.command and action.command.timeout) or DEFAULT_TIMEOUT
    output = ""
    try:
        result = await context.ssh.run(
            rasp.address, action.name, timeout=timeout + _SSH_OVERHEAD_SECONDS
        )
    except ConnectionLostError as error:
        if not action.is_disruptive:
            tracker.set_result(slot, unknown(str(error)))
            return
    except SshError as error:
        tracker.set_result(slot, failed(str(error)))
        return
    else:
        output = result.output[:_MAX_OUTPUT_CHARS]
        if result.exit_status != 0:
            reason = _describe_exit(result.exit_status, output)
            tracker.set_result(slot, failed(reason), output=output)
            return
    if not action.is_disruptive:
        tracker.set_result(slot, ok(), output=output)
    elif action.restarts:
        tracker.set_result(slot, await wait_for_reboot(context, tracker, slot, rasp, started))
    else:
        tracker.set_result(slot, await _wait_for_shutdown(context, tracker, slot, rasp))


async def _wait_for_shutdown(
    context: OrderContext, tracker: OrderTracker, slot: Slot, rasp: Rasp
) -> StepResult:
    loop = asyncio.get_running_loop()
    started = loop.time()
    seconds = context.rack.orders.shutdown_seconds
    tracker.set_stage(slot, "shutting down")
    is_down = await wait_until_unreachable(context, tracker, rasp, started + seconds)
    if is_down is None:
        return not_verified("shutdown", is_cancelled=tracker.is_cancelled)
    if is_down:
        return ok(f"shut down after {loop.time() - started:.0f} s")
    return failed(f"still replies after {seconds:g} s")


def _describe_exit(status: int, output: str) -> str:
    lines = output.strip().splitlines()
    return f"exit status {status}{': ' + lines[-1][:_MAX_SHOWN_CHARS] if lines else ''}"
