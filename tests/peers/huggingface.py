"""Small random checkpoints in transformers and imported: log-probabilities, greedy translations, and ids of texts."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from export.checkpoints import read_checkpoint
from export.checkpoints.imported import Imported
from export.checkpoints.piece_text import PieceText
from models.beam_search import BeamOptions, beam_search
from models.encoder_decoder import EncoderDecoder
from models.seq2seq import OutputIds
from tests.export.checkpoints.folders import Folder, Layout
from tests.export.checkpoints.parity import (
    SOURCES,
    STRIDE,
    TARGET,
    TOLERANCE,
    greedy,
    imported_log_probs,
    parity_folders,
    write_golden,
)

NUM_TOKENS = 20
"""Tokens that are decoded greedily."""

NUM_BEAMS = 4

TEXTS = ("A dog is here.", "  two  spaces", "Ünknown ☃ pieces, 12", "")


def compare(write: bool = False) -> list[str]:
    """What differs, in words; also prints how much each kind does. write: the golden file, too."""
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    problems: list[str] = []
    golden: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        for kind, folder in parity_folders(Path(name)).items():
            theirs, difference, differing = _compare_kind(folder)
            print(
                f"{kind}: log-probabilities differ by {difference:.1e} nats at most; {differing or 'all outputs equal'}"
            )
            golden[kind] = [[round(value, 5) for value in row] for row in theirs[:, ::STRIDE].tolist()]
            if not difference <= TOLERANCE:
                problems.append(f"{kind}: {difference} nats from transformers, at most {TOLERANCE} allowed")
            problems += [f"{kind}: {problem}" for problem in differing]
    if write:
        write_golden(golden)
    return problems


@torch.inference_mode()
def _compare_kind(folder: Folder, layout: Layout = "safetensors") -> tuple[Tensor, float, list[str]]:
    """Their log-probabilities along one target, [target, vocabulary]; the largest difference; other differences."""
    path = folder.write(layout)
    imported = read_checkpoint(path)
    model = EncoderDecoder(imported.settings).eval()
    model.load_state_dict(imported.weights)
    target = imported.languages[-1].target_id
    forced = [target] if imported.forced_target and target is not None else []
    model.output_ids = OutputIds(
        start=(imported.start_id, *forced), eos=imported.eos_id, never_written=imported.never_written
    )
    peer = transformers.AutoModelForSeq2SeqLM.from_pretrained(path, dtype=torch.float32).eval()
    first: Tensor | None = None
    difference = 0.0
    differing = []
    for source in SOURCES:
        decoder_ids = torch.tensor([[imported.start_id, *TARGET]])
        theirs = peer(input_ids=torch.tensor([source]), decoder_input_ids=decoder_ids).logits[0].log_softmax(dim=-1)
        difference = max(difference, float((theirs - imported_log_probs(model, imported, source)).abs().max()))
        first = theirs if first is None else first
        written = peer.generate(
            input_ids=torch.tensor([source]),
            decoder_input_ids=torch.tensor([[imported.start_id, *forced]]),
            num_beams=1,
            do_sample=False,
            max_new_tokens=NUM_TOKENS - len(forced),
            suppress_tokens=[*imported.never_written, imported.eos_id],
            forced_eos_token_id=None,
            forced_bos_token_id=None,
        )[0].tolist()
        ours = greedy(model, imported, source, forced, NUM_TOKENS)
        if written[1:] != ours:
            differing.append(f"greedy: {written[1:]} by transformers, {ours} imported")
        differing += _differing_beams(peer, model, source, forced)
    assert first is not None
    differing += _differing_ids(path, imported) + _differing_when_saved(path, imported, peer)
    return first, difference, differing


def _differing_beams(peer: Any, model: EncoderDecoder, source: Sequence[int], forced: Sequence[int]) -> list[str]:
    """The best of four beams of both, ranked by the log-probability alone: the one score that both define alike."""
    ids = model.output_ids
    theirs = peer.generate(
        input_ids=torch.tensor([source]),
        decoder_input_ids=torch.tensor([ids.start]),
        num_beams=NUM_BEAMS,
        length_penalty=0.0,
        early_stopping=False,
        do_sample=False,
        min_new_tokens=1,
        max_new_tokens=NUM_TOKENS - len(forced),
        suppress_tokens=[*ids.never_written],
        renormalize_logits=False,
        forced_eos_token_id=None,
        forced_bos_token_id=None,
        bad_words_ids=None,
    )[0].tolist()[len(ids.start) :]
    theirs = theirs[: theirs.index(ids.eos)] if ids.eos in theirs else theirs
    options = BeamOptions(beam_size=NUM_BEAMS, length_penalty=0.0)
    ours = beam_search(model, source, options, max_output_tokens=NUM_TOKENS - len(forced))[0].ids
    return [f"{NUM_BEAMS} beams: {theirs} by transformers, {ours} imported"] if theirs != ours else []


def _differing_when_saved(path: Path, imported: Imported, peer: Any) -> list[str]:
    """What is imported otherwise once the toolkit of today has read the checkpoint and saved it again."""
    saved = path.with_name(f"{path.name}-saved")
    peer.save_pretrained(saved)
    transformers.AutoTokenizer.from_pretrained(path).save_pretrained(saved)
    for pieces in (*path.glob("*.spm"), *path.glob("*.bpe.model")):  # version 5 saves none of some kinds
        shutil.copy(pieces, saved)
    again = read_checkpoint(saved)
    names = ["family", "source_template", "start_id", "unknown_id", "settings"]
    if imported.family != "nllb":  # version 5 adds the tokens of all 202 languages to the few that are here
        names += ["languages", "never_written"]
    differing = [
        f"saved again: {name} is {getattr(again, name)!r}, it was {getattr(imported, name)!r}"
        for name in names
        if getattr(again, name) != getattr(imported, name)
    ]
    return differing + [
        f"saved again: {name} differs"
        for name, tensor in imported.weights.items()
        if not torch.equal(tensor, again.weights[name])
    ]


def _differing_ids(path: Path, imported: Imported) -> list[str]:
    """Texts whose ids are others by the checkpoint's own tokenizer. Language tokens are written as it wants them."""
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    except Exception as error:
        return [f"tokenizer: {type(error).__name__}: {error}"]
    source = next(language for language in imported.languages if language.is_source)
    target = next(language for language in reversed(imported.languages) if language.is_target)
    prefix = ""
    if imported.family == "marian" and target.target_id is not None:
        assert imported.source.names is not None
        prefix = imported.source.names[target.target_id] + " "
    elif source.source_id is not None:
        assert imported.source.names is not None
        tokenizer.src_lang = imported.source.names[source.source_id].strip("_")
    text = PieceText(imported, source, target)
    # The vocabulary of a real NLLB is a BPE; here it is not, and what transformers makes of it says nothing.
    texts = TEXTS[-1:] if imported.family == "nllb" else TEXTS
    return [
        f"ids of {content!r}: {theirs} by transformers, {text.encode(content)} imported"
        for content in texts
        if (theirs := tokenizer(prefix + content).input_ids) != text.encode(content)
    ]
