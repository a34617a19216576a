"""Whether the Services in front of a remote lead to the ports that ECK's nodes listen on; pure.

ECK 3.3 and later take a template in the resource; before, people make a Service by hand. In both, a `port` that is changed
without a `targetPort` changes that too, and every connection fails.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from syncd.core.model import EckResource, EckService, Hold, RemotePolicy

_LISTENS = {"api_key": 9443, "certificate": 9300}
"""ECK supports no other ports on its nodes."""


def service_holds(remotes: Iterable[RemotePolicy], resource: EckResource) -> Iterator[Hold]:
    """A hold for each Service that does not lead there, or cannot be read."""
    for remote in remotes:
        listens = _LISTENS[remote.model]
        where, template = _template(remote, resource)
        if text := wrong_target(_ports(template), listens):
            yield Hold(remote.alias, "wrong_target_port", f"{where}: {text}")
        for service in resource.services:
            yield from _made_by_hand(remote, service, listens)


def wrong_target(ports: Sequence[Mapping[str, Any]], listens: int) -> str:
    """What is wrong with the ports of a Service; empty: nothing. Targets that are names are not judged."""
    targets = [(port.get("port"), _target(port)) for port in ports]
    if not targets or any(target is None for _, target in targets):
        return ""
    bad = [(port, target) for port, target in targets if port == listens and target != listens]
    if not bad and all(target != listens for _, target in targets):
        bad = targets
    if not bad:
        return ""
    said = ", ".join(f"port {port} leads to targetPort {target}" for port, target in bad)
    return (
        f"{said}, but ECK's nodes listen on {listens} for this: set targetPort: {listens} "
        "(Kubernetes takes the value of port where it is not set)"
    )


def _made_by_hand(remote: RemotePolicy, service: EckService, listens: int) -> Iterator[Hold]:
    if service.fault:
        yield Hold(remote.alias, "service_unread", f"service {service.name} cannot be looked at: {service.fault}")
    elif text := wrong_target(service.ports, listens):
        yield Hold(remote.alias, "wrong_target_port", f"service {service.name}: {text}")


def _template(remote: RemotePolicy, resource: EckResource) -> tuple[str, Mapping[str, Any] | None]:
    if remote.model == "api_key":
        return "spec.remoteClusterServer.service", resource.service
    return "spec.transport.service", resource.transport_service


def _ports(template: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], ...]:
    spec = (template or {}).get("spec")
    ports = spec.get("ports") if isinstance(spec, Mapping) else None
    return tuple(port for port in ports if isinstance(port, Mapping)) if isinstance(ports, list) else ()


def _target(port: Mapping[str, Any]) -> int | None:
    """As Kubernetes reads it; None: a name."""
    target = port.get("targetPort") or port.get("port")
    return int(str(target)) if str(target).isdecimal() else None
