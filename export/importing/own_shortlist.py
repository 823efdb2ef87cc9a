"""The vocabulary shortlist of an import: of the model's own translations, as its training corpora are not at hand."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from export.checkpoints.imported import Imported
from export.importing.int8 import GUARD_SENTENCES, Floors, first, part
from export.importing.text import Direction, agreement, translate
from export.session import GraphSession
from export.shortlist import build_shortlist, split_output
from models.encoder_decoder import EncoderDecoder
from server.bundle.manifest import ENCODER, FEATURES_STEP, OUTPUT_STEP, SHORTLIST, STEP
from server.bundle.shortlist import write_shortlist


def add_own_shortlist(
    imported: Imported, model: EncoderDecoder, folder: Path, directions: Sequence[Direction], floors: Floors
) -> tuple[bool, str]:
    """Make a shortlist for int8 graphs, and keep it where sentences that it is not made from are translated as without
    it. Returns whether there is one now, and what to say of it."""
    num_further = sum(len(direction.sentences) for direction in directions) - GUARD_SENTENCES
    if len(directions) > 1:
        return False, "none: it is made for models of one pair"
    if num_further < floors.shortlist_sentences:
        return False, f"none: it takes --text of {GUARD_SENTENCES + floors.shortlist_sentences} sentences"
    print(f"translating {num_further} sentences for the shortlist", flush=True)
    session = GraphSession(folder / ENCODER, folder / STEP, model.state)
    further = part(directions[0], slice(GUARD_SENTENCES, None))
    guards = first(directions, GUARD_SENTENCES)
    targets = translate(session, [further])[0]
    whole_step = folder / f"whole.{STEP}"
    shutil.copyfile(folder / STEP, whole_step)
    layer = split_output(folder / STEP, folder / FEATURES_STEP, folder / OUTPUT_STEP)
    if layer is None:
        whole_step.unlink()
        return False, "none: the output layer cannot be cut off"
    sources = [further.text.pieces(sentence) for sentence in further.sentences]
    source_vocabulary = None if imported.shares_vocabulary else imported.settings.source_vocabulary
    shortlist = build_shortlist(sources, targets, layer, imported.eos_id, source_vocabulary)
    kept = agreement(translate(session, guards, shortlist), translate(session, guards))
    said = f"from {num_further} translations; BLEU {kept:.1f} with it against without on others"
    if kept < floors.shortlist_agreement:
        whole_step.replace(folder / STEP)
        for name in (FEATURES_STEP, OUTPUT_STEP):
            (folder / name).unlink()
        return False, f"none: {said}, at least {floors.shortlist_agreement:g} expected"
    whole_step.unlink()
    write_shortlist(folder / SHORTLIST, shortlist)
    return True, said
