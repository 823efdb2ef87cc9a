"""The vocabulary shortlist of an import: the one that it came with, or, as its training corpora are not at hand, one of
the model's own translations."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from export.checkpoints.imported import Imported, LexicalShortlist
from export.importing.int8 import GUARD_SENTENCES, Floors, first, part
from export.importing.text import Direction, agreement, translate
from export.session import GraphSession
from export.shortlist import OutputLayer, build_shortlist, split_output
from models.encoder_decoder import EncoderDecoder
from server.bundle.manifest import ENCODER, FEATURES_STEP, OUTPUT_STEP, SHORTLIST, STEP
from server.bundle.shortlist import Shortlist, write_shortlist


def add_shortlist(
    imported: Imported, model: EncoderDecoder, folder: Path, directions: Sequence[Direction], floors: Floors
) -> tuple[bool, str]:
    """Give int8 graphs a shortlist, and keep it where sentences that it is not made from are translated as without it.
    Returns whether there is one now, and what to say of it."""
    num_further = sum(len(direction.sentences) for direction in directions) - GUARD_SENTENCES
    if len(directions) > 1:
        return False, "none: it is made for models of one pair"
    if not imported.shortlist and num_further < floors.shortlist_sentences:
        return False, f"none: it takes --text of {GUARD_SENTENCES + floors.shortlist_sentences} sentences"
    session = GraphSession(folder / ENCODER, folder / STEP, model.state)
    guards = first(directions, GUARD_SENTENCES)
    whole_step = folder / f"whole.{STEP}"
    shutil.copyfile(folder / STEP, whole_step)
    layer = split_output(folder / STEP, folder / FEATURES_STEP, folder / OUTPUT_STEP)
    if layer is None:
        whole_step.unlink()
        return False, "none: the output layer cannot be cut off"
    if imported.shortlist:
        made, origin = with_lists(imported, imported.shortlist, layer), "from the checkpoint's lex.*.bin"
    else:
        print(f"translating {num_further} sentences for the shortlist", flush=True)
        further = part(directions[0], slice(GUARD_SENTENCES, None))
        made, origin = from_translations(imported, further, session, layer), f"from {num_further} translations"
    kept = agreement(translate(session, guards, made), translate(session, guards))
    said = f"{origin}; BLEU {kept:.1f} with it against without on others"
    if kept < floors.shortlist_agreement:
        whole_step.replace(folder / STEP)
        for name in (FEATURES_STEP, OUTPUT_STEP):
            (folder / name).unlink()
        return False, f"none: {said}, at least {floors.shortlist_agreement:g} expected"
    whole_step.unlink()
    write_shortlist(folder / SHORTLIST, made)
    return True, said


def with_lists(imported: Imported, lists: LexicalShortlist, layer: OutputLayer) -> Shortlist:
    """The lists that came with the checkpoint, and on them, as in Marian, the source tokens themselves where both sides
    share a vocabulary: a name is often written as it is. The first decoder input, which the checkpoint does not number,
    puts nothing on a list."""
    num_sources = len(lists.candidates)
    candidates = np.full((imported.settings.source_vocabulary, lists.candidates.shape[1] + 1), -1)
    candidates[:num_sources, 1:] = lists.candidates
    if imported.shares_vocabulary:
        candidates[:num_sources, 0] = np.arange(num_sources)
    return Shortlist(np.unique(np.append(lists.frequent, imported.eos_id)), candidates, *layer)


def from_translations(imported: Imported, direction: Direction, session: GraphSession, layer: OutputLayer) -> Shortlist:
    """Lists of what the model writes for sentences."""
    targets = translate(session, [direction])[0]
    sources = [direction.text.pieces(sentence) for sentence in direction.sentences]
    source_vocabulary = None if imported.shares_vocabulary else imported.settings.source_vocabulary
    return build_shortlist(sources, targets, layer, imported.eos_id, source_vocabulary)
