"""What holds the restart of a node whose keystore has a password that its start would not be given; pure."""

from syncd.core.model import Known, NodeSeen, Unknown


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
