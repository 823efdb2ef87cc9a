"""What a manifest has to keep beyond the types of its fields."""

from pathlib import Path
from typing import TYPE_CHECKING

from server.bundle.languages import (
    SOURCE_TOKEN,
    TARGET_TOKEN,
    TEXT,
    check_languages,
    check_template,
    check_tokens,
)
from server.bundle.span_pieces import is_reserved

if TYPE_CHECKING:
    from server.bundle.manifest import AlignmentSpec, Manifest, StateSpec


def check(manifest: "Manifest") -> None:
    """Check what the types of a manifest do not say. Raises ValueError for the first problem of each part of it, naming
    the field, what is expected and what came."""
    problems = []
    for check_part in _check_names, _check_sizes, _check_special_ids, _check_text, _check_span_pieces, _check_state:
        try:
            check_part(manifest)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("; ".join(problems))


def _check_names(manifest: "Manifest") -> None:
    for name in ("name", "version"):
        if not getattr(manifest, name):
            raise ValueError(f"{name}: a text that is not empty expected, got ''")


def _check_sizes(manifest: "Manifest") -> None:
    for name in ("source_vocabulary_size", "target_vocabulary_size", "max_output_tokens"):
        if getattr(manifest, name) < 1:
            raise ValueError(f"{name}: at least 1 expected, got {getattr(manifest, name)}")


def _check_special_ids(manifest: "Manifest") -> None:
    ids, of_target = manifest.special_ids, manifest.target_vocabulary_size
    of_both = min(manifest.source_vocabulary_size, of_target)
    by_name = [("start", ids.start, of_target), ("eos", ids.eos, of_target)]
    by_name += [("pad", ids.pad, manifest.source_vocabulary_size)]
    by_name += [("unknown", ids.unknown, of_both)] if ids.unknown is not None else []
    by_name += [(f"never_written[{index}]", id_, of_target) for index, id_ in enumerate(ids.never_written)]
    for name, id_, size in by_name:
        if not 0 <= id_ < size:
            raise ValueError(f"special_ids.{name}: 0 to {size - 1} expected, got {id_}")
    if ids.eos in ids.never_written:
        raise ValueError(f"special_ids.never_written: ids other than eos expected, got {ids.eos}")
    if manifest.has_shortlist and not ids.never_written:
        raise ValueError("special_ids.never_written: an id that fills up shortlists expected, got none")


def _check_text(manifest: "Manifest") -> None:
    """Tokenizers, languages and templates."""
    sizes = manifest.source_vocabulary_size, manifest.target_vocabulary_size
    for side, spec in ("source", manifest.source_tokenizer), ("target", manifest.target_tokenizer):
        for field in ("sentencepiece", "pieces"):
            name = getattr(spec, field)
            if name is not None and (not name or Path(name).name != name or name.startswith("model.json")):
                raise ValueError(f"{side}_tokenizer.{field}: name of a file expected, got {name!r}")
    if manifest.span_pieces and manifest.source_tokenizer != manifest.target_tokenizer:
        raise ValueError("span_pieces: one tokenizer for source and target expected, got two")
    check_languages(manifest.languages, manifest.pairs)
    check_template("source_template", manifest.source_template, (TEXT, SOURCE_TOKEN, TARGET_TOKEN), sizes[0])
    if TEXT not in manifest.source_template:
        raise ValueError(f"source_template: {TEXT} expected, got {list(manifest.source_template)}")
    check_template("forced_target", manifest.forced_target, (TARGET_TOKEN,), sizes[1])
    check_tokens(manifest.languages, manifest.source_template, manifest.forced_target, sizes)
    if manifest.encodes_start and not manifest.forced_target:
        raise ValueError("encodes_start: false expected where forced_target is empty, got true")
    if manifest.max_source_tokens < len(manifest.source_template):
        least = len(manifest.source_template)
        raise ValueError(
            f"max_source_tokens: at least {least}, of the template, expected, got {manifest.max_source_tokens}"
        )


def _check_span_pieces(manifest: "Manifest") -> None:
    for index, piece in enumerate(manifest.span_pieces):
        if len(piece) != 1 or not is_reserved(piece) or piece in manifest.span_pieces[:index]:
            problem = f"a private-use character that is there once expected, got {piece!r}"
            raise ValueError(f"span_pieces[{index}]: {problem}")


def _check_alignment(alignment: "AlignmentSpec", state: "tuple[StateSpec, ...]") -> None:
    for spec in state:
        if (
            spec.name == alignment.keys
            and spec.kind == "constant"
            and len(spec.shape) == 3
            and spec.shape[1] == "source"
        ):
            break
    else:
        expected = "a constant state tensor of shape [heads, source, size] expected"
        raise ValueError(f"alignment.keys: {expected}, got {alignment.keys!r}")
    num_heads = spec.shape[0]
    if alignment.heads is not None:
        known = range(num_heads) if isinstance(num_heads, int) else range(0)
        if not alignment.heads or not set(alignment.heads) <= set(known):
            expected = f"one or more of 0 to {len(known) - 1}, or null for all"
            raise ValueError(f"alignment.heads: {expected}, expected, got {list(alignment.heads)}")


def _check_state(manifest: "Manifest") -> None:
    """The state, and the alignment, which names one of its tensors."""
    state = manifest.state
    if manifest.alignment:
        _check_alignment(manifest.alignment, state)
    for index, spec in enumerate(state):
        if any(spec.name == other.name for other in state[:index]):
            raise ValueError(f"state[{index}].name: {spec.name!r} is declared twice")
        for dimension in spec.shape:
            if dimension not in ("source", "target") and (isinstance(dimension, str) or dimension < 1):
                raise ValueError(f"state[{index}].shape: source, target or a size expected, got {dimension!r}")
        if sum(isinstance(dimension, str) for dimension in spec.shape) > 1:
            raise ValueError(f"state[{index}].shape: at most one of source and target expected, got {spec.shape}")
