"""Signals that request a stop."""

import signal

import pytest

from cli.stop_request import StopRequest

pytestmark = pytest.mark.usefixtures("default_sighup")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_first_signal_is_a_wish_and_second_signal_interrupts(number: signal.Signals) -> None:
    previous = signal.getsignal(number)
    with StopRequest() as stop:
        wishes = [stop.is_wanted]
        signal.raise_signal(number)
        wishes.append(stop.is_wanted)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is previous
    assert wishes == [False, True]


def test_end_of_the_terminal_is_ignored_with_nohup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert not stop.is_wanted
