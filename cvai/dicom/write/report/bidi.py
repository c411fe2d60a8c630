"""Lines of mixed direction: the Unicode Bidirectional Algorithm (UAX 9) for text without explicit controls.

Names need no more of it. Controls that would turn the direction (U+202E and its like) are no part of a name,
and are left out before: see ``cvai.dicom.read.header.text``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_STRONG = {"L": "L", "R": "R", "AL": "R"}
_NEUTRAL = frozenset({"B", "S", "WS", "ON"})


def levels_of(text: str) -> list[int]:
    """Embedding level of every character: even reads from left to right, odd from right to left.

    The direction of the line is that of its first letter (rules P2, P3).

    >>> levels_of("a-1"), levels_of("\\u05d0-1")
    ([0, 0, 0], [1, 1, 2])
    """
    classes = [unicodedata.bidirectional(c) or "L" for c in text]
    base = next((int(_STRONG[c] == "R") for c in classes if c in _STRONG), 0)
    sides = _resolved_neutrals(_resolved_weak(classes, "R" if base else "L"), base)
    levels = [_level(side, base) for side in sides]
    for place in range(len(text) - 1, -1, -1):  # L1
        if classes[place] not in ("WS", "S", "B"):
            break
        levels[place] = base
    return levels


def visual_order(levels: Sequence[int]) -> list[int]:
    """Places in the order in which they stand on the line, from the left (rule L2).

    >>> visual_order([0, 1, 1, 0])
    [0, 2, 1, 3]
    """
    order = list(range(len(levels)))
    for level in range(max(levels, default=0), 0, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= level:
                end += 1
            order[start:end] = reversed(order[start:end])
            start = max(end, start + 1)
    return order


def _level(side: str, base: int) -> int:
    """Rules I1 and I2."""
    if base == 0:
        return {"L": 0, "R": 1}.get(side, 2)
    return {"R": 1}.get(side, 2)


def _resolved_weak(classes: Sequence[str], start: str) -> list[str]:
    """Rules W1 to W7: letters L and R, numbers EN and AN, and neutrals ON are left."""
    found = list(classes)
    strong, before = start, start
    for place, kind in enumerate(classes):
        if kind in ("NSM", "BN"):  # W1
            found[place] = before
        elif kind == "EN" and strong == "AL":  # W2
            found[place] = "AN"
        if kind in _STRONG:
            strong = kind
        before = found[place]
    found = ["R" if kind == "AL" else kind for kind in found]  # W3
    _join_numbers(found)
    strong = start
    for place, kind in enumerate(found):
        if kind in ("ES", "ET", "CS"):  # W6
            found[place] = "ON"
        elif kind == "EN" and strong == "L":  # W7
            found[place] = "L"
        elif kind in ("L", "R"):
            strong = kind
    return found


def _join_numbers(found: list[str]) -> None:
    """Rules W4 and W5: a separator between two numbers, and terminators beside one, belong to the number."""
    for place in range(1, len(found) - 1):
        around = found[place - 1], found[place + 1]
        if (found[place] in ("ES", "CS") and around == ("EN", "EN")) or (
            found[place] == "CS" and around == ("AN", "AN")
        ):
            found[place] = around[0]
    for places in (range(len(found)), range(len(found) - 1, -1, -1)):
        beside = False
        for place in places:
            if found[place] == "ET" and beside:
                found[place] = "EN"
            beside = found[place] == "EN"


def _resolved_neutrals(found: list[str], base: int) -> list[str]:
    """Rules N1 and N2: neutrals take the side of what surrounds them where both agree, else the line's."""
    sides = list(found)
    own = "R" if base else "L"
    place = 0
    while place < len(found):
        if found[place] not in _NEUTRAL:
            place += 1
            continue
        end = place
        while end < len(found) and found[end] in _NEUTRAL:
            end += 1
        before = _side(found[place - 1]) if place else own
        after = _side(found[end]) if end < len(found) else own
        sides[place:end] = [before if before == after else own] * (end - place)
        place = end
    return sides


def _side(kind: str) -> str:
    return "L" if kind == "L" else "R"
