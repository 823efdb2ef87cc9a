"""Texts and languages of M2M100, NLLB and mBART-50: one vocabulary, a token for each language before the source, and
one that every translation is made to begin with.

M2M100 has its ids in vocab.json; the other two number the pieces of their SentencePiece model as fairseq does. Language
tokens come behind the pieces, and are taken by name, from whichever file names their ids.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from export.checkpoints.huggingface.config import CONFIG
from export.checkpoints.huggingface.known import M2M100, MBART50, WMT21
from export.checkpoints.huggingface.text import Reading, SpecialTokens, Text, check_id, never_written
from export.checkpoints.imported import SOURCE_TOKEN, TARGET_TOKEN, TEXT, Language, PieceTable
from export.checkpoints.json_files import read_object
from export.checkpoints.languages import LanguageToken, choose, distinct_codes
from export.checkpoints.pieces import check_coverage, check_ids, filler_rows, load_pieces, names_by_id, piece_names

PIECES = "sentencepiece.bpe.model"
VOCABULARY = "vocab.json"
ADDED_TOKENS, TOKENIZER, TOKENIZER_CONFIG = "added_tokens.json", "tokenizer.json", "tokenizer_config.json"

_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
"""Ids 0 to 3 of fairseq's vocabularies."""
_NUM_OWN_SPECIAL = 3
"""Special pieces of the SentencePiece models, which fairseq's take the place of."""
_NUM_FILLERS = 8
"""Rows without a piece behind M2M100's language tokens."""


class Kind(NamedTuple):
    family: str
    tokenizer: str
    """Its class, `Fast` or not."""
    token: re.Pattern[str]
    """A language token; its group is the language as it is spelled."""


KINDS = {
    "m2m100": Kind("m2m100", "M2M100Tokenizer", re.compile(r"__([a-z]{2,3}(?:_[A-Za-z]+)?)__")),
    "nllb": Kind("nllb", "NllbTokenizer", re.compile(r"([a-z]{3}_[A-Z][a-z]{3})")),
    "mbart50": Kind("mbart50", "MBart50Tokenizer", re.compile(r"([a-z]{2,3}_[A-Z]{2})")),
}

_ANY_TOKENIZER = ("PreTrainedTokenizerFast", "TokenizersBackend", "PreTrainedTokenizer")
"""Classes that say nothing of the kind."""


def read_text(reading: Reading) -> Text:
    special = SpecialTokens(reading.folder, reading.problems)
    kind = find_kind(reading, special)
    num_rows = reading.settings.source_vocabulary
    added = _added_tokens(reading, special, num_rows)
    ids = (_m2m100_ids if kind.family == "m2m100" else _fairseq_ids)(reading, special, kind, added, num_rows)
    for token, index, key in (("</s>", reading.eos_id, "eos_token_id"), ("<pad>", reading.pad_id, "pad_token_id")):
        check_id(ids, token, index, PIECES if kind.family != "m2m100" else VOCABULARY, key, reading.problems)
    tokens = [LanguageToken(match[1], index) for name, index in ids.items() if (match := kind.token.fullmatch(name))]
    if not tokens:
        reading.problems.append(
            f"no file gives the ids of language tokens: {ADDED_TOKENS}, {TOKENIZER_CONFIG} or {TOKENIZER} expected"
        )
    unwritten = [ids.get("<unk>"), ids.get("<s>"), ids.get("<mask>"), *(token.id for token in tokens)]
    table = PieceTable(sentencepiece=reading.folder / PIECES, names=names_by_id(ids, num_rows))
    is_behind = kind.family == "nllb" and special.config.get("legacy_behaviour") is True
    if is_behind:
        reading.warnings.append("legacy_behaviour: the source's language token goes behind the text's end")
    return Text(
        family=kind.family,
        source=table,
        target=table,
        shares_vocabulary=True,
        unknown_id=ids.get("<unk>"),
        never_written=never_written(reading, [*unwritten, *filler_rows(ids, num_rows)]),
        source_template=(TEXT, reading.eos_id, SOURCE_TOKEN) if is_behind else (SOURCE_TOKEN, TEXT, reading.eos_id),
        forced_target=(TARGET_TOKEN,),
        languages=_languages(reading, tokens, drops_region=kind.family == "mbart50"),
    )


def find_kind(reading: Reading, special: SpecialTokens) -> Kind:
    """Which of the families it is, by its tokenizer; a tokenizer that would write other templates is a problem."""
    declared = special.config.get("tokenizer_class") or reading.keys.config.get("tokenizer_class")
    if isinstance(declared, str) and declared not in _ANY_TOKENIZER:
        for kind in KINDS.values():
            if declared.removesuffix("Fast") == kind.tokenizer:
                return kind
        known = ", ".join(kind.tokenizer for kind in KINDS.values())
        reading.problems.append(f"{TOKENIZER_CONFIG}: tokenizer_class={declared!r}: one of {known} is supported")
    if reading.keys.config.get("model_type") == "mbart":
        return KINDS["mbart50"]
    return KINDS["m2m100" if (reading.folder / VOCABULARY).is_file() else "nllb"]


def _added_tokens(reading: Reading, special: SpecialTokens, num_rows: int) -> dict[str, int]:
    """Every id that a file gives a token by name; files that contradict each other are a problem. Tokens that the model
    has no row for are left out, with a warning: some versions of the toolkit add all that they know of."""
    found: dict[str, tuple[int, str]] = {}
    beyond: dict[str, int] = {}

    def add(name: Any, index: Any, file: str) -> None:
        if not isinstance(name, str) or not str(index).isdecimal():
            reading.problems.append(f"{file}: {name!r} has id {index!r}, an integer expected")
        elif int(index) >= num_rows:
            beyond[name] = int(index)
        elif name in found and found[name][0] != int(index):
            reading.problems.append(f"{name} is {found[name][0]} in {found[name][1]}, {index} in {file}")
        else:
            found.setdefault(name, (int(index), file))

    for name, index in read_object(reading.folder / ADDED_TOKENS, reading.problems, required=False).items():
        add(name, index, ADDED_TOKENS)
    decoder = special.config.get("added_tokens_decoder")
    for index, token in (decoder if isinstance(decoder, dict) else {}).items():
        add(token.get("content") if isinstance(token, dict) else token, index, TOKENIZER_CONFIG)
    for name, index in _tokenizer_ids(reading.folder, reading.problems).items():
        add(name, index, TOKENIZER)
    if beyond:
        name, index = next(iter(beyond.items()))
        reading.warnings.append(
            f"{len(beyond)} tokens have ids that the model has no row for, and are not used: {name} is {index}, say, "
            f"and {CONFIG} has vocab_size={num_rows}"
        )
    return {name: index for name, (index, _) in found.items()}


def _tokenizer_ids(folder: Path, problems: list[str]) -> dict[str, Any]:
    """name -> id of tokenizer.json: its vocabulary, an object or a list in the order of ids, and its added tokens."""
    file = read_object(folder / TOKENIZER, problems, required=False)
    model = file.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    ids: dict[str, Any] = {}
    if isinstance(vocabulary, dict):
        ids.update(vocabulary)
    elif isinstance(vocabulary, list):
        ids.update((entry[0], index) for index, entry in enumerate(vocabulary) if isinstance(entry, list) and entry)
    added = file.get("added_tokens")
    for token in added if isinstance(added, list) else []:
        if isinstance(token, dict) and isinstance(token.get("content"), str):
            ids[token["content"]] = token.get("id")
    return ids


def _m2m100_ids(
    reading: Reading, special: SpecialTokens, kind: Kind, added: dict[str, int], num_rows: int
) -> dict[str, int]:
    """vocab.json's ids and those of the language tokens.

    Where no file names them, they are where the toolkit puts them: behind vocab.json, in its own order. That is done
    only where all rows are accounted for.
    """
    vocabulary = read_object(reading.folder / VOCABULARY, reading.problems)
    pieces = load_pieces(reading.folder / PIECES, reading.problems)
    if pieces and vocabulary:
        check_coverage(pieces, PIECES, vocabulary, VOCABULARY, reading.problems)
    if not any(kind.token.fullmatch(name) for name in (*added, *vocabulary)):
        order = WMT21 if special.config.get("language_codes") == "wmt21" else M2M100
        if len(vocabulary) + len(order) + _NUM_FILLERS == num_rows:
            added = added | {f"__{code}__": len(vocabulary) + index for index, code in enumerate(order)}
    return check_ids(_merged(vocabulary, added, VOCABULARY, reading.problems), num_rows, VOCABULARY, reading.problems)


def _fairseq_ids(
    reading: Reading, special: SpecialTokens, kind: Kind, added: dict[str, int], num_rows: int
) -> dict[str, int]:
    """The pieces numbered as fairseq does, each one later than SentencePiece does, and the added tokens.

    mBART-50's languages are where the toolkit puts them where no file names them, and all rows are accounted for.
    """
    pieces = load_pieces(reading.folder / PIECES, reading.problems)
    if pieces is None:
        return dict(added)
    names = [*_SPECIAL, *piece_names(pieces)[_NUM_OWN_SPECIAL:]]
    if len(names) > num_rows:
        reading.problems.append(f"{PIECES} has {len(names)} pieces, {CONFIG} has vocab_size={num_rows}")
        return dict(added)
    is_unnamed = kind.family == "mbart50" and not any(kind.token.fullmatch(name) for name in added)
    if is_unnamed and len(names) + len(MBART50) + 1 == num_rows:
        added = added | {name: len(names) + index for index, name in enumerate((*MBART50, "<mask>"))}
    numbered = {name: index for index, name in enumerate(names)}
    return check_ids(_merged(numbered, added, PIECES, reading.problems), num_rows, PIECES, reading.problems)


def _merged(vocabulary: dict[str, Any], added: dict[str, int], table: str, problems: list[str]) -> dict[str, Any]:
    differing = [name for name, index in added.items() if vocabulary.get(name, index) != index]
    if differing:
        name = differing[0]
        more = f", and {len(differing) - 1} more" if len(differing) > 1 else ""
        problems.append(
            f"{name!r} is {vocabulary[name]} by {table}, {added[name]} by the tokenizer's other files{more}"
        )
    return {**added, **vocabulary}


def _languages(reading: Reading, tokens: list[LanguageToken], drops_region: bool) -> tuple[Language, ...]:
    """Every language is source and target; with `languages`, one or all of either side.

    drops_region: mBART-50's codes have one region a language, which says nothing (ar_AR is Arabic, not Argentina's).
    """
    if drops_region:
        counts = Counter(token.spelled.split("_")[0] for token in tokens)
        tokens = [LanguageToken(_without_region(token.spelled, counts), token.id) for token in tokens]
    by_code = distinct_codes(tokens, reading.warnings)
    sources = targets = list(by_code)
    if reading.languages and by_code:
        sources = choose(reading.languages[0], list(by_code), "source", reading.problems)
        targets = choose(reading.languages[1], list(by_code), "target", reading.problems)
    return tuple(
        Language(
            code=code,
            source_id=token.id if code in sources else None,
            target_id=token.id if code in targets else None,
            is_source=code in sources,
            is_target=code in targets,
        )
        for code, token in by_code.items()
        if code in sources or code in targets
    )


def _without_region(spelled: str, counts: Counter[str]) -> str:
    language = spelled.split("_")[0]
    return language if counts[language] == 1 else spelled
