"""What is done for each stack of an order on power: on, off and cycle, without harm."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from controller.orders.actions import POWER_CYCLE, POWER_ON, Action
from controller.orders.order import Result, Verdict, failed, ok, unknown
from controller.orders.rasps import shut_down, wait_up
from controller.orders.run import Run
from controller.orders.site import NOBODY_TELLS, Site
from rack.errors import RackError
from rack.inventory import Rasp
from rack.layout import Slot, Stack

_SEEN_DARK_SECONDS = 6.0  # who still answers this long after a cut has power

_NOBODY_THERE = "no rasp is known in it that could show it"

_Installed = Sequence[tuple[Slot, Rasp]]
_Verdicts = Mapping[Slot | Stack, Verdict]


@dataclass(frozen=True, slots=True)
class _Dark:
    """What came of taking a stack's power: whether it was cut, and the verdicts on all there."""

    is_cut: bool
    verdicts: _Verdicts = field(default_factory=dict)


async def run(
    site: Site, run: Run, action: Action, stacks: Sequence[Stack], *, force: bool
) -> None:
    """Give these stacks power, take it away, or both, side by side as far as boots allow."""

    async def one(stack: Stack) -> None:
        try:
            verdicts = await _switch(site, run, action, stack, force=force)
        except RackError as error:
            verdicts = dict.fromkeys(_places(stack, site.installed(stack)), failed(str(error)))
        for place, verdict in verdicts.items():
            run.end(place, verdict)

    await asyncio.gather(*map(one, stacks))


async def _switch(site: Site, run: Run, action: Action, stack: Stack, *, force: bool) -> _Verdicts:
    if action.name == POWER_ON:
        return await _on(site, run, stack)
    dark = await _off(site, run, stack, force=force)
    if action.name != POWER_CYCLE or not dark.is_cut:
        return dark.verdicts
    run.stage(stack, "off")
    await asyncio.sleep(site.rack.orders.off_seconds)
    light = await _on(site, run, stack, is_begun=True)
    return {place: dark.verdicts[place].then(verdict) for place, verdict in light.items()}


async def _on(site: Site, run: Run, stack: Stack, *, is_begun: bool = False) -> _Verdicts:
    """Give a stack power when so many rasps more may boot; see them come up.

    A cycle that has begun is not left in the dark: cancelling does not stop it here.
    """
    installed = site.installed(stack)
    if site.relays.is_on(stack.number):
        await site.in_thread(site.relays.on, stack.number)
        return await _see(site, run, stack, installed, "though its stack had power before")
    count = len(installed) or len(stack.slots)
    run.stage(stack, "waiting until others have booted")
    await site.booting.begin(count)
    if run.is_cancelled and not is_begun:
        await site.booting.end(count)
        return dict.fromkeys(_places(stack, installed), failed("cancelled before it began"))
    try:
        await site.in_thread(site.relays.on, stack.number)
    except RackError:
        await site.booting.end(count)
        raise
    if installed:
        return await _see_boot(site, run, stack, installed)
    run.stage(stack, "booting")
    await asyncio.sleep(site.rack.orders.boot_seconds)
    await site.booting.end(count)
    return {stack: unknown(_NOBODY_THERE)}


async def _see_boot(site: Site, run: Run, stack: Stack, installed: _Installed) -> _Verdicts:
    loop = asyncio.get_running_loop()
    began = loop.time()
    seconds = site.rack.orders.boot_seconds
    run.stage(stack, "booting")

    async def one(slot: Slot, rasp: Rasp) -> Verdict:
        run.stage(slot, "booting")
        try:
            answers = await wait_up(site, rasp, began + seconds)
        finally:
            await site.booting.end()
        if answers:
            return ok(f"answers after {loop.time() - began:.0f} s")
        run.stage(slot, "silent")
        return _silent(answers, f"{seconds:g} s after power")

    return _lit(stack, installed, await asyncio.gather(*(one(*each) for each in installed)))


async def _see(site: Site, run: Run, stack: Stack, installed: _Installed, when: str) -> _Verdicts:
    run.stage(stack, "looking")
    seen = await asyncio.gather(*(site.does_answer(rasp) for _, rasp in installed))
    return _lit(stack, installed, [ok("answers") if each else _silent(each, when) for each in seen])


def _silent(answers: bool | None, when: str) -> Verdict:
    return unknown(NOBODY_TELLS) if answers is None else failed(f"no answer {when}")


def _lit(stack: Stack, installed: _Installed, verdicts: Sequence[Verdict]) -> _Verdicts:
    """Return the verdicts on a stack that was given power, by those on its rasps."""
    kinds = {verdict.result for verdict in verdicts}
    if not verdicts:
        of_stack = unknown(_NOBODY_THERE)
    elif Result.OK in kinds:
        of_stack = ok("has power")
    elif Result.UNKNOWN in kinds:
        of_stack = unknown(NOBODY_TELLS)
    else:
        of_stack = failed("none of its rasps answers: see its relay, supply and switch")
    lit: dict[Slot | Stack, Verdict] = {stack: of_stack}
    lit.update((slot, verdict) for (slot, _), verdict in zip(installed, verdicts, strict=True))
    return lit


async def _off(site: Site, run: Run, stack: Stack, *, force: bool) -> _Dark:
    """Shut a stack's rasps down, see them gone, wait for the disks, and cut."""
    installed = site.installed(stack)
    verdicts = {slot: ok("its power was cut") for slot, _ in installed}
    if not site.relays.is_on(stack.number):
        verdicts = {slot: ok("had no power before") for slot, _ in installed}
    elif not force:
        run.stage(stack, "shutting its rasps down")
        ends = await asyncio.gather(*(shut_down(site, run, *each) for each in installed))
        verdicts = {slot: end for (slot, _), end in zip(installed, ends, strict=True)}
        if not run.is_cancelled:
            run.stage(stack, "waiting for the disks")
            await asyncio.sleep(site.rack.orders.settle_seconds)
    if run.is_cancelled:
        return _Dark(is_cut=False, verdicts=_kept(stack, verdicts))
    run.stage(stack, "cutting")
    await site.in_thread(site.relays.off, stack.number)
    return _Dark(is_cut=True, verdicts=await _see_dark(site, run, stack, installed, verdicts))


def _kept(stack: Stack, verdicts: Mapping[Slot, Verdict]) -> _Verdicts:
    """Return the verdicts on a stack that keeps its power, for the order was cancelled."""
    halted = ok("it stays shut down until its stack's power is cycled")
    kept: dict[Slot | Stack, Verdict] = {stack: failed("cancelled: it keeps its power")}
    for slot, verdict in verdicts.items():
        kept[slot] = verdict.then(halted if verdict.result is Result.OK else failed("cancelled"))
    return kept


async def _see_dark(
    site: Site, run: Run, stack: Stack, installed: _Installed, before: Mapping[Slot, Verdict]
) -> _Verdicts:
    """See that nobody in a stack answers after the cut."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _SEEN_DARK_SECONDS
    run.stage(stack, "seeing that it is dark")

    async def answers(rasp: Rasp) -> bool | None:
        while (now := await site.does_answer(rasp)) and loop.time() < deadline:
            await asyncio.sleep(site.poll_seconds)
        return now

    seen = await asyncio.gather(*(answers(rasp) for _, rasp in installed))
    verdicts: dict[Slot | Stack, Verdict] = {stack: ok("is off")}
    if None in seen or not seen:
        verdicts[stack] = unknown(NOBODY_TELLS if seen else _NOBODY_THERE)
    if any(seen):
        verdicts[stack] = failed(
            "rasps still answer after the cut: its relay is stuck, or there is another supply"
        )
    for (slot, _), is_there in zip(installed, seen, strict=True):
        if is_there:
            verdicts[slot] = failed("still answers after the cut")
        elif is_there is None:
            verdicts[slot] = before[slot].then(unknown(NOBODY_TELLS))
        elif before[slot].result is Result.OK:
            verdicts[slot] = before[slot]
        else:
            verdicts[slot] = before[slot].then(ok("its power was cut all the same"))
    return verdicts


def _places(stack: Stack, installed: _Installed) -> list[Slot | Stack]:
    return [stack, *(slot for slot, _ in installed)]
