"""What is done for each stack of an order on power: on, off and cycle, without harm."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from controller.orders.actions import POWER_CYCLE, POWER_ON, Action
from controller.orders.context import PROBE_UNAVAILABLE, OrderContext
from controller.orders.model import Result, StepResult, failed, ok, unknown
from controller.orders.rasp_actions import shut_down, wait_until_reachable
from controller.orders.tracker import OrderTracker
from rack.errors import RackError
from rack.inventory import Rasp
from rack.layout import Slot, Stack

_VERIFY_OFF_SECONDS = 6.0  # who still answers this long after a cut has power

_NO_INSTALLED_RASP = "no rasp is known in it that could show it"

_InstalledRasps = Sequence[tuple[Slot, Rasp]]
_StepResults = Mapping[Slot | Stack, StepResult]


@dataclass(frozen=True, slots=True)
class _PowerOffResult:
    """What came of taking a stack's power: whether it was cut, and the verdicts on all there."""

    is_switched_off: bool
    results: _StepResults = field(default_factory=dict)


async def switch_stacks(
    context: OrderContext,
    tracker: OrderTracker,
    action: Action,
    stacks: Sequence[Stack],
    *,
    force: bool,
) -> None:
    """Give these stacks power, take it away, or both, side by side as far as boots allow."""

    async def one(stack: Stack) -> None:
        try:
            verdicts = await _switch_stack(context, tracker, action, stack, force=force)
        except RackError as error:
            verdicts = dict.fromkeys(
                _targets(stack, context.installed_rasps(stack)), failed(str(error))
            )
        for place, verdict in verdicts.items():
            tracker.set_result(place, verdict)

    await asyncio.gather(*map(one, stacks))


async def _switch_stack(
    context: OrderContext, tracker: OrderTracker, action: Action, stack: Stack, *, force: bool
) -> _StepResults:
    if action.name == POWER_ON:
        return await _power_on(context, tracker, stack)
    dark = await _power_off(context, tracker, stack, force=force)
    if action.name != POWER_CYCLE or not dark.is_switched_off:
        return dark.results
    tracker.set_stage(stack, "off")
    await asyncio.sleep(context.rack.orders.off_seconds)
    light = await _power_on(context, tracker, stack, is_power_cycle=True)
    return {place: dark.results[place].combined_with(verdict) for place, verdict in light.items()}


async def _power_on(
    context: OrderContext, tracker: OrderTracker, stack: Stack, *, is_power_cycle: bool = False
) -> _StepResults:
    """Give a stack power when so many rasps more may boot; see them come up.

    A cycle that has begun is not left in the dark: cancelling does not stop it here.
    """
    installed = context.installed_rasps(stack)
    if context.relays.is_on(stack.number):
        await context.run_in_thread(context.relays.on, stack.number)
        return await _check_running(
            context, tracker, stack, installed, "though its stack had power before"
        )
    count = len(installed) or len(stack.slots)
    tracker.set_stage(stack, "waiting until others have booted")
    await context.boot_limiter.acquire(count)
    if tracker.is_cancelled and not is_power_cycle:
        await context.boot_limiter.release(count)
        return dict.fromkeys(_targets(stack, installed), failed("cancelled before it began"))
    try:
        await context.run_in_thread(context.relays.on, stack.number)
    except RackError:
        await context.boot_limiter.release(count)
        raise
    if installed:
        return await _wait_for_boot(context, tracker, stack, installed)
    tracker.set_stage(stack, "booting")
    await asyncio.sleep(context.rack.orders.boot_seconds)
    await context.boot_limiter.release(count)
    return {stack: unknown(_NO_INSTALLED_RASP)}


async def _wait_for_boot(
    context: OrderContext, tracker: OrderTracker, stack: Stack, installed: _InstalledRasps
) -> _StepResults:
    loop = asyncio.get_running_loop()
    began = loop.time()
    seconds = context.rack.orders.boot_seconds
    tracker.set_stage(stack, "booting")

    async def one(slot: Slot, rasp: Rasp) -> StepResult:
        tracker.set_stage(slot, "booting")
        try:
            answers = await wait_until_reachable(context, rasp, began + seconds)
        finally:
            await context.boot_limiter.release()
        if answers:
            return ok(f"answers after {loop.time() - began:.0f} s")
        tracker.set_stage(slot, "silent")
        return _no_reply(answers, f"{seconds:g} s after power")

    return _power_on_results(
        stack, installed, await asyncio.gather(*(one(*each) for each in installed))
    )


async def _check_running(
    context: OrderContext,
    tracker: OrderTracker,
    stack: Stack,
    installed: _InstalledRasps,
    detail: str,
) -> _StepResults:
    tracker.set_stage(stack, "looking")
    seen = await asyncio.gather(*(context.is_reachable(rasp) for _, rasp in installed))
    return _power_on_results(
        stack, installed, [ok("answers") if each else _no_reply(each, detail) for each in seen]
    )


def _no_reply(is_reachable: bool | None, detail: str) -> StepResult:
    return unknown(PROBE_UNAVAILABLE) if is_reachable is None else failed(f"no answer {detail}")


def _power_on_results(
    stack: Stack, installed: _InstalledRasps, results: Sequence[StepResult]
) -> _StepResults:
    """Return the verdicts on a stack that was given power, by those on its rasps."""
    kinds = {verdict.result for verdict in results}
    if not results:
        of_stack = unknown(_NO_INSTALLED_RASP)
    elif Result.OK in kinds:
        of_stack = ok("has power")
    elif Result.UNKNOWN in kinds:
        of_stack = unknown(PROBE_UNAVAILABLE)
    else:
        of_stack = failed("none of its rasps answers: see its relay, supply and switch")
    lit: dict[Slot | Stack, StepResult] = {stack: of_stack}
    lit.update((slot, verdict) for (slot, _), verdict in zip(installed, results, strict=True))
    return lit


async def _power_off(
    context: OrderContext, tracker: OrderTracker, stack: Stack, *, force: bool
) -> _PowerOffResult:
    """Shut a stack's rasps down, see them gone, wait for the disks, and cut."""
    installed = context.installed_rasps(stack)
    verdicts = {slot: ok("its power was cut") for slot, _ in installed}
    if not context.relays.is_on(stack.number):
        verdicts = {slot: ok("had no power before") for slot, _ in installed}
    elif not force:
        tracker.set_stage(stack, "shutting its rasps down")
        ends = await asyncio.gather(*(shut_down(context, tracker, *each) for each in installed))
        verdicts = {slot: end for (slot, _), end in zip(installed, ends, strict=True)}
        if not tracker.is_cancelled:
            tracker.set_stage(stack, "waiting for the disks")
            await asyncio.sleep(context.rack.orders.disk_settle_seconds)
    if tracker.is_cancelled:
        return _PowerOffResult(is_switched_off=False, results=_cancelled_results(stack, verdicts))
    tracker.set_stage(stack, "cutting")
    await context.run_in_thread(context.relays.off, stack.number)
    return _PowerOffResult(
        is_switched_off=True,
        results=await _verify_off(context, tracker, stack, installed, verdicts),
    )


def _cancelled_results(stack: Stack, results: Mapping[Slot, StepResult]) -> _StepResults:
    """Return the verdicts on a stack that keeps its power, for the order was cancelled."""
    halted = ok("it stays shut down until its stack's power is cycled")
    kept: dict[Slot | Stack, StepResult] = {stack: failed("cancelled: it keeps its power")}
    for slot, verdict in results.items():
        kept[slot] = verdict.combined_with(
            halted if verdict.result is Result.OK else failed("cancelled")
        )
    return kept


async def _verify_off(
    context: OrderContext,
    tracker: OrderTracker,
    stack: Stack,
    installed: _InstalledRasps,
    previous: Mapping[Slot, StepResult],
) -> _StepResults:
    """See that nobody in a stack answers after the cut."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _VERIFY_OFF_SECONDS
    tracker.set_stage(stack, "seeing that it is dark")

    async def answers(rasp: Rasp) -> bool | None:
        while (now := await context.is_reachable(rasp)) and loop.time() < deadline:
            await asyncio.sleep(context.poll_seconds)
        return now

    seen = await asyncio.gather(*(answers(rasp) for _, rasp in installed))
    verdicts: dict[Slot | Stack, StepResult] = {stack: ok("is off")}
    if None in seen or not seen:
        verdicts[stack] = unknown(PROBE_UNAVAILABLE if seen else _NO_INSTALLED_RASP)
    if any(seen):
        verdicts[stack] = failed(
            "rasps still answer after the cut: its relay is stuck, or there is another supply"
        )
    for (slot, _), is_there in zip(installed, seen, strict=True):
        if is_there:
            verdicts[slot] = failed("still answers after the cut")
        elif is_there is None:
            verdicts[slot] = previous[slot].combined_with(unknown(PROBE_UNAVAILABLE))
        elif previous[slot].result is Result.OK:
            verdicts[slot] = previous[slot]
        else:
            verdicts[slot] = previous[slot].combined_with(ok("its power was cut all the same"))
    return verdicts


def _targets(stack: Stack, installed: _InstalledRasps) -> list[Slot | Stack]:
    return [stack, *(slot for slot, _ in installed)]
