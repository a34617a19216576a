"""What of its keystore holds the restart of a node: a password that its start would not be given, another edit; pure."""

from datetime import datetime

from syncd.core.model import Known, NodeName, NodeSeen, Observed, Unknown, is_from_before


def unstartable(node: NodeSeen, unit: str) -> str | None:
    """Why a start would fail, and the one that takes the node back, too; None: it would not."""
    match node.keystore:
        case Known(value=state) if state.locked:
            return (
                f"the password of its keystore: {state.locked}. A start would fail. Keep a file with the password, readable "
                f"for the user of the unit, and name it in a drop-in (systemctl edit {unit}): [Service] "
                "Environment=ES_KEYSTORE_PASSPHRASE_FILE=/path/to/file"
            )
        case Unknown(text=text):
            return f"its keystore cannot be looked at, so whether a start can open it is not known: {text}"
        case _:
            return None


def edited(name: NodeName, seen: Observed, now: datetime) -> str | None:
    """Why what a restart does to a keystore, which is to copy it and maybe to put the copy back, could meet another edit."""
    state, cluster = seen.proof, seen.cluster
    if not isinstance(cluster, Known):
        return "what a proof by handshake does is not known while the cluster does not answer"
    is_old = is_from_before(cluster.at, state.changed, now)
    if state.busy or is_old or name in state.nodes | (cluster.value.proof or frozenset()):
        return "a proof by handshake edits keystores; lifted when it is closed"
    return "credentials are being put into keystores; lifted when that is over" if seen.editing else None
