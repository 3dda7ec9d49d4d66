"""Where logs lie, whose they are, and what bytes they hold."""
