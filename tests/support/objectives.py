"""An objective as commands and manifests write it."""

MINIMIZE_LOSS = {
    "metric": "loss",
    "goal": "Minimize",
    "scope": "last",
    "step": None,
    "step_place": "before",
    "per_step": "last",
    "from_step": None,
    "is_formula": False,
    "target": None,
    "restarts": "keep",
}
