"""How the rankings of two datasets differ: the winner, and the places and values of jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from metricscan.definitions.objective import Objective


class Place(NamedTuple):
    """The place of a job in a ranking.

    Attributes
    ----------
    rank : int or None
        None for a job that cannot win.
    value : float or None
    status : str
        As ``objective_status`` of a ranking.
    """

    rank: int | None
    value: float | None
    status: str


@dataclass(slots=True)
class RankingDifference:
    """How two rankings differ.

    Attributes
    ----------
    objectives : (Objective, Objective)
    best : (str or None, str or None)
        The best jobs; None where no job can win.
    jobs : dict of str to (Place or None, Place or None)
        The jobs whose rank, value or status differs, in the order of the second ranking, then of the first one; None for a
        ranking that lacks the job.
    ranked : (int, int)
        How many jobs have a rank.
    """

    objectives: tuple[Objective, Objective]
    best: tuple[str | None, str | None]
    jobs: dict[str, tuple[Place | None, Place | None]] = field(default_factory=dict)
    ranked: tuple[int, int] = (0, 0)

    @property
    def differs(self) -> bool:
        """Whether the place of a job, or the objective differs."""
        return bool(self.jobs) or self.objectives[0] != self.objectives[1]


def ranking_difference(a: pa.Table, b: pa.Table, objectives: tuple[Objective, Objective]) -> RankingDifference:
    """Compare two rankings, as :func:`metricscan.rank` gives them."""
    places = _places(a), _places(b)
    differ = {}
    for name in dict.fromkeys((*places[1], *places[0])):
        own, other = places[0].get(name), places[1].get(name)
        if not _are_equal(own, other):
            differ[name] = own, other
    first, second = (_best(one) for one in places)
    ranked = tuple(sum(place.rank is not None for place in one.values()) for one in places)
    return RankingDifference(objectives, (first, second), differ, (ranked[0], ranked[1]))


def _are_equal(a: Place | None, b: Place | None) -> bool:
    if a is None or b is None:
        return a is b
    # NaN, the value of a job that has no finite one, equals NaN
    return a == b or (a._replace(value=None) == b._replace(value=None) and a.value != a.value and b.value != b.value)


def _places(ranking: pa.Table) -> dict[str, Place]:
    columns: Iterable[Any] = (ranking.column(name).to_pylist() for name in ("job", "rank", "value", "objective_status"))
    return {job: Place(*place) for job, *place in zip(*columns, strict=True)}


def _best(places: dict[str, Place]) -> str | None:
    name, place = next(iter(places.items()), (None, None))
    return name if place is not None and place.rank is not None else None
