"""What a job must fulfil to get a rank, beyond a finite value of the objective. Nothing is asked for by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.definitions.objective import is_finite
from metricscan.errors import OptionError, nearest, quoted
from metricscan.ranking.doubts import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.definitions.objective import Objective


class Conditions(NamedTuple):
    """What a job must fulfil to get a rank.

    Attributes
    ----------
    completed_only : bool
        Whether its status must be Completed.
    min_step : float or None
        The least last step that it must have reached.
    exclude_doubts : tuple of str
        The kinds of doubts that it must not have.
    """

    completed_only: bool = False
    min_step: float | None = None
    exclude_doubts: tuple[str, ...] = ()

    @classmethod
    def checked(
        cls,
        objective: Objective | None,
        completed_only: bool,
        min_step: float | None,
        exclude_doubts: str | Sequence[str],
    ) -> Conditions:
        """The conditions that options describe.

        Raises
        ------
        OptionError
            The step is no number or the objective has none, or a kind of doubt is not known.
        """
        errors, hint = [], None
        if min_step is not None:
            if not is_finite(min_step):
                errors.append(f"min_step={quoted(min_step)}: a number was expected")
            elif objective is not None and objective.step is None:
                errors.append(f"min_step={min_step!r} needs step=NAME (--step NAME), the metric that counts the steps")
        kinds = (exclude_doubts,) if isinstance(exclude_doubts, str) else tuple(exclude_doubts)
        for kind in kinds:
            if kind not in KINDS:
                errors.append(f"exclude_doubts={kind!r}: one of {', '.join(KINDS)} was expected")
                meant = nearest(str(kind), KINDS)
                hint = hint or (None if meant is None else f"did you mean {meant!r}?")
        if errors:
            raise OptionError("; ".join(errors), hint=hint)
        return cls(bool(completed_only), min_step, tuple(dict.fromkeys(kinds)))

    def noted(self) -> dict[str, Any]:
        """The conditions as JSON types, for manifests and documents."""
        return self._asdict() | {"exclude_doubts": list(self.exclude_doubts)}


NO_CONDITIONS = Conditions()
