"""What a pass decides, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from syncd.core.bundle import Cert
from syncd.core.model.observed import Observed
from syncd.core.model.remembered import Memory, Reloaded, Written
from syncd.core.model.seen import Alias, Context, NodeName, Sighting
from syncd.core.model.steps import Step


@dataclass(frozen=True, slots=True)
class Claim:
    """One certificate's reason to be in a file; what `syncd explain` prints."""

    cert: Cert
    origin: Literal["eck", "extra", "foreign"]
    alias: Alias | None
    role: Literal["current", "retiring", "kept"]
    kept_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """Something that syncd will not do now, the rule that holds it, and what would lift it."""

    subject: str
    """A node, an alias or the cluster."""
    rule: str
    text: str
    until: datetime | None = None

    @property
    def grave(self) -> bool:
        """Whether a person must look: it does not pass by itself, and something is or may soon be broken."""
        return self.rule in _GRAVE


_GRAVE = frozenset(
    {
        # whose cluster it is, and what a person has to consent to
        "other_owner", "permit_unavailable", "unmanaged_node", "not_approved", "not_pinned", "not_same_key", "revoked",
        # files and processes
        "would_be_empty", "owner_unknown", "load_refused", "reload_disabled", "credential_differs", "credential_unloaded",
        "credential_unreadable", "keystore", "keystore_passphrase",
        "keystore_password_unreadable",
        # restarts and settings
        "copy_in_the_way", "restart_damaged", "restart_failed", "restart_left_open", "restart_stuck", "rollback_failed",
        "yml_absent", "yml_comment_inside", "yml_contested", "yml_duplicate_key", "yml_edit_not_proven", "yml_encoding",
        "yml_flow_root", "yml_many_documents", "yml_no_truststore", "yml_not_a_mapping", "yml_not_a_setting",
        "yml_null_value", "yml_numbered_list", "yml_own_trust_implicit", "yml_shared_anchor", "yml_tab",
        "yml_truststore_differs", "yml_two_trusts", "yml_yaml",
        # ECK's side
        "leaf_unverified", "mirror_binary", "mirror_contested", "mirror_elsewhere", "mirror_faults", "mirror_forbidden",
        "mirror_refused", "mirror_too_large", "mirror_unauthorized", "resource_contested", "resource_forbidden",
        "resource_refused", "resource_too_large", "resource_unauthorized", "wrong_target_port",
        # what may not be read, or is not what it should be; what only does not answer passes
        "source_empty", "source_forbidden", "source_headers", "source_no_certificate", "source_no_key",
        "source_not_a_ca", "source_not_a_certificate", "source_not_base64", "source_private_key", "source_refused",
        "source_too_large", "source_too_many", "source_truncated", "source_unauthorized", "source_unreadable",
        "source_wrong_block", "extra_unread",
        "file_empty", "file_headers", "file_no_certificate", "file_not_a_certificate", "file_not_base64",
        "file_private_key", "file_too_large", "file_too_many", "file_truncated", "file_wrong_block",
        "authentication", "disk_full", "host_key", "no_permission", "not_a_file", "read_only", "sftp", "sudo",
        "too_large", "unexpected",
        "es_error", "es_forbidden", "es_tls", "es_unauthorized",
        "state_damaged", "state_forbidden", "state_newer", "state_refused", "state_too_large", "state_unauthorized",
        # what the guard refuses, but for what another look may show otherwise
        "guard_claims_foreign", "guard_drops_foreign", "guard_empties_mirror", "guard_foreign_field",
        "guard_foreign_setting", "guard_mismatch", "guard_no_record", "guard_orphans_chain", "guard_orphans_peer",
        "guard_own_ca_lost", "guard_public_roots",
        "guard_restart_open", "guard_switches_off", "guard_two_restarts", "guard_unreadable", "guard_yml_unreadable",
    }
)  # fmt: skip
"""docs/holds.md has every rule, and says why these. What the operator has ordered (`observe`, `policy`) is none of them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a node's link to a remote works, and when it will stop working if nothing is done."""

    node: NodeName
    alias: Alias
    up: bool | None
    """None: not known."""
    reason: Literal[
        "ok",
        "untrusted",
        "expired",
        "network",
        "disconnected",
        "no_credential",
        "wrong_model",
        "refused_there",
        "unknown",
    ]
    text: str
    breaks_at: datetime | None = None
    """The last moment at which what the remote presents verifies with what the node trusts."""


@dataclass(frozen=True, slots=True)
class TrustPlan:
    """What one trust context's files should hold, and what is proven of them."""

    claims: Mapping[NodeName, tuple[Claim, ...]] = field(default_factory=dict)
    proven: Mapping[NodeName, Sighting | None] = field(default_factory=dict)
    """Per node the evidence that its process has loaded the file as it is; None: not proven yet."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, what waits and for what, and how things stand. Making it changes nothing."""

    cluster: str
    now: tuple[Step, ...] = ()
    later: tuple[tuple[Step, str], ...] = ()
    """Steps that would be taken but for a brake, with the rule that holds them."""
    holds: tuple[Hold, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    needs: Mapping[NodeName, str] = field(default_factory=dict)
    """The nodes that need a restart, in the order in which they get it, and why."""
    edits: Mapping[NodeName, tuple[str, ...]] = field(default_factory=dict)
    """What such a restart puts into elasticsearch.yml, in words; nothing where the file says it already."""
    trust: Mapping[Context, TrustPlan] = field(default_factory=dict)
    """Each trust context by itself."""
    rotations: Mapping[Alias, str] = field(default_factory=dict)
    """Kind of a change of CA that is under way."""
    memory: Memory | None = field(default=None, repr=False)
    """What is to be remembered after this pass; None: the stored state must not be written over."""
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step."""

    step: Step = field(repr=False)
    result: Literal["done", "failed", "skipped"]
    rule: str = ""
    text: str = ""
    at: datetime | None = None
    written: Written | None = None
    """For a file that was written: where its proof of load is to be looked for."""
    reloads: tuple[Reloaded, ...] = ()
    """Of a reload: which process has read which keystore."""
    version: str | None = None
    """Of a save: that of what is stored now."""


@dataclass(frozen=True, slots=True)
class Report:
    """One pass, finished: what telemetry and people are told."""

    cluster: str
    started: datetime
    finished: datetime
    seen: Observed
    plan: Plan
    outcomes: tuple[Outcome, ...]
    rang: tuple[str, ...] = ()
    """The bells that led to the pass."""
    again: datetime | None = None
    """When something that could not be looked at is tried again."""

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The steps that failed: all of them, not the first."""
        return tuple(outcome for outcome in self.outcomes if outcome.result == "failed")

    @property
    def settled(self) -> bool:
        """Whether nothing failed and nothing is left to do."""
        return not self.failures and not self.plan.holds and not self.plan.now
