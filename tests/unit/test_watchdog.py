"""A request that takes too long is ended, and no other one."""

from threading import Event

from syncd.adapters.elasticsearch.watchdog import Watchdog


def test_what_lasts_too_long_is_bitten_and_what_was_over_in_time_is_not() -> None:
    dog, bitten, spared = Watchdog(), Event(), Event()
    with dog.after(60, spared.set):
        with dog.after(0.05, spared.set):
            pass
        with dog.after(0.1, bitten.set):  # due before what was there first
            assert bitten.wait(10)
    assert not spared.is_set()


def test_one_thread_serves_any_number_again_and_again() -> None:
    dog = Watchdog()
    for _ in range(3):
        bites = [Event() for _ in range(20)]
        for bite in bites:
            with dog.after(0.02, bite.set):
                assert bite.wait(10)
