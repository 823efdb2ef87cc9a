"""Texts and languages of Hugging Face Marian checkpoints: SentencePiece cuts, vocab.json gives the ids.

The ids of the SentencePiece models themselves mean nothing; a piece that vocab.json lacks is unknown. A model of
several target languages has a token >>xxx<< for each in its source vocabulary, which goes before the source.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from export.checkpoints.huggingface.text import Reading, SpecialTokens, Text, check_id, never_written
from export.checkpoints.imported import TARGET_TOKEN, TEXT, Language, PieceTable
from export.checkpoints.json_files import read_object
from export.checkpoints.languages import LanguageToken, bcp47, choose, code_of, distinct_codes
from export.checkpoints.pieces import check_coverage, check_ids, filler_rows, load_pieces, names_by_id

SOURCE_PIECES, TARGET_PIECES = "source.spm", "target.spm"
VOCABULARY, TARGET_VOCABULARY = "vocab.json", "target_vocab.json"

_LANGUAGE_TOKEN = re.compile(r">>([A-Za-z0-9_-]+)<<")
_FOLDER_NAME = re.compile(r"(?:.*[-_.])?([A-Za-z_]{2,20})-([A-Za-z_]{2,20})")


def read_text(reading: Reading) -> Text:
    problems, settings = reading.problems, reading.settings
    special = SpecialTokens(reading.folder, problems)
    shares = settings.shares_embeddings
    source_ids = _read_vocabulary(reading, special, VOCABULARY, settings.source_vocabulary)
    target_ids = source_ids
    if not shares:
        target_ids = _read_vocabulary(reading, special, TARGET_VOCABULARY, settings.target_vocabulary)
    source = _side(reading, SOURCE_PIECES, source_ids, VOCABULARY, settings.source_vocabulary)
    target = _side(
        reading, TARGET_PIECES, target_ids, VOCABULARY if shares else TARGET_VOCABULARY, settings.target_vocabulary
    )
    unknown = special.spelled("unk_token", "<unk>")
    if unknown not in source_ids:
        reading.warnings.append(f"{VOCABULARY} has no {unknown}: nothing stands for what has no piece")
    tokens = [
        LanguageToken(match[1], index)
        for name, index in source_ids.items()
        if (match := _LANGUAGE_TOKEN.fullmatch(name))
    ]
    by_code = distinct_codes(tokens, reading.warnings)
    forced = reading.keys.generation("forced_bos_token_id")
    if forced is not None:
        problems.append(f"forced_bos_token_id={forced!r}: not supported for this family")
    never = {target_ids.get(unknown), *filler_rows(target_ids, settings.target_vocabulary)}
    never.update(index for name, index in target_ids.items() if _LANGUAGE_TOKEN.fullmatch(name))
    return Text(
        family="marian",
        source=source,
        target=target,
        shares_vocabulary=shares,
        unknown_id=source_ids.get(unknown),
        never_written=never_written(reading, never),
        source_template=(*((TARGET_TOKEN,) if by_code else ()), TEXT, reading.eos_id),
        forced_target=(),
        languages=_languages(reading, special, by_code),
    )


def _read_vocabulary(reading: Reading, special: SpecialTokens, file: str, num_rows: int) -> dict[str, int]:
    vocabulary = read_object(reading.folder / file, reading.problems)
    ids = check_ids(vocabulary, num_rows, file, reading.problems)
    eos = special.spelled("eos_token", "</s>")
    if vocabulary and eos not in ids:
        reading.problems.append(f"{file} has no {eos}, which ends every source")
    check_id(ids, eos, reading.eos_id, file, "eos_token_id", reading.problems)
    check_id(ids, special.spelled("pad_token", "<pad>"), reading.pad_id, file, "pad_token_id", reading.problems)
    return ids


def _side(reading: Reading, file: str, ids: dict[str, int], table: str, num_rows: int) -> PieceTable:
    path = reading.folder / file
    pieces = load_pieces(path, reading.problems)
    if pieces and ids:
        check_coverage(pieces, file, ids, table, reading.problems)
    return PieceTable(sentencepiece=path, names=names_by_id(ids, num_rows))


def _languages(reading: Reading, special: SpecialTokens, by_code: dict[str, LanguageToken]) -> tuple[Language, ...]:
    """Source and target; for a model with language tokens, the source and every target that has a token."""
    declared = reading.languages or _declared_languages(reading, special)
    if declared is None:
        reading.problems.append("nothing in the folder says which languages these are: name them with --languages")
        return ()
    source, target = declared
    for side, spelled in zip(("source", "target"), declared[: 1 if by_code else 2], strict=False):
        if bcp47(spelled) is None:
            reading.warnings.append(f"{side} language {spelled!r} is no language code: name it with --languages")
    if not by_code:
        return (Language(code=code_of(source), is_target=False), Language(code=code_of(target), is_source=False))
    codes: Sequence[str] = list(by_code)
    if reading.languages:
        codes = choose(target, codes, "target", reading.problems)
    source_code = code_of(source)
    targets = [Language(code=code, target_id=by_code[code].id, is_source=code == source_code) for code in codes]
    if source_code in codes:
        return tuple(targets)
    return (Language(code=source_code, is_target=False), *targets)


def _declared_languages(reading: Reading, special: SpecialTokens) -> tuple[str, str] | None:
    """What tokenizer_config.json says, else the name of the folder or of the checkpoint, whichever are languages.

    The converter took them from a folder's name, so that there are groups among them (ROMANCE, mul), codes of no
    standard (jap), and whole names of models. Where nothing is a language, what tokenizer_config.json says counts.
    """
    said = special.config.get("source_lang"), special.config.get("target_lang")
    if all(said) and all(bcp47(str(code)) for code in said):
        return str(said[0]), str(said[1])
    for name in (reading.folder.resolve().name, Path(str(reading.keys.config.get("_name_or_path"))).name):
        named = _FOLDER_NAME.fullmatch(name)
        if named and bcp47(named[1]) and bcp47(named[2]):
            reading.warnings.append(f"the languages are those of the name {name}: --languages names others")
            return named[1], named[2]
    return (str(said[0]), str(said[1])) if all(said) else None
