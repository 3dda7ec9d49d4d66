"""Definitions meet bytes: plans, scans, live streams, and the Arrow columns that come out."""
