"""elasticsearch.yml, read as Elasticsearch reads it and edited by splicing text: parse, splice, parse again, compare.

`tree` gives positions, `settings` gives meaning, `scalars` writes values, `lines` knows where lines end, `lists` and
`edit` make the splices and prove them.
"""

from syncd.core.yml.edit import appended, change_digest, removed, with_settings
from syncd.core.yml.settings import Settings, Value, names_file, read

__all__ = ["Settings", "Value", "appended", "change_digest", "names_file", "read", "removed", "with_settings"]
