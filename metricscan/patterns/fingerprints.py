"""Fingerprints: the two bytes of each literal that the search looks for.

The search reads the input once, whatever the number of literals, but verifies each place where a fingerprint occurs. So
fingerprints are chosen that are rare in logs and that literals share; literals with the same fingerprint are then
distinguished by up to eight bytes around it. The choice changes the time, never the rows.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

# How frequent a byte is in training logs: 4 * log2 of its share, plus 72, for 32..126 as chr(48 + x). Measured over
# 45 public training logs of 30 frameworks, each log weighing the same.
_PRINTABLE = "lE_UCO9XWWCQ`_b`ecba`__^^^cIO\\N=EVVRSYUSMW9PWUWXT<VVWONNHCCZ>W>_KdYa_fZ]^cLXbaddaOdde^ZWVZRSVSD"
_OTHER = {9: 22, 10: 46, 13: 35}
_HIGH_BYTE = 30
_CONTROL = 8


def _share(byte: int) -> float:
    if 32 <= byte < 127:
        scale = ord(_PRINTABLE[byte - 32]) - 48
    else:
        scale = _OTHER.get(byte, _HIGH_BYTE if byte >= 0x80 else _CONTROL)
    return float(2.0 ** ((scale - 72) / 4))


SHARE = tuple(map(_share, range(256)))
# Two bytes that are more frequent than their shares tell, by the same scale; the 300 that add most, of the same logs. With
# them, the search for the definitions of these logs stops at 9 % fewer places.
_FREQUENT = {
    54: "  ",
    47: ", ",
    46: ": ",
    45: "00in",
    43: "0.atra",
    42: ' " 1 tchertetr',
    41: '":.0:0enlomeonorssstti',
    40: " laialesh leosrerota",
    39: "01dengocpo",
    38: " -0220arepetg itnts:",
    37: " |/s0:113.:1Epacdaediolin_neplsethut| ",
    36: '--.11.10121419IN] adamcoe"immamsninoous/tc',
    35: " ' ( B [ w\",##-0.2.90306131516182.3450:3[0ecelmpodotpes=t_",
    34: ' {.3.80,0/05172225262730404456::Ba_lanavcacedihelrpyr:t/va{"',
    33: "',.4.5/1/m0407091,21232829313237416090=1==FONF_te_fiicilkellmoompapurmurvevg",
    32: ' S.7.p/2082,24334.43486364666870738084:2=0[3[E_sagbeccevgeghhohrndnupprds,ugulunwoy"',
    31: ".63536383945495,525455575962657583879295979899O:backcuexg:hplup_rkum",
    30: "\"f\"m%|'O):4,46475358697476778,888996<0=2K MLO'_mfoizze",
    29: '"v78:MERLLOGyp}}',
    28: "LO",
}
#: How much more frequent these are.
_MORE = {
    (ord(text[i]), ord(text[i + 1])): 2.0 ** ((scale - 72) / 4) - SHARE[ord(text[i])] * SHARE[ord(text[i + 1])]
    for scale, text in _FREQUENT.items()
    for i in range(0, len(text), 2)
}
# The same, by the first byte.
_MORE_BEHIND = {
    first: [(second, share) for (one, second), share in _MORE.items() if one == first]
    for first in {a for a, _ in _MORE}
}
BUCKETS = 8
WINDOW = 8
# So many fingerprints are moved between the buckets, so many times.
_FEW, _TURNS = 32, 4


class Group(NamedTuple):
    """Literals that share a fingerprint. ``second`` is -1 for a fingerprint of one byte."""

    first: int
    second: int
    bucket: int
    window: int
    width: int
    literals: tuple[int, ...]


class Search(NamedTuple):
    """The core's search is built from this. ``places[i]`` is where literal i has its fingerprint."""

    places: tuple[int, ...]
    groups: tuple[Group, ...]


_Groups: TypeAlias = list[tuple[tuple[int, int], tuple[int, ...]]]


def weight(literal: bytes) -> float:
    """The expected frequency, per place of a log, of the rarest two bytes of a literal."""
    if len(literal) == 1:
        return SHARE[literal[0]]
    return min(SHARE[a] * SHARE[b] for a, b in pairwise(literal))


def is_above(literal: bytes, share: float) -> bool:
    """Whether the weight of a literal is above a share; for most literals, the first bytes decide."""
    if len(literal) == 1:
        return SHARE[literal[0]] > share
    return all(SHARE[a] * SHARE[b] > share for a, b in pairwise(literal))


def choose(literals: list[bytes], hidden: AbstractSet[int] = frozenset()) -> Search:
    """Choose fingerprints for distinct, non-empty literals.

    A greedy cover: each step takes the pair of bytes with the least expected frequency per literal that it serves. A
    thousand literals with a common prefix get a handful of fingerprints from that prefix.

    Parameters
    ----------
    literals : list of bytes
    hidden : set of int
        Those that are rare in logs. If they can, they take no two bytes that stand in the others, which are frequent: each
        place of a fingerprint costs time, and more if literals share it.
    """
    others = set(range(len(literals))) - hidden
    groups = _cover(literals, others, set())
    if hidden:
        groups += _cover(literals, set(hidden), {pair for index in others for pair in _pairs(literals[index])})
    return _search(literals, groups)


def _pairs(literal: bytes) -> list[tuple[int, int]]:
    return [(literal[0], -1)] if len(literal) == 1 else list(pairwise(literal))


def _cover(literals: list[bytes], some: set[int], taken: set[tuple[int, int]]) -> _Groups:
    """Pairs of bytes, each with those of some literals that it serves.

    Pairs that are taken serve only literals without another one.
    """
    holders: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for index in some:
        pairs = _pairs(literals[index])
        for pair in [pair for pair in pairs if pair not in taken] or pairs:
            holders[pair].add(index)
    # A hit costs the same in any group, and each further group costs a little even if it never occurs, because it makes
    # the buckets less exact.
    cost = {(a, b): SHARE[a] * (SHARE[b] if b >= 0 else 1.0) + _MORE.get((a, b), 0.0) + 1e-6 for a, b in holders}
    heap = [(cost[pair] / len(some), pair, len(some)) for pair, some in holders.items()]
    heapq.heapify(heap)
    open_literals = set(some)
    chosen: _Groups = []
    while open_literals:
        _, pair, size = heapq.heappop(heap)
        mine = holders[pair] & open_literals
        if not mine:
            continue
        if len(mine) < size:
            heapq.heappush(heap, (cost[pair] / len(mine), pair, len(mine)))
            continue
        chosen.append((pair, tuple(sorted(mine))))
        open_literals -= mine
    return chosen


def _search(literals: list[bytes], chosen: _Groups) -> Search:
    """The places and groups of these fingerprints, with the members of one that was chosen twice together."""
    members_of: dict[tuple[int, int], tuple[int, ...]] = {}
    for pair, members in chosen:
        members_of[pair] = tuple(sorted(members_of.get(pair, ()) + members))
    places = [0] * len(literals)
    buckets = _assign_buckets(list(members_of))
    groups = []
    for (pair, members), bucket in zip(members_of.items(), buckets, strict=True):
        for index in members:
            places[index] = literals[index].find(bytes(byte for byte in pair if byte >= 0))
        window, width = _window([(literals[index], places[index]) for index in members])
        groups.append(Group(*pair, bucket, window, width, members))
    return Search(tuple(places), tuple(groups))


def _window(members: list[tuple[bytes, int]]) -> tuple[int, int]:
    """The bytes around the fingerprint, at most eight, that all members have and that distinguish most of them."""
    before = min(place for _, place in members)
    after = min(len(literal) - place for literal, place in members)
    if before + after <= WINDOW:
        return -before, before + after
    starts = range(-before, after - WINDOW + 1)
    if len(members) == 1:
        # the window lies at an end of the literal, so that two windows cover up to sixteen bytes
        return (-before if before <= after else after - WINDOW), WINDOW
    best = max(starts, key=lambda start: len({text[place + start : place + start + WINDOW] for text, place in members}))
    return best, WINDOW


def _assign_buckets(pairs: list[tuple[int, int]]) -> list[int]:
    """Spread fingerprints over the eight buckets.

    A bucket also matches mixtures of its fingerprints, nibble by nibble; each fingerprint goes to the bucket where it
    adds the fewest such false matches. If there are few, each is then moved to where it adds fewer beside all others: over
    45 real logs that halves the false matches.
    """
    if len(pairs) <= BUCKETS:
        return list(range(len(pairs)))
    members: list[list[int]] = [[] for _ in range(BUCKETS)]
    nibbles = [_nibbles(pair) for pair in pairs]
    shares: dict[tuple[int, ...], float] = {(): 0.0}

    def share(some: Sequence[int]) -> float:
        key = tuple(sorted(some))
        if key not in shares:
            shares[key] = _answered(
                [set().union(*of_each) for of_each in zip(*(nibbles[one] for one in key), strict=True)]
            )
        return shares[key]

    result = [-1] * len(pairs)
    for turn in range(_TURNS if len(pairs) <= _FEW else 1):
        before = list(result)
        for index, bucket in enumerate(before):
            if turn:
                members[bucket].remove(index)
            added = [share([*some, index]) - share(some) for some in members]
            result[index] = added.index(min(added))
            members[result[index]].append(index)
        if result == before:
            break
    return result


def _nibbles(pair: tuple[int, int]) -> tuple[set[int], set[int], set[int], set[int]]:
    first, second = pair
    every = set(range(16))
    low, high = ({second & 15}, {second >> 4}) if second >= 0 else (every, every)
    return {first & 15}, {first >> 4}, low, high


def _answered(sets: list[set[int]]) -> float:
    """The share of places that a bucket with these nibbles matches."""
    low0, high0, low1, high1 = sets
    firsts = [high << 4 | low for high in high0 for low in low0]
    seconds = {high << 4 | low for high in high1 for low in low1}
    more = sum(share for first in firsts for second, share in _MORE_BEHIND.get(first, ()) if second in seconds)
    return float(sum(SHARE[one] for one in firsts) * sum(SHARE[one] for one in seconds) + more)
