"""Ctrl-C waits, once."""

from __future__ import annotations

import signal
import threading

import pytest

from posecli.training.interrupt import held_back_interrupts


def test_the_first_is_noted_and_the_second_raised() -> None:
    with held_back_interrupts() as request:
        assert not request.asked
        signal.raise_signal(signal.SIGINT)
        assert request.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_handler_comes_back_after_an_error() -> None:
    with pytest.raises(ValueError, match="x"), held_back_interrupts():
        raise ValueError("x")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_the_signal_is_ignored_it_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with held_back_interrupts() as request:
            signal.raise_signal(signal.SIGINT)
        assert not request.asked
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_change_no_handler() -> None:
    seen = []

    def work() -> None:
        with held_back_interrupts() as request:
            seen.append((request.asked, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, signal.default_int_handler)]
