"""Rows over many jobs: in tables, and on disk."""
