"""The requests that both clients send, and what they let a caller say."""

from collections.abc import Sequence
from typing import Any, Literal, TypedDict, get_args

from seq2serve.pb import translation_pb2 as pb

DEFAULT_ADDRESS = "127.0.0.1:50051"
"""Where a server listens that was told nothing else."""

DEFAULT_TIMEOUT = 60.0
"""Seconds that a call may take, its retries included."""

SentenceSplitting = Literal["sentences", "lines", "none"]
Priority = Literal["interactive", "bulk"]


class CallOptions(TypedDict, total=False):
    """Keyword arguments of every call about texts."""

    model: str
    """Its name, as `list_models` gives it; the server's default where there is none. A version, or a label of one, may
    stand behind it and @: "transformer-en-fr@2"."""

    source_language_code: str
    """Language of the contents, such as "en"; the model's own where there is none."""

    target_language_code: str
    """Language of the translations, such as "fr"; the model's own where there is none."""

    timeout: float
    """Seconds for the whole call, its retries and all of its parts; the client's where there are none."""


class TranslateOptions(CallOptions, total=False):
    """Keyword arguments of a translation."""

    decoding: pb.DecodingOptions
    """How translations are searched for; greedy where nothing is said."""

    mime_type: str
    """What the contents are: "text/plain", the default, or "text/html"."""

    split_sentences: SentenceSplitting
    """Where contents are parted into what is decoded as one sentence; at sentences where nothing is said."""

    do_not_translate: Sequence[str]
    """Texts that are left as they are wherever a content has them."""

    priority: Priority
    """"bulk" where nobody waits, so that others who do are given more; "interactive" where nothing is said."""


class ScoreOptions(CallOptions, total=False):
    """Keyword arguments of a scoring."""

    return_alignment: bool
    """Whether the answers say which words belong together."""

    return_alignment_heads: bool
    """Likewise, and what each head of the model's attention looks at."""


def translate_request(contents: str | Sequence[str], options: TranslateOptions) -> pb.TranslateRequest:
    """Raises ValueError for an option that does not exist, and for a value that none has."""
    fields = _without_timeout(options)
    if isinstance(kept := fields.get("do_not_translate"), str):  # else its letters would be taken for texts
        raise ValueError(f"do_not_translate: a list of texts expected, got {kept!r} alone")
    for name, kind, prefix in (
        ("split_sentences", SentenceSplitting, "SENTENCE_SPLITTING"),
        ("priority", Priority, "PRIORITY"),
    ):
        if value := fields.get(name):
            known = get_args(kind)
            if value not in known:
                raise ValueError(f"{name}: one of {', '.join(known)} expected, got {value!r}")
            fields[name] = f"{prefix}_{value.upper()}"
    return pb.TranslateRequest(contents=[contents] if isinstance(contents, str) else contents, **fields)


def score_request(pairs: Sequence[tuple[str, str]], options: ScoreOptions) -> pb.ScoreRequest:
    """Raises ValueError for an option that does not exist."""
    scored = [pb.ScoredPair(content=content, translated_text=translation) for content, translation in pairs]
    return pb.ScoreRequest(pairs=scored, **_without_timeout(options))


def _without_timeout(options: TranslateOptions | ScoreOptions) -> dict[str, Any]:
    """The options that are fields of the request, under the fields' names."""
    return {name: value for name, value in options.items() if name != "timeout"}
