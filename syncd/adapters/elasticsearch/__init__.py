"""The self-managed cluster's REST API: `api` asks, `client` makes one request, `node` carries it, `answers` reads JSON."""

from syncd.adapters.elasticsearch.api import ElasticsearchApi
from syncd.adapters.elasticsearch.settings import ElasticsearchSettings

__all__ = ["ElasticsearchApi", "ElasticsearchSettings"]
