"""Where the tags of a segment's elements go among the words and protected spans of its translation, the items."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from server.text.alignment import Bool, Float32, Int64
from server.text.gaps import gap_costs
from server.text.segment import Element
from server.text.steps import Steps

_ELEMENTS_A_STEP = 8
_LEAST_SHARE = 0.1
"""How much a word has to attend to what an element encloses to be put into it, by what it attends to most."""
_NOBODY = -1


@dataclass(frozen=True)
class Items:
    """The words and the protected spans of a translation, in order, by what they translate."""

    first: Int64
    """Position of the first code point in the segment's text, int64 [items]."""
    last: Int64
    """Of the last one; one less than `first` for a span without text."""
    source_words: Int64
    """Positions of the first and the last code point of each word of the source, int64 [source words, 2]."""
    shares: Float32
    """How much each item attends to each of these, by what it attends to most, float32 [items, source words]; nothing
    for protected spans."""
    lone_tags: Sequence[int] = ()
    """Which of them are tags whose partners are not in the segment, ascending."""

    def __len__(self) -> int:
        return len(self.first)

    def enclosed_by(self, element: Element) -> Bool:
        """Which items an element encloses, also in part, bool [items]. A span without text is in the element that
        begins where it stands, not in the one that ends there."""
        if element.start == element.end:
            return (self.first == element.start) & (self.last < element.start)
        return (self.first < element.end) & ((self.last >= element.start) | (self.first == element.start))

    def attending_to(self, element: Element, low: int, high: int) -> Float32:
        """How much each item from one to another attends to that word of what an element encloses to which it attends
        most, float32 [high - low]."""
        firsts, lasts = self.source_words.T
        of_element = self.shares[low:high, (firsts < element.end) & (lasts >= element.start)]
        return of_element.max(axis=1, initial=0.0)


@dataclass(frozen=True)
class Tags:
    """What is written in each gap: before the first item, between two, and behind the last one, [items + 1]."""

    before_blank: list[str]
    behind_blank: list[str]


def place_tags(elements: Sequence[Element], items: Items, text: str) -> Steps[Tags]:
    """Every tag once, properly nested, around the items that its element enclosed.

    An element gets the contiguous range of items, within its parent's and disjoint from its siblings', that has most
    enclosed ones more than others. One that has none gets the item that attends most to what it enclosed, if it attends
    to it at all, as two words may have become one. What is left is put where it stood, within its parent and in no
    sibling. None goes over a lone tag that it did not enclose.

    elements: in the order of their opening tags; nested or disjoint.
    text: the segment's.
    """
    tree = _Tree(sorted(elements, key=lambda element: element.start), items)
    yield from tree.place_ranges(items)
    yield from tree.place_second_choices(items)
    yield from tree.place_points(items, len(text))
    return (yield from tree.write(text))


class _Tree:
    """Elements, in the order of their opening tags, and where each is: the gaps of its two tags."""

    def __init__(self, elements: Sequence[Element], items: Items) -> None:
        self._elements = elements
        self._num_items = num_items = len(items)
        self._lone_tags = items.lone_tags
        self._places_of_lone_tags = [int(items.first[item]) for item in items.lone_tags]
        self._parents: list[int] = []
        self._children: dict[int, list[int]] = {_NOBODY: []}
        self._gaps: dict[int, tuple[int, int]] = {_NOBODY: (0, num_items)}
        self._with_items: set[int] = set()
        self._owners = np.full(num_items, _NOBODY)
        """The innermost element of each item."""
        open_: list[int] = []
        for number, element in enumerate(elements):
            while open_ and element.end > elements[open_[-1]].end:
                open_.pop()
            self._parents.append(open_[-1] if open_ else _NOBODY)
            self._children[self._parents[-1]].append(number)
            self._children[number] = []
            open_.append(number)

    def place_ranges(self, items: Items) -> Steps[None]:
        """Give items to the elements that get any."""
        for number, element in enumerate(self._elements):
            if number % _ELEMENTS_A_STEP == 0:
                yield
            parent = self._parents[number]
            if parent not in self._gaps:
                continue
            low, high = self._room(number)
            start, end = _best_range(items.enclosed_by(element)[low:high], self._owners[low:high] == parent)
            if start < end:
                self._give(number, low + start, low + end)

    def place_second_choices(self, items: Items) -> Steps[None]:
        """Give each element that has enclosed something, and has no item yet, the one that attends most to that: an
        item that no other element has but its parent."""
        for number, element in enumerate(self._elements):
            if number % _ELEMENTS_A_STEP == 0:
                yield
            parent = self._parents[number]
            is_empty = element.start == element.end
            if is_empty or number in self._with_items or parent not in self._gaps:
                continue
            low, high = self._room(number)
            shares = np.where(self._owners[low:high] == parent, items.attending_to(element, low, high), 0.0)
            if shares.max(initial=0.0) >= _LEAST_SHARE:
                item = low + int(shares.argmax())
                self._give(number, item, item + 1)

    def _give(self, number: int, start: int, end: int) -> None:
        self._gaps[number] = start, end
        self._owners[start:end] = number
        self._with_items.add(number)

    def place_points(self, items: Items, text_length: int) -> Steps[None]:
        """Put the others where they stood."""
        insides: dict[int, Bool] = {}
        for number, element in enumerate(self._elements):
            if number % _ELEMENTS_A_STEP == 0:
                yield
            if number in self._with_items:
                continue
            parent = self._parents[number]
            if parent not in insides:
                insides[parent] = self._inside_children(parent)
            low, high = self._room(number)
            costs = gap_costs(items.first, element.start, element.start / max(text_length, 1))
            costs[insides[parent]] = np.inf
            gap = low + int(costs[low : high + 1].argmin())
            self._gaps[number] = gap, gap

    def _room(self, number: int) -> tuple[int, int]:
        """The first and last gap that an element's tags may be in."""
        element, (low, high) = self._elements[number], self._gaps[self._parents[number]]
        before = bisect_right(self._places_of_lone_tags, element.start)
        behind = max(before, bisect_left(self._places_of_lone_tags, element.end))
        first = self._lone_tags[before - 1] + 1 if before else low
        last = self._lone_tags[behind] if behind < len(self._lone_tags) else high
        first, last = max(first, low), min(last, high)
        return (first, last) if first <= last else (low, high)

    def _inside_children(self, parent: int) -> Bool:
        """Which gaps are between two items of one child, bool [items + 1]."""
        is_inside = np.zeros(self._num_items + 1, bool)
        for child in self._children[parent]:
            if child in self._with_items:
                start, end = self._gaps[child]
                is_inside[start + 1 : end] = True
        return is_inside

    def write(self, text: str) -> Steps[Tags]:
        before, behind = [""] * (self._num_items + 1), [""] * (self._num_items + 1)
        stack = [(child, True) for child in self._in_place(_NOBODY)]
        num_written = 0
        while stack:
            number, is_opening = stack.pop()
            element = self._elements[number]
            start, end = self._gaps[number]
            gap, tag = (start, element.opening) if is_opening else (end, element.closing)
            if is_opening:
                stack.append((number, False))
                stack.extend((child, True) for child in self._in_place(number))
            if number in self._with_items:
                if is_opening:
                    behind[gap] += tag
                else:
                    before[gap] += behind[gap] + tag
                    behind[gap] = ""
            elif behind[gap] or (is_opening and not _is_glued(text, element.start)):
                behind[gap] += tag
            else:
                before[gap] += tag
            num_written += 1
            if num_written % (4 * _ELEMENTS_A_STEP) == 0:
                yield
        return Tags(before, behind)

    def _in_place(self, parent: int) -> list[int]:
        """Its children, the last one in the translation first."""
        return sorted(self._children[parent], key=self._gaps.__getitem__)[::-1]


def _best_range(is_enclosed: Bool, is_free: Bool) -> tuple[int, int]:
    """The shortest range of free items that has most enclosed ones more than others; an empty one if there is none."""
    if not (is_enclosed & is_free).any():
        return 0, 0
    values = np.where(is_free, np.where(is_enclosed, 1, -1), -len(is_enclosed) - 1)
    sums = np.concatenate([[0], np.cumsum(values)])
    lowest = np.minimum.accumulate(sums)[:-1]
    end = int((sums[1:] - lowest).argmax()) + 1
    start = int(np.flatnonzero(sums[:end] == lowest[end - 1])[-1])
    return start, end


def _is_glued(text: str, at: int) -> bool:
    return at > 0 and not text[at - 1].isspace()
