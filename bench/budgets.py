"""All that is measured, by part: budgets of trust distribution and proofs, and the figures that explain them.

They are for two cores which the daemon shares with fifty sshd and with the bench itself.
"""

from bench.rows import Budget

COPYING = (
    Budget("cold_50", "50 hosts cold, against parallel-ssh cold", "times its time", 1.2),
    Budget("cold_1000", "1,000 nodes on 50 sshd cold, against parallel-ssh cold", "times its time", 1.2),
)
PROPAGATION = (
    Budget("warm_p50", "Secret changed -> on 50 disks, fsynced and read back, warm: p50", "ms", 200),
    Budget("warm_p99", "the same: p99", "ms", 500),
    Budget(
        "ansible", "the same, against ansible's copy module with forks and pipelining", "times faster", 100, least=True
    ),
    Budget(
        "floor", "the same, against bare paramiko (warm sessions, the same promises, no daemon)", "times its time", None
    ),
    Budget("floor_p50", "bare paramiko on the same 50 hosts: p50", "ms", None),
    Budget("floor_cpu", "CPU time of bare paramiko per host", "ms", None),
    Budget("cpu_written", "CPU time of the daemon per host, from the Secret until it is on all disks", "ms", None),
    Budget("cpu_settled", "the same, until all is proven and settled", "ms", None),
    Budget("cold_start", "start of the daemon -> on 50 disks (imports, connects, writes)", "s", None),
)
IDLE = (
    Budget("idle_memory", "idle, 100 nodes: resident", "MB", 90),
    Budget("idle_imports", "resident after its imports alone", "MB", None),
    Budget("idle_cpu", "idle, 100 nodes: share of a core", "%", 0.5),
    Budget("idle_wakeups", "idle, 100 nodes: how often its threads wake up", "a second", None),
    Budget("idle_pass", "a pass with nothing to do, 100 nodes: the slowest", "ms", 1000),
    Budget("idle_writes", "writes while idle: files, settings, objects other than the Lease", "writes", 0),
    Budget("idle_asked", "Elasticsearch requests while idle, 100 nodes", "a minute and node", None),
    Budget("pass_asked", "Elasticsearch requests of a pass with nothing to do, 100 nodes", "a pass", None),
)
THOUSAND = (
    Budget("thousand_memory", "1,000 nodes on 50 sshd: resident", "MB", 200),
    Budget("thousand_peak", "the same: the most that it ever was", "MB", None),
    Budget("thousand_start", "start of the daemon -> on 1,000 disks", "s", None),
    Budget("thousand_warm", "Secret changed -> on 1,000 disks, 100 sessions kept warm", "s", None),
)
PROVEN = (
    Budget("proven_default", "Secret changed -> proven loaded on 3 real nodes, which poll each 5 s: p95", "s", 6.5),
    Budget("proven_default_p50", "the same with the poll of 5 s: p50", "s", None),
    Budget("proven_fast", "the same with resource.reload.interval.high: 1s: p95", "s", 2),
    Budget("proven_fast_p50", "the same with the poll of 1 s: p50", "s", None),
    Budget("real_same_key", "fresh connections of real nodes failed, same-key renewals", "failed", 0),
    Budget("real_new_key", "the same, new keys with 10 s of kubelet delay", "failed", 0),
)
HANDSHAKES = (
    Budget("demo_same_key", "fresh handshakes of simulated nodes failed, same-key renewals", "failed", 0),
    Budget("demo_new_key", "the same, new keys with 10 s of kubelet delay", "failed", 0),
)
PLANNING = (Budget("plan_edit", "100 nodes that lack the same lines of elasticsearch.yml: edits and plan", "s", 2),)
PARTS = {
    "copying": COPYING,
    "propagation": PROPAGATION,
    "idle": IDLE,
    "thousand": THOUSAND,
    "proven": PROVEN,
    "handshakes": HANDSHAKES,
    "planning": PLANNING,
}


def budget(key: str) -> Budget:
    """A budget by its key."""
    return next(each for part in PARTS.values() for each in part if each.key == key)
