"""A signal is a request; a second one is an order."""

import signal

import pytest

from kuzushiji.engine.signals import Stopped, StopRequest


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def signum(request):
    return request.param


def test_waits_for_a_safe_place(signum):
    with StopRequest() as stop:
        stop.check()
        signal.raise_signal(signum)
        with pytest.raises(Stopped) as stopped:
            stop.check()
    assert stopped.value.signum == signum
    assert str(stopped.value) == f"stopped by {signum.name}"


def test_at_once(signum):
    with StopRequest() as stop, pytest.raises(Stopped), stop.at_once():
        signal.raise_signal(signum)
        raise AssertionError("not reached")


def test_at_once_when_it_came_before(signum):
    with StopRequest() as stop:
        signal.raise_signal(signum)
        with pytest.raises(Stopped), stop.at_once():
            raise AssertionError("not reached")


def test_the_second_one_is_an_order():
    with StopRequest():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_handlers_are_given_back(signum):
    before = signal.getsignal(signum)
    with StopRequest():
        assert signal.getsignal(signum) != before
    assert signal.getsignal(signum) == before


def test_advice_is_part_of_the_message():
    assert str(Stopped(signal.SIGTERM, "type it again")) == "stopped by SIGTERM: type it again"
