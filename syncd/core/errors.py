"""Everything that can go wrong, drawn once.

::

    SyncdError                  where, what happened, what to do; `rule` is its short name in metrics and holds
    ├── ConfigError             the operator's file is wrong                              (exit code 2)
    ├── BundleError             bytes that should be certificates are not                 (refuses that source or node)
    ├── YmlError                an elasticsearch.yml cannot be read, or not be edited safely      (that file stays as it is)
    ├── UnsafePlan              the guard refuses a step of a plan                        (that step or chain of steps alone)
    ├── SourceError             the published CA cannot be read                           (nothing is derived from it)
    ├── MirrorError             the ConfigMap or resource on ECK's side cannot be read or written  (that remote alone)
    │   └── MirrorConflict      somebody else wrote it first                              (look again)
    ├── HostError               a node's host cannot be reached or refuses a step         (that node alone)
    │   └── ChangedUnderneath   a file is not what the plan saw                           (look again)
    ├── ClusterError            Elasticsearch cannot be asked or refuses                  (that cluster alone)
    ├── PermitLost              somebody else may change the cluster now                  (nothing more is changed)
    └── StateError              syncd's own memory cannot be read or written              (caution, not correctness)
        └── StateConflict       somebody else wrote it first                              (read again)

Adapters turn their library's errors into these (``raise ... from error``); library types stop there.
"""


class SyncdError(Exception):
    """Something a person may meet: what happened (`text`), where, and what to do about it (`cure`)."""

    def __init__(self, rule: str, text: str, *, where: str = "", cure: str = "") -> None:
        super().__init__(rule, text, where, cure)
        self.rule = rule
        self.text = text
        self.where = where
        self.cure = cure

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        said = (
            f"{self.text.removesuffix('.')}. {self.cure}" if self.cure else self.text
        )  # a library's words may end with one
        return f"{place}{said}"


class ConfigError(SyncdError):
    """The operator's configuration cannot be used."""


class BundleError(SyncdError):
    """Bytes that should hold certificates hold something else."""


class YmlError(SyncdError):
    """An elasticsearch.yml cannot be read as Elasticsearch reads it, or an edit of it would change more than it says."""


class UnsafePlan(SyncdError):
    """The guard refuses a step: carrying it out would break something that works."""


class SourceError(SyncdError):
    """A published CA cannot be read: `source_not_found`, `source_forbidden`, `source_unreachable`, ..."""


class MirrorError(SyncdError):
    """The ConfigMap or the Elasticsearch resource on ECK's side cannot be read or written."""


class MirrorConflict(MirrorError):
    """Another writer changed the object since it was read; nothing was written."""


class HostError(SyncdError):
    """A node's host cannot be reached, or a step on it was refused."""


class ChangedUnderneath(HostError):
    """The file at the target is not the one that the plan was made from; nothing was written."""


class ClusterError(SyncdError):
    """Elasticsearch cannot be asked, or refused."""


class PermitLost(SyncdError):
    """The permit to change a cluster was lost in the middle of something."""


class StateError(SyncdError):
    """syncd's own memory cannot be read or written."""


class StateConflict(StateError):
    """Another writer changed the state since it was read; nothing was written."""
