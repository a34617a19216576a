"""A node's own files, tools and service, through the port of its host: for looks and for steps."""
