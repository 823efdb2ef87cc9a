"""From the attention between tokens to pairs of words."""

from collections.abc import Sequence

import numpy as np

from server.messages.hypothesis import Float32
from server.text.pieces import WORD_START


def word_numbers(pieces: Sequence[str]) -> list[int]:
    """The word that each piece belongs to, counted from 0; words are what white space separates."""
    numbers: list[int] = []
    number, is_inside = -1, False
    for piece in pieces:
        if piece.startswith(WORD_START) or not is_inside:
            number += 1
            is_inside = False
        numbers.append(number)
        if piece == WORD_START and not is_inside:
            number -= 1  # the word itself is still to come
        else:
            is_inside = True
    return [min(index, max(number, 0)) for index in numbers]  # a space at the end is no word


def num_words(pieces: Sequence[str]) -> int:
    return max(word_numbers(pieces), default=-1) + 1


def word_pairs(
    source_pieces: Sequence[str], output_pieces: Sequence[str], attention: Sequence[Float32]
) -> list[tuple[int, int]]:
    """(source word, output word) for every output word: the source word that its tokens attend to most.

    `attention`: of each output piece, over the source pieces and then the source's end, which is no word.
    """
    if not source_pieces or not output_pieces:
        return []
    source_words, output_words = np.array(word_numbers(source_pieces)), np.array(word_numbers(output_pieces))
    weights = np.stack(attention[: len(output_pieces)])[:, : len(source_pieces)]
    by_word = np.zeros((output_words[-1] + 1, source_words[-1] + 1))
    np.add.at(by_word, (output_words[:, None], source_words[None, :]), weights)
    return [(int(source), output) for output, source in enumerate(by_word.argmax(axis=1))]
