"""The log: one line where there is something to tell, as JSON or for people, and no secret in it."""

import logging
import re
import sys
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor

from syncd.core.java.trust import Rotation
from syncd.core.model import Alias, Known, Report

_SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|(?:(?i:authorization|apikey|bearer|basic|password)\W{1,4})[A-Za-z0-9+/=._-]{8,}",
    re.DOTALL,
)


def set_up(form: Literal["json", "console"], level: str) -> None:
    """Send everything that this process logs to stderr, in one form."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask,
    ]
    renderer: Processor
    if form == "json":
        renderer = structlog.processors.JSONRenderer(sort_keys=True)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("paramiko", "urllib3", "elastic_transport", "apscheduler", "watchfiles"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class PassLog:
    """Tells passes: what was done, and each hold when it appears and when it lifts, not once a minute."""

    def __init__(self) -> None:
        self._log = structlog.stdlib.get_logger("syncd")
        self._holds: dict[str, set[tuple[str, str]]] = {}
        self._skipped: dict[str, set[tuple[str, str | None, str]]] = {}
        """What goes on beside the passes is in each of them, and told once."""
        self._rotations: dict[tuple[str, Alias], tuple[str, str, bool]] = {}
        """The kind and the CA of the rotation that was told last: while nothing may be remembered, each pass sees it."""

    def record(self, report: Report) -> None:
        """A pass ended."""
        for alias, rotation in report.plan.rotations.items():
            self._rotation(report, alias, Rotation(rotation))
        self._outcomes(report)
        before = self._holds.get(report.cluster, set())
        holds = {(hold.subject, hold.rule): hold for hold in report.plan.holds}
        for key, hold in holds.items():
            if key not in before:
                tell = self._log.warning if hold.grave else self._log.info
                tell("hold", cluster=report.cluster, subject=hold.subject, rule=hold.rule, text=hold.text)
        for subject, rule in before - set(holds):
            self._log.info("lifted", cluster=report.cluster, subject=subject, rule=rule)
        self._holds[report.cluster] = set(holds)

    def forget(self, cluster: str) -> None:
        """A cluster left the configuration: what holds it when it is back is told anew."""
        self._holds.pop(cluster, None)
        self._skipped.pop(cluster, None)
        self._rotations = {key: told for key, told in self._rotations.items() if key[0] != cluster}

    def _rotation(self, report: Report, alias: Alias, kind: Rotation) -> None:
        published = report.seen.remotes[alias].published
        observed = any(hold.rule == "observe" for hold in report.plan.holds)
        told = str(kind), published.value.ca.fingerprint if isinstance(published, Known) else "", observed
        if self._rotations.get((report.cluster, alias)) == told:
            return
        self._rotations[report.cluster, alias] = told
        note = {"note": "it would be taken: mode: observe changes nothing"} if observed else {}
        tell = self._log.warning if kind.urgent else self._log.info
        tell("rotation", cluster=report.cluster, remote=alias, kind=str(kind), **note)

    def _outcomes(self, report: Report) -> None:
        before = self._skipped.pop(report.cluster, set())
        for outcome in report.outcomes:
            step = outcome.step
            fields = {"cluster": report.cluster, "step": type(step).__name__, "node": _node(step)}
            match outcome.result:
                case "failed":
                    self._log.error("failed", **fields, rule=outcome.rule, text=outcome.text)
                case "done" if fields["step"] != "Remember":
                    self._log.info("done", **fields, why=step.why)
                case "skipped":
                    key = (type(step).__name__, _node(step), outcome.rule)
                    self._skipped.setdefault(report.cluster, set()).add(key)
                    if key not in before:
                        self._log.info("skipped", **fields, rule=outcome.rule, text=outcome.text)


def _node(step: Any) -> str | None:
    """The node that a step is about."""
    return getattr(step, "node", None) or getattr(getattr(step, "record", None), "node", None)


def _mask(_: object, __: str, event: EventDict) -> EventDict:
    """The last line of defence: nothing that looks like a key or a credential leaves the process."""
    return {key: _SECRETS.sub("[hidden]", value) if isinstance(value, str) else value for key, value in event.items()}
