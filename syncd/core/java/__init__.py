"""Java's rules for certificates, written out: what verifies, and by which path. docs/trust.md has them as a table."""
