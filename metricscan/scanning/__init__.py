"""Scans of bytes with definitions: plans, whole inputs, live streams, and the rows as Arrow columns."""
