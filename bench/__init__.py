"""Measurements: what was measured, on what, and nothing else."""
