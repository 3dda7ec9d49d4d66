"""A regex to facts about it, and to code for the native matcher."""
