"""The tokenizers of a bundle, opened as its manifest says."""

import json
from typing import Literal

from server.bundle.languages import SOURCE_TOKEN, TARGET_TOKEN, Template
from server.bundle.manifest import Bundle, BundleError, Manifest
from server.text.sentencepieces import SentencePieceTokenizer
from server.text.tabled_pieces import TabledTokenizer
from server.text.tokenizer import Tokenizer, Tokenizers

Side = Literal["source", "target"]


def open_tokenizers(bundle: Bundle) -> Tokenizers:
    """Raises BundleError for one that cannot be read, or is not this model's."""
    manifest = bundle.manifest
    source = open_tokenizer(bundle, "source")
    are_one = manifest.source_tokenizer == manifest.target_tokenizer
    return Tokenizers(source, source if are_one else open_tokenizer(bundle, "target"))


def open_tokenizer(bundle: Bundle, side: Side) -> Tokenizer:
    """Raises BundleError for one that cannot be read, or is not this model's."""
    manifest = bundle.manifest
    spec = manifest.source_tokenizer if side == "source" else manifest.target_tokenizer
    size = manifest.source_vocabulary_size if side == "source" else manifest.target_vocabulary_size
    path, names = bundle.path(spec.sentencepiece), None
    ids = manifest.special_ids
    special = _special_ids(manifest, side)
    try:
        tokenizer: Tokenizer = SentencePieceTokenizer(path, ids.eos)
        if spec.pieces:
            path = bundle.path(spec.pieces)
            names = _read_table(path.read_text(encoding="utf-8"))
    except (OSError, RuntimeError, ValueError) as error:
        raise BundleError(f"{path}: {error}") from error
    number = len(tokenizer.names if names is None else names)
    if number != size:
        raise BundleError(f"{path}: {number} pieces, the manifest's {side}_vocabulary_size is {size}")
    if names is not None or any(tokenizer.texts[id_] for id_ in special):
        tokenizer = TabledTokenizer(bundle.path(spec.sentencepiece), names, special, ids.eos, ids.unknown)
    lacking = [f"U+{ord(piece):04X}" for piece in manifest.span_pieces if piece not in tokenizer.names]
    if lacking:
        raise BundleError(f"{path}: no piece for {', '.join(lacking)}, of the manifest's span_pieces")
    return tokenizer


def _read_table(content: str) -> list[str]:
    """Raises ValueError for what is no list of texts."""
    names = json.loads(content)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("a list of texts, the piece of every id, expected")
    return names


def _special_ids(manifest: Manifest, side: Side) -> frozenset[int]:
    """Ids of one side that stand for no text. Where the sides number their pieces alike, they are those of both."""
    ids = manifest.special_ids
    of_source = {*_template_ids(manifest, manifest.source_template)}
    of_target = {ids.start, ids.eos, *ids.never_written, *_template_ids(manifest, manifest.forced_target)}
    special = of_source | of_target if manifest.shares_vocabulary else of_source if side == "source" else of_target
    return frozenset(special | ({ids.unknown} if ids.unknown is not None else set()))


def _template_ids(manifest: Manifest, template: Template) -> list[int]:
    ids: list[int | None] = [item for item in template if isinstance(item, int)]
    if SOURCE_TOKEN in template:
        ids += [language.source_id for language in manifest.languages if language.is_source]
    if TARGET_TOKEN in template:
        ids += [language.target_id for language in manifest.languages if language.is_target]
    return [id_ for id_ in ids if id_ is not None]
