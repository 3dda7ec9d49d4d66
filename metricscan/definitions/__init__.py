"""What a person writes (metric definitions, the objective), and advice about it."""
