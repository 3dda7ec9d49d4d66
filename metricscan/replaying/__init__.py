"""Many logs at once: replay, check, and why a definition found nothing."""
