"""What a person is told before a remote is left for good: all that is taken away, as far as it is known. Pure."""

from collections.abc import Iterable, Iterator

from syncd.core.bundle import Cert
from syncd.core.model import Alias, Context, Known, NodeName, NodeSeen, Observed, Policy, Unknown, credential_setting
from syncd.core.requests import left_models
from syncd.core.yml import names_file


def forget_text(alias: Alias, policy: Policy, seen: Observed) -> Iterator[str]:
    """Settings, credentials, certificates, and with the last remote of a model the file and its name, with a restart."""
    found = list(_taken(alias, policy, seen))
    if found:
        yield f"What is taken away of {alias}, in this order, each when nothing uses it any more:"
        yield from (f"  {line}" for line in found)
    else:
        yield f"Nothing is known of {alias} that could be taken away."
    for node in seen.nodes.values():
        if isinstance(node.process, Unknown):
            yield f"It is not known whether {node.name} uses it: {node.process.text}"
        for context in Context:
            if isinstance(file := node.files.get(context), Unknown):
                yield f"It is not known what the {context} trust file of {node.name} holds: {file.text}"


def _taken(alias: Alias, policy: Policy, seen: Observed) -> Iterator[str]:
    stays = alias in {remote.alias for remote in policy.remotes}
    left = left_models(alias, policy, seen.remembered)
    contexts = left if stays else left or _dialed(alias, seen)
    if not stays:
        yield from _link(alias, seen)
    for cert, names in _certs(alias, contexts, seen).items():
        yield f"{cert.short} ({cert.subject}) out of the trust files of {_names(names)}"
    for context in sorted(contexts - {remote.context for remote in policy.remotes}):
        yield from _last_of(context, policy, seen)


def _link(alias: Alias, seen: Observed) -> Iterator[str]:
    links = {node.name: node.links[alias] for node in seen.nodes.values() if alias in node.links}
    if links:
        yield f"cluster.remote.{alias}.* out of the cluster's settings: searches over it end ({_names(links)} dial it)"
    if keyed := [name for name, link in links.items() if link.has_credential]:
        yield f"{credential_setting(alias)} out of the keystores of {_names(keyed)}"


def _last_of(context: Context, policy: Policy, seen: Observed) -> Iterator[str]:
    """It is the last remote of its model: no process is to name the file any more."""
    named = [n for n in seen.nodes.values() if isinstance(n.yml, Known) and _names_ours(n, context, policy)]
    if named:
        names = _names(node.name for node in named)
        yield f"the name of the {context} trust file out of elasticsearch.yml, with a ROLLING RESTART of {names}"
    for node in seen.nodes.values():
        if isinstance(node.files.get(context), Known):
            yield f"the file {policy.node(node.name).paths[context]} of {node.name}, if it holds nothing of others"


def _names_ours(node: NodeSeen, context: Context, policy: Policy) -> bool:
    return isinstance(node.yml, Known) and names_file(node.yml.value.text, policy.node(node.name).paths[context])


def _dialed(alias: Alias, seen: Observed) -> set[Context]:
    """Of which model it is, as the nodes dial it."""
    return {node.links[alias].context for node in seen.nodes.values() if alias in node.links}


def _certs(alias: Alias, contexts: set[Context], seen: Observed) -> dict[Cert, list[NodeName]]:
    """The CAs that came from it by these models, and whose files hold them."""
    marks = {(r.context, r.fingerprint) for r in seen.remembered.cas if r.alias == alias and r.context in contexts}
    found: dict[Cert, list[NodeName]] = {}
    for node in seen.nodes.values():
        files = {context: file.value for context, file in node.files.items() if isinstance(file, Known)}
        held = [
            cert for context, file in files.items() for cert in file.trust.certs if (context, cert.fingerprint) in marks
        ]
        for cert in dict.fromkeys(held):
            found.setdefault(cert, []).append(node.name)
    return found


def _names(names: Iterable[NodeName]) -> str:
    return ", ".join(names)
