"""What a person writes (metric definitions, the objective), and lint: advice about it."""
