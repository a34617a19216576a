"""A step in a person's words: for `plan`, `once` and their JSON."""

from typing import assert_never

from syncd.core.bundle import Cert
from syncd.core.model import (
    BeginRestart,
    ClaimCluster,
    CloseProof,
    EndRestart,
    FixOwner,
    FreeAllocation,
    NodeName,
    NoteFault,
    OpenProof,
    PutFile,
    PutMirror,
    PutResource,
    PutSecret,
    PutYml,
    ReloadSecure,
    Remember,
    RemoveFile,
    RemoveRemote,
    RemoveSecret,
    RestartNode,
    RollBack,
    Step,
    SweepCopies,
)


def step_text(step: Step) -> tuple[str, NodeName | None]:  # noqa: C901, PLR0911, PLR0912 - one line for each kind of step
    """(what is done, on which node); equal texts of several nodes are one line of a plan."""
    match step:
        case PutFile() | PutMirror():
            what = step.path if isinstance(step, PutFile) else f"the mirror of {step.alias}"
            text = f"write {what}   {', '.join(_changes(step))}"
            return text, step.node if isinstance(step, PutFile) else None
        case FixOwner():
            return f"chown {step.path}   {step.why}", step.node
        case RemoveFile():
            return f"remove {step.path}   {step.why}", step.node
        case ClaimCluster():
            return "claim cluster.metadata.syncd.owner", None
        case OpenProof():
            return f"open a proof by handshake: {', '.join(target.node for target in step.targets)}", None
        case CloseProof():
            return f"close the proof by handshake   {step.why}", None
        case PutSecret():
            return f"secret {step.setting} into the keystore   {step.why}", step.node
        case RemoveSecret():
            return f"secret {step.setting} out of the keystore   {step.why}", step.node
        case ReloadSecure():
            return f"reload secure settings on all nodes   {step.why}", None
        case BeginRestart():
            return f"begin a restart: allocation to primaries   {step.why}", step.record.node
        case PutYml():
            return f"edit {step.path}   {'; '.join(step.settings)}", step.node
        case RestartNode():
            return f"RESTART the node   {step.why}", step.node
        case FreeAllocation():
            return f"allocation as it was before the restart   {step.why}", step.record.node
        case NoteFault():
            return f"note that the restart failed   {step.why}", step.record.node
        case RollBack():
            return f"UNDO   the edit of elasticsearch.yml and the keystore, and start again   {step.why}", step.node
        case EndRestart():
            return f"end the restart: allocation as it was   {step.why}", step.record.node
        case SweepCopies():
            return f"remove the copies from before the restart   {step.why}", step.node
        case PutResource():
            restarts = " (ECK RESTARTS the remote for it)" if step.restarts else ""
            return f"apply the Elasticsearch resource of {step.alias}{restarts}   {step.why}", None
        case RemoveRemote():
            return f"remove cluster.remote.{step.alias}.*   {step.why}", None
        case Remember():
            return "remember", None
        case _:
            assert_never(step)


def _changes(step: PutFile | PutMirror) -> list[str]:
    added = [f"+ {_named(cert)}" for cert in step.added]
    return [*added, *(f"- {_named(cert)}" for cert in step.removed)] or [step.why]


def _named(cert: Cert) -> str:
    return f"{cert.short} ({cert.subject}, until {cert.not_after:%Y-%m-%d})"
