"""The self-managed cluster's REST API: `api` asks, `client` makes one request, `node` carries it, `answers` reads JSON."""

from syncd.adapters.lean import without

with without("aiohttp"):  # its asynchronous half: 9 MB, and 0.15 s of each start
    import elastic_transport  # noqa: F401 - loaded here, so that it is loaded in this way

from syncd.adapters.elasticsearch.api import ElasticsearchApi
from syncd.adapters.elasticsearch.settings import ElasticsearchSettings

__all__ = ["ElasticsearchApi", "ElasticsearchSettings"]
