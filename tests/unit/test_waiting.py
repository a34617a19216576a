"""What the tests wait with: a bound on time that a slow machine does not break, and slow code does."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.bed.waiting import ending_by


def test_what_ends_in_its_time_passes_and_takes_no_longer_than_it_needs() -> None:
    with ending_by(3600):
        pass


def test_what_goes_on_after_its_time_is_told() -> None:
    with pytest.raises(AssertionError, match=r"after the 0\.1 s"), ending_by(0.1):
        time.sleep(3)


def faulty() -> None:
    time.sleep(1)
    raise KeyError("the fault")


def test_a_fault_of_what_is_done_is_not_hidden_by_its_being_late() -> None:
    with pytest.raises(KeyError, match="the fault"), ending_by(0):
        faulty()


def test_a_machine_that_stands_still_counts_for_nothing() -> None:
    """The process is stopped for longer than is allowed for, in the middle of what would have ended in time."""
    code = (
        "import time\n"
        "from tests.bed.waiting import ending_by\n"
        "with ending_by(0.1):\n"
        "    print('within', flush=True)\n"
        "    time.sleep(0.2)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as late:
        assert late.stdout
        late.stdout.readline()
        os.kill(late.pid, signal.SIGSTOP)
        time.sleep(1.5)  # this is the time for which it stands still
        os.kill(late.pid, signal.SIGCONT)
        assert late.wait(20) == 0
