"""syncd keeps trust alive between self-managed Elasticsearch clusters and clusters run by ECK."""
