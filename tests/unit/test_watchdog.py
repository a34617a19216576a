"""A request that takes too long is ended, and no other one."""

from threading import Event
from time import monotonic

from syncd.adapters.elasticsearch.watchdog import Watchdog


def test_what_lasts_too_long_is_bitten_and_what_was_over_in_time_is_not() -> None:
    dog, bitten, spared, short = Watchdog(), Event(), Event(), Event()
    with dog.after(600, spared.set):
        began = monotonic()
        with dog.after(0.5, short.set):
            pass
        lasted = monotonic() - began
        with dog.after(0.6, bitten.set):  # due before what was there first, and after what was over
            assert bitten.wait(60)
    assert not spared.is_set()
    assert not short.is_set() or lasted >= 0.5, "the machine may have stood still in between"


def test_one_thread_serves_any_number_again_and_again() -> None:
    dog = Watchdog()
    for _ in range(3):
        bites = [Event() for _ in range(20)]
        for bite in bites:
            with dog.after(0.02, bite.set):
                assert bite.wait(60)
