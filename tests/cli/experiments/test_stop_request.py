"""Signals that request a stop."""

import signal

import pytest

from cli.experiments.stop_request import StopRequest


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
