"""A small Kubernetes API on loopback: just what syncd uses of one, and faults on demand.

It passes the same contract tests as a real kube-apiserver: resource versions, preconditions, watches with bookmarks and
410, server-side apply, Leases, Events.
"""

from syncd.demo.kube.server import DemoKube

__all__ = ["DemoKube"]
