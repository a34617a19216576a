"""What syncd needs of Kubernetes: one Secret by name, a watch as a bell, ConfigMaps, a Lease, a resource, Events."""

from syncd.adapters.kubernetes.client import KubeClient
from syncd.adapters.kubernetes.events import EventNotices
from syncd.adapters.kubernetes.lease import LeasePermit
from syncd.adapters.kubernetes.mirror import ConfigMapMirror
from syncd.adapters.kubernetes.resource import EckResourceApi
from syncd.adapters.kubernetes.source import SecretSource
from syncd.adapters.kubernetes.state import ConfigMapState
from syncd.adapters.kubernetes.watch import ObjectWatch

__all__ = [
    "ConfigMapMirror",
    "ConfigMapState",
    "EckResourceApi",
    "EventNotices",
    "KubeClient",
    "LeasePermit",
    "ObjectWatch",
    "SecretSource",
]
