"""ECK's side of a remote: the CA that it publishes, the mirror that it reads, and the Elasticsearch resource."""
