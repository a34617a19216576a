"""How a node's managed file stands when a pass has ended: as it was seen, and what the pass then did to it."""

from dataclasses import dataclass
from typing import Literal

from syncd.core.bundle import Digest, bundle_digest
from syncd.core.model import Context, FixOwner, Known, NodeName, PutFile, Report, Sighting, TrustPlan, Unknown


@dataclass(frozen=True, slots=True)
class Standing:
    """One managed file of one node."""

    file: Literal["in step", "behind", "missing", "unknown"]
    """`missing` where there is none: only where one is wanted is that not as it should be, see `as_wanted`."""
    bundle: Digest | None = None
    """Of what is on the disk now; None: it is not known, or there is no file."""
    proof: Sighting | None = None
    """Of the load of that bundle: what was proven of a file that this pass replaced is not told of the new one."""
    note: str = ""
    as_wanted: bool = False


def standing(report: Report, name: NodeName, context: Context) -> Standing:
    """How the file of a node and context stands."""
    seen = report.seen.nodes[name].files.get(context, report.seen.nodes[name].file)
    if isinstance(seen, Unknown):
        return Standing("unknown", note=seen.text)
    part = report.plan.trust.get(context) or TrustPlan()
    steps = (*report.plan.now, *(step for step, _ in report.plan.later))
    done = [o.step for o in report.outcomes if o.result == "done" and _is_of(o.step, name, context)]
    left = [step for step in steps if _is_of(step, name, context) and step not in done]
    held = bundle_digest(seen.value.trust.certs) if isinstance(seen, Known) else None
    bundle = next((step.digest for step in done if isinstance(step, PutFile)), held)
    wanted = bundle_digest(claim.cert for claim in part.claims.get(name, ()))
    as_wanted = not left and (context not in report.plan.trust or (bundle or bundle_digest(())) == wanted)
    sight = part.proven.get(name)
    file: Literal["in step", "behind", "missing"] = "in step" if as_wanted else "behind"
    proof = sight if sight and sight.digest == bundle else None
    return Standing(file if bundle else "missing", bundle, proof, "", as_wanted)


def _is_of(step: object, name: NodeName, context: Context) -> bool:
    return isinstance(step, PutFile | FixOwner) and (step.node, step.context) == (name, context)
