"""Logs: where they lie, which job wrote each of them, and the bytes that they hold."""
