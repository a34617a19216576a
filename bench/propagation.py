"""From a changed Secret to the file on 50 real sshd hosts, written, fsynced and read back, and the floor under it.

Times are from the moment before the Secret is written until the new CA is seen in all files, by polling them.
"""

import time
from functools import partial
from statistics import median

from bench import ways
from bench.bare import Bare
from bench.budgets import budget
from bench.field import Field, field_of
from bench.hosts import Hosts
from bench.measured import Measured
from bench.percentile import percentile
from bench.ways import timed

HOSTS = 50
ROUNDS = 20


def measure(hosts: int = HOSTS, rounds: int = ROUNDS) -> Measured:
    """Measure the daemon on so many hosts, then the floor and ansible on the same ones."""
    with field_of(hosts) as field:
        began = time.monotonic()
        field.daemon.start()
        cold = field.until_everywhere(began)
        field.settle(120)
        times, written, settled = _rotations(field, rounds)
        field.daemon.stop()
        floor, floor_cpu = _floor(field.hosts, field.ca.pem, rounds)
        ansible = ways.ansible(field.hosts, field.ca.pem)["cold"]
    warm = median(times)
    why = (
        f"the same round trips by bare paramiko alone take {floor * 1000:.0f} ms on these cores, "
        f"which are shared with {hosts} sshd; a host costs the daemon {written * 1000:.1f} ms of CPU, "
        f"bare paramiko {floor_cpu * 1000:.1f} ms, and one process of Python uses one core"
    )
    many = f"{rounds} rotations"
    return Measured(
        rows=(
            budget("warm_p50").row(warm * 1000, many, why),
            budget("warm_p99").row(percentile(times, 99) * 1000, f"the slowest of {rounds}", why),
            budget("ansible").row(
                ansible / warm, f"{ansible:.1f} s, once", f"{why}; ansible takes {ansible:.1f} s here"
            ),
            budget("floor").row(warm / floor, "p50 to p50"),
            budget("floor_p50").row(floor * 1000, f"{rounds} rounds, 14 SFTP requests a host"),
            budget("floor_cpu").row(floor_cpu * 1000, f"{rounds} rounds"),
            budget("cpu_written").row(written * 1000, many),
            budget("cpu_settled").row(settled * 1000, f"{many}; proofs, handshakes, retirement of the old CA included"),
            budget("cold_start").row(cold, "once"),
        )
    )


def _rotations(field: Field, rounds: int) -> tuple[list[float], float, float]:
    """Seconds of each; CPU seconds of the daemon for each host until written, and until settled."""
    times, written, settled = [], 0.0, 0.0
    for _ in range(rounds):
        before = field.daemon.cpu()
        times.append(field.rotate())
        written += field.daemon.cpu() - before
        field.settle(120)
        settled += field.daemon.cpu() - before
    each = rounds * len(field.hosts.servers)
    return times, written / each, settled / each


def _floor(hosts: Hosts, content: bytes, rounds: int) -> tuple[float, float]:
    """Seconds of bare paramiko over warm sessions, the median; its CPU seconds for each host."""
    bare = Bare(hosts)
    try:
        bare.everywhere(content)
        contents = [content + b"#" * number + b"\n" for number in range(1, rounds + 1)]
        before = time.process_time()
        times = [timed(partial(bare.everywhere, new)) for new in contents]
        return median(times), (time.process_time() - before) / rounds / len(hosts.servers)
    finally:
        bare.close()
