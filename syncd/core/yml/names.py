"""Names of Elasticsearch's settings that syncd reads or writes."""

TRANSPORT_SSL = "xpack.security.transport.ssl."
"""What the settings of the transport layer's TLS begin with."""
RELOAD_INTERVAL = "resource.reload.interval.high"
"""How often a node looks whether its trust files have changed."""


def trust_setting(context: str) -> str:
    """The setting that names the trust files of a context (`transport`, `remote_cluster_client`)."""
    return f"xpack.security.{context}.ssl.certificate_authorities"
