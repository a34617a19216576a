"""Looking at the nodes' installations: rarely, and many times a minute while one of them is being restarted."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from time import monotonic

from syncd.core.model import Context, Known, Memory, NodeName, Process, Report, Seen, Site, Unknown, credential_setting
from syncd.engine.crew import Crew
from syncd.engine.hosts.installation import Installation, ToolMemory, look_at_site
from syncd.engine.looking.page import Page
from syncd.engine.looking.seen import aged, dated, is_older, seen_at
from syncd.engine.world import World
from syncd.ports import Deadline

_SECONDS = 30.0
"""For one look: it may start Java's tools, which take a second or two each."""
_SOON, _AT_ONCE = 5.0, 0.2
"""Seconds between looks at a node that waits for something, and at one that is being restarted."""
_PROBES = 5
"""Looks are this many probe intervals apart where the nodes' own CAs matter."""
_HOT = 30.0
"""Seconds for which a transport port is looked at again after its files changed: the process reads them every five."""
_RULES = frozenset({"own_trust_unknown", "peer_unseen", "keystore_passphrase", "restart_pending"})
"""Holds for which a node is looked at again soon: another look may lift them."""


class Installations:
    """The installations of one cluster's nodes."""

    def __init__(self, world: World, crew: Crew) -> None:
        self._world = world
        self._crew = crew
        self._tools = ToolMemory()
        self._looked: dict[NodeName, float] = {}
        self._hot: dict[NodeName, float] = {}
        self._started: dict[NodeName, int | None] = {}

    def update(self, page: Page, report: Report | None) -> Page:
        """The page with the installations of the nodes whose time has come."""
        return self.begin(page, report)(page)

    def begin(self, page: Page, report: Report | None) -> Callable[[Page], Page]:
        """Look at the nodes whose time has come, in the light of a page. What is returned notes it on a page."""
        due = [node.name for node in self._world.policy.nodes if self._is_due(node.name, page, report)]
        secrets = self._secrets(report) if due else {}
        self._looked |= dict.fromkeys(due, monotonic())
        look = partial(self._look, page=page, secrets=secrets, transport=self._transport(report))
        looked = self._crew.begin({f"site {n}": partial(dated, partial(look, n)) for n in due})

        def note(page: Page) -> Page:
            results = looked(self._world.pace.call)
            before = {name: page.sites.get(name) for name in due}
            sites = {name: aged(seen_at(results[f"site {name}"], before[name]), before[name]) for name in due}
            changed = [name for name, seen in sites.items() if _differs(seen, before[name])]
            self._hot |= dict.fromkeys(changed, monotonic() + _HOT)
            return replace(page, sites={**page.sites, **sites})

        return note

    def _is_due(self, name: NodeName, page: Page, report: Report | None) -> bool:
        if name not in self._looked:
            return True
        return monotonic() - self._looked[name] >= self._interval(name, page, report)

    def _interval(self, name: NodeName, page: Page, report: Report | None) -> float:
        """Seconds between looks."""
        edited = report.seen.edited if report else None
        seen = page.sites.get(name)
        if page.restarting == name or (edited and is_older(seen, edited)):
            return _AT_ONCE
        waits = report is not None and any(hold.subject == name and hold.rule in _RULES for hold in report.plan.holds)
        known = isinstance(page.cluster, Known) and isinstance(seen, Known)
        if waits or not known or monotonic() < self._hot.get(name, 0.0):
            return _SOON
        pace = self._world.pace
        if isinstance(seen, Known) and _in_part(seen.value):
            return min(pace.handshake, pace.probe)
        return min(pace.handshake, _PROBES * pace.probe) if self._transport(report) else pace.handshake

    def _transport(self, report: Report | None) -> bool:
        """Whether the transport layer matters: then the nodes' own CAs may change, and ECK must have them.

        It does while a remote is being left, too: by these a node must go on trusting its peers without the file.
        """
        past = (report.plan.memory or report.seen.remembered) if report else Memory()
        left = {forgotten.context for forgotten in past.forgotten}
        return Context.TRANSPORT in left | {remote.context for remote in self._world.policy.remotes}

    def _before(self, name: NodeName, page: Page, process: Process | None) -> Site | None:
        """The earlier look, where nothing has changed lately that the transport port would show."""
        seen, hot = page.sites.get(name), monotonic() < self._hot.get(name, 0.0)
        started, self._started[name] = self._started.get(name), process.started if process else None
        return seen.value if isinstance(seen, Known) and not hot and started == self._started[name] else None

    def _secrets(self, report: Report | None) -> Mapping[str, bytes | None]:
        """What the keystores should hold: the values of the operator's files; nothing of what is being left."""
        found: dict[str, bytes | None] = {}
        memory = report.plan.memory if report else None
        for forgotten in memory.forgotten if memory else ():
            found[credential_setting(forgotten.alias)] = b""
        for setting, read in self._world.secrets.items():
            try:
                found[setting] = read()
            except OSError:
                found[setting] = None  # the remote's own hold says why
        return found

    def _look(self, name: NodeName, page: Page, secrets: Mapping[str, bytes | None], *, transport: bool) -> Site:
        world = self._world
        node, answer = world.policy.node(name), page.answers.get(name)
        place = Installation(
            node,
            world.tools[name],
            world.services[name],
            {setting: value for setting, value in secrets.items() if value is not None},
            frozenset(node.paths.values()),
            world.own_cas.get(name),
            transport=transport,
        )
        process = answer.value.process if isinstance(answer, Known) else None
        deadline = Deadline.after(_SECONDS)
        before = self._before(name, page, process)
        return look_at_site(world.fleet.host(name), place, process, world.handshakes, self._tools, deadline, before)


def _in_part(site: Site) -> bool:
    """Whether something of it was looked at in vain: a mended sudoers file is seen a minute later, not ten."""
    parts = (site.yml, site.unit, site.keystore, site.trust, site.shown, site.key)
    return any(isinstance(part, Unknown) and part.rule != "not_asked" for part in parts)


def _differs(seen: Seen[Site], before: Seen[Site] | None) -> bool:
    """Whether the files have changed of which the transport port will show something else within seconds."""
    if not isinstance(seen, Known) or not isinstance(before, Known):
        return False
    pairs = ((seen.value.trust, before.value.trust), (seen.value.key, before.value.key))
    known = ((one, other) for one, other in pairs if isinstance(one, Known) and isinstance(other, Known))
    return any(one.value != other.value for one, other in known)
