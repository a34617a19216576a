"""Whether all nodes use one and the same API key: a node whose keystore was not reloaded goes on with its old one."""

from collections.abc import Iterable

from syncd.core.model import Alias, Hold, Known, NodeName, Observed


def keys_in_use(seen: Observed, alias: Alias) -> dict[NodeName, str]:
    """The API key id by node, where the remote has named it."""
    found = ((node.name, node.keys.get(alias)) for node in seen.nodes.values())
    return {name: key.value for name, key in found if isinstance(key, Known)}


def differing(seen: Observed) -> Iterable[Hold]:
    """A hold for each remote that its nodes speak to with different keys."""
    for alias in seen.remotes:
        keys = keys_in_use(seen, alias)
        if len(set(keys.values())) > 1:
            told = ", ".join(f"{name} uses {key}" for name, key in sorted(keys.items()))
            cure = "Put the same key into every keystore and run POST _nodes/reload_secure_settings"
            yield Hold(alias, "credential_differs", f"{told}. {cure}")
