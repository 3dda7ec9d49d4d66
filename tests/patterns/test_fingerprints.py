"""Which two bytes of each literal are searched."""

from __future__ import annotations

from metricscan.patterns.fingerprints import choose


def pairs(literals: list[bytes], hidden: frozenset[int] = frozenset()) -> list[bytes]:
    chosen = choose(literals, hidden)
    return [text[place : place + 2] for text, place in zip(literals, chosen.places, strict=True)]


def test_a_hidden_literal_takes_no_two_bytes_of_the_others() -> None:
    literals = [b"training loss ", b"mIoU: ", b"rate-limiting", b"U:-"]
    assert pairs(literals, frozenset({2, 3}))[:2] == pairs(literals[:2])
    assert pairs(literals, frozenset({2, 3}))[2:] == [b"-l", b":-"]


def test_a_hidden_literal_shares_its_fingerprint_if_it_has_no_other_one() -> None:
    chosen = choose([b"xy loss", b"xy"], frozenset({1}))
    assert chosen.places == (0, 0)
    assert [group.literals for group in chosen.groups] == [(0, 1)]


def test_pairs_that_are_more_frequent_than_their_bytes_are_avoided() -> None:
    # % and | are rare, but progress bars write %|
    assert pairs([b"%|qz"]) != [b"%|"]
