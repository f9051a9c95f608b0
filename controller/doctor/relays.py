"""Check the process that holds the relay pins, and the users of these pins."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from controller.doctor.finding import Finding, FindingSeverity, NotCheckedError
from rack.gpio.errors import GpioError
from rack.gpio.holder import CONSUMER
from rack.layout import Outlet

HOLDER, PINS = "relay_holder", "gpio_pins"

Request = Callable[..., Mapping[str, Any]]
"""`rack.gpio.client.HolderClient.request`."""

_RESTART = "`sudo systemctl restart pirack-relays`, which moves no relay"


def check_holder(request: Request, program: str, relay_error: str = "") -> list[Finding]:
    """Return what is wrong with the holder of the pins.

    Args:
        request: Sends a request to the holder.
        program: Digest of the installed holder.
        relay_error: Why the running controller cannot use the relays, or an empty string.
    """
    try:
        running = request("status").get("program")
    except GpioError as error:
        return [
            Finding(
                HOLDER,
                FindingSeverity.ERROR,
                problem=str(error),
                reason="no relay can be switched, and the power of the stacks is unknown",
                fix="`sudo systemctl restart pirack-relays pirack-controller`. If it fails,"
                " `journalctl -u pirack-relays` names the reason",
            )
        ]
    findings = []
    if relay_error:
        findings.append(
            Finding(
                HOLDER,
                FindingSeverity.ERROR,
                problem=relay_error,
                reason="the controller claims the pins when it starts. Until then, the power of the"
                " stacks is unknown",
                fix="fix the findings about GPIO, then `sudo systemctl restart pirack-controller`",
            )
        )
    if running != program:
        findings.append(
            Finding(
                HOLDER,
                FindingSeverity.WARNING,
                problem="the service pirack-relays runs another version than the installed one",
                reason="an upgrade does not restart it. Corrections of the new version have no"
                " effect yet",
                fix=_RESTART,
            )
        )
    return findings


def check_pins(request: Request, relays: Iterable[Outlet]) -> list[Finding]:
    """Return the pins of relays that another program or driver uses.

    Raises:
        NotCheckedError: If the holder does not respond.
    """
    try:
        users = {
            relay: request("consumer", line=int(relay.address))["consumer"] for relay in relays
        }
    except GpioError as error:
        fix = f"fix the findings of {HOLDER} and gpio_permissions. If there are none, {_RESTART}"
        raise NotCheckedError(str(error), fix) from error
    return [
        Finding(
            PINS,
            FindingSeverity.ERROR,
            problem=f"{relay.label} of {relay.target} is used by `{user}`",
            reason="the kernel gives a pin to one user only, so no relay can be switched",
            fix=f"end `{user}`, or remove its overlay from /boot/firmware/config.txt and reboot"
            " the master. Then `sudo systemctl restart pirack-controller`",
        )
        for relay, user in users.items()
        if user not in {"", CONSUMER}
    ]
