from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    PRIORITY_INTERACTIVE: _ClassVar[Priority]
    PRIORITY_BULK: _ClassVar[Priority]

class SentenceSplitting(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SENTENCE_SPLITTING_UNSPECIFIED: _ClassVar[SentenceSplitting]
    SENTENCE_SPLITTING_SENTENCES: _ClassVar[SentenceSplitting]
    SENTENCE_SPLITTING_LINES: _ClassVar[SentenceSplitting]
    SENTENCE_SPLITTING_NONE: _ClassVar[SentenceSplitting]

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINISH_REASON_UNSPECIFIED: _ClassVar[FinishReason]
    FINISH_REASON_END_OF_SENTENCE: _ClassVar[FinishReason]
    FINISH_REASON_MAX_OUTPUT_TOKENS: _ClassVar[FinishReason]
    FINISH_REASON_CONSTRAINTS: _ClassVar[FinishReason]
    FINISH_REASON_NOTHING_TO_TRANSLATE: _ClassVar[FinishReason]
PRIORITY_UNSPECIFIED: Priority
PRIORITY_INTERACTIVE: Priority
PRIORITY_BULK: Priority
SENTENCE_SPLITTING_UNSPECIFIED: SentenceSplitting
SENTENCE_SPLITTING_SENTENCES: SentenceSplitting
SENTENCE_SPLITTING_LINES: SentenceSplitting
SENTENCE_SPLITTING_NONE: SentenceSplitting
FINISH_REASON_UNSPECIFIED: FinishReason
FINISH_REASON_END_OF_SENTENCE: FinishReason
FINISH_REASON_MAX_OUTPUT_TOKENS: FinishReason
FINISH_REASON_CONSTRAINTS: FinishReason
FINISH_REASON_NOTHING_TO_TRANSLATE: FinishReason

class TranslateRequest(_message.Message):
    __slots__ = ("contents", "model", "source_language_code", "target_language_code", "decoding", "mime_type", "split_sentences", "do_not_translate", "priority")
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    DECODING_FIELD_NUMBER: _ClassVar[int]
    MIME_TYPE_FIELD_NUMBER: _ClassVar[int]
    SPLIT_SENTENCES_FIELD_NUMBER: _ClassVar[int]
    DO_NOT_TRANSLATE_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    contents: _containers.RepeatedScalarFieldContainer[str]
    model: str
    source_language_code: str
    target_language_code: str
    decoding: DecodingOptions
    mime_type: str
    split_sentences: SentenceSplitting
    do_not_translate: _containers.RepeatedScalarFieldContainer[str]
    priority: Priority
    def __init__(self, contents: _Optional[_Iterable[str]] = ..., model: _Optional[str] = ..., source_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ..., decoding: _Optional[_Union[DecodingOptions, _Mapping]] = ..., mime_type: _Optional[str] = ..., split_sentences: _Optional[_Union[SentenceSplitting, str]] = ..., do_not_translate: _Optional[_Iterable[str]] = ..., priority: _Optional[_Union[Priority, str]] = ...) -> None: ...

class DecodingOptions(_message.Message):
    __slots__ = ("max_output_tokens", "beam_size", "num_hypotheses", "length_penalty", "coverage_penalty", "patience", "min_output_tokens", "temperature", "top_k", "top_p", "seed", "target_prefix", "no_repeat_ngram_size", "repetition_penalty", "forbidden_phrases", "glossary", "return_token_scores", "return_alignment", "use_shortlist", "return_alignment_heads")
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    BEAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    NUM_HYPOTHESES_FIELD_NUMBER: _ClassVar[int]
    LENGTH_PENALTY_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_PENALTY_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_FIELD_NUMBER: _ClassVar[int]
    MIN_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TARGET_PREFIX_FIELD_NUMBER: _ClassVar[int]
    NO_REPEAT_NGRAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    REPETITION_PENALTY_FIELD_NUMBER: _ClassVar[int]
    FORBIDDEN_PHRASES_FIELD_NUMBER: _ClassVar[int]
    GLOSSARY_FIELD_NUMBER: _ClassVar[int]
    RETURN_TOKEN_SCORES_FIELD_NUMBER: _ClassVar[int]
    RETURN_ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    USE_SHORTLIST_FIELD_NUMBER: _ClassVar[int]
    RETURN_ALIGNMENT_HEADS_FIELD_NUMBER: _ClassVar[int]
    max_output_tokens: int
    beam_size: int
    num_hypotheses: int
    length_penalty: float
    coverage_penalty: float
    patience: float
    min_output_tokens: int
    temperature: float
    top_k: int
    top_p: float
    seed: int
    target_prefix: str
    no_repeat_ngram_size: int
    repetition_penalty: float
    forbidden_phrases: _containers.RepeatedScalarFieldContainer[str]
    glossary: Glossary
    return_token_scores: bool
    return_alignment: bool
    use_shortlist: bool
    return_alignment_heads: bool
    def __init__(self, max_output_tokens: _Optional[int] = ..., beam_size: _Optional[int] = ..., num_hypotheses: _Optional[int] = ..., length_penalty: _Optional[float] = ..., coverage_penalty: _Optional[float] = ..., patience: _Optional[float] = ..., min_output_tokens: _Optional[int] = ..., temperature: _Optional[float] = ..., top_k: _Optional[int] = ..., top_p: _Optional[float] = ..., seed: _Optional[int] = ..., target_prefix: _Optional[str] = ..., no_repeat_ngram_size: _Optional[int] = ..., repetition_penalty: _Optional[float] = ..., forbidden_phrases: _Optional[_Iterable[str]] = ..., glossary: _Optional[_Union[Glossary, _Mapping]] = ..., return_token_scores: _Optional[bool] = ..., return_alignment: _Optional[bool] = ..., use_shortlist: _Optional[bool] = ..., return_alignment_heads: _Optional[bool] = ...) -> None: ...

class Glossary(_message.Message):
    __slots__ = ("name", "entries")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    entries: _containers.RepeatedCompositeFieldContainer[GlossaryEntry]
    def __init__(self, name: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[GlossaryEntry, _Mapping]]] = ...) -> None: ...

class GlossaryEntry(_message.Message):
    __slots__ = ("source_term", "target_term")
    SOURCE_TERM_FIELD_NUMBER: _ClassVar[int]
    TARGET_TERM_FIELD_NUMBER: _ClassVar[int]
    source_term: str
    target_term: str
    def __init__(self, source_term: _Optional[str] = ..., target_term: _Optional[str] = ...) -> None: ...

class TranslateResponse(_message.Message):
    __slots__ = ("translations", "model", "model_version")
    TRANSLATIONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    translations: _containers.RepeatedCompositeFieldContainer[Translation]
    model: str
    model_version: str
    def __init__(self, translations: _Optional[_Iterable[_Union[Translation, _Mapping]]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class StreamTranslateResponse(_message.Message):
    __slots__ = ("content_index", "text_delta", "translation", "model", "model_version", "tokens")
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    TEXT_DELTA_FIELD_NUMBER: _ClassVar[int]
    TRANSLATION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    content_index: int
    text_delta: str
    translation: Translation
    model: str
    model_version: str
    tokens: _containers.RepeatedCompositeFieldContainer[OutputToken]
    def __init__(self, content_index: _Optional[int] = ..., text_delta: _Optional[str] = ..., translation: _Optional[_Union[Translation, _Mapping]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ..., tokens: _Optional[_Iterable[_Union[OutputToken, _Mapping]]] = ...) -> None: ...

class TranslateStreamRequest(_message.Message):
    __slots__ = ("id", "request", "timeout_milliseconds", "streams_text")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    STREAMS_TEXT_FIELD_NUMBER: _ClassVar[int]
    id: str
    request: TranslateRequest
    timeout_milliseconds: int
    streams_text: bool
    def __init__(self, id: _Optional[str] = ..., request: _Optional[_Union[TranslateRequest, _Mapping]] = ..., timeout_milliseconds: _Optional[int] = ..., streams_text: _Optional[bool] = ...) -> None: ...

class TranslateStreamResponse(_message.Message):
    __slots__ = ("id", "response", "part", "error", "is_last")
    ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    id: str
    response: TranslateResponse
    part: StreamTranslateResponse
    error: RequestError
    is_last: bool
    def __init__(self, id: _Optional[str] = ..., response: _Optional[_Union[TranslateResponse, _Mapping]] = ..., part: _Optional[_Union[StreamTranslateResponse, _Mapping]] = ..., error: _Optional[_Union[RequestError, _Mapping]] = ..., is_last: _Optional[bool] = ...) -> None: ...

class RequestError(_message.Message):
    __slots__ = ("code", "message", "reason", "field", "retry_milliseconds")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    RETRY_MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    reason: str
    field: str
    retry_milliseconds: int
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., reason: _Optional[str] = ..., field: _Optional[str] = ..., retry_milliseconds: _Optional[int] = ...) -> None: ...

class Translation(_message.Message):
    __slots__ = ("translated_text", "score", "finish_reason", "source_token_count", "output_token_count", "hypotheses", "source_tokens", "segments")
    TRANSLATED_TEXT_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    SOURCE_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    HYPOTHESES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    translated_text: str
    score: float
    finish_reason: FinishReason
    source_token_count: int
    output_token_count: int
    hypotheses: _containers.RepeatedCompositeFieldContainer[Hypothesis]
    source_tokens: _containers.RepeatedScalarFieldContainer[str]
    segments: _containers.RepeatedCompositeFieldContainer[TranslatedSegment]
    def __init__(self, translated_text: _Optional[str] = ..., score: _Optional[float] = ..., finish_reason: _Optional[_Union[FinishReason, str]] = ..., source_token_count: _Optional[int] = ..., output_token_count: _Optional[int] = ..., hypotheses: _Optional[_Iterable[_Union[Hypothesis, _Mapping]]] = ..., source_tokens: _Optional[_Iterable[str]] = ..., segments: _Optional[_Iterable[_Union[TranslatedSegment, _Mapping]]] = ...) -> None: ...

class TranslatedSegment(_message.Message):
    __slots__ = ("source_start", "source_end", "translation_start", "translation_end", "score", "finish_reason", "source_token_count", "output_token_count", "unreadable_character_count", "is_cut")
    SOURCE_START_FIELD_NUMBER: _ClassVar[int]
    SOURCE_END_FIELD_NUMBER: _ClassVar[int]
    TRANSLATION_START_FIELD_NUMBER: _ClassVar[int]
    TRANSLATION_END_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    SOURCE_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_CHARACTER_COUNT_FIELD_NUMBER: _ClassVar[int]
    IS_CUT_FIELD_NUMBER: _ClassVar[int]
    source_start: int
    source_end: int
    translation_start: int
    translation_end: int
    score: float
    finish_reason: FinishReason
    source_token_count: int
    output_token_count: int
    unreadable_character_count: int
    is_cut: bool
    def __init__(self, source_start: _Optional[int] = ..., source_end: _Optional[int] = ..., translation_start: _Optional[int] = ..., translation_end: _Optional[int] = ..., score: _Optional[float] = ..., finish_reason: _Optional[_Union[FinishReason, str]] = ..., source_token_count: _Optional[int] = ..., output_token_count: _Optional[int] = ..., unreadable_character_count: _Optional[int] = ..., is_cut: _Optional[bool] = ...) -> None: ...

class Hypothesis(_message.Message):
    __slots__ = ("translated_text", "score", "finish_reason", "tokens", "word_alignment")
    TRANSLATED_TEXT_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    WORD_ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    translated_text: str
    score: float
    finish_reason: FinishReason
    tokens: _containers.RepeatedCompositeFieldContainer[OutputToken]
    word_alignment: str
    def __init__(self, translated_text: _Optional[str] = ..., score: _Optional[float] = ..., finish_reason: _Optional[_Union[FinishReason, str]] = ..., tokens: _Optional[_Iterable[_Union[OutputToken, _Mapping]]] = ..., word_alignment: _Optional[str] = ...) -> None: ...

class OutputToken(_message.Message):
    __slots__ = ("token", "log_prob", "alignment", "alignment_start", "alignment_heads")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    LOG_PROB_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_START_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_HEADS_FIELD_NUMBER: _ClassVar[int]
    token: str
    log_prob: float
    alignment: _containers.RepeatedScalarFieldContainer[float]
    alignment_start: int
    alignment_heads: _containers.RepeatedCompositeFieldContainer[HeadAlignment]
    def __init__(self, token: _Optional[str] = ..., log_prob: _Optional[float] = ..., alignment: _Optional[_Iterable[float]] = ..., alignment_start: _Optional[int] = ..., alignment_heads: _Optional[_Iterable[_Union[HeadAlignment, _Mapping]]] = ...) -> None: ...

class HeadAlignment(_message.Message):
    __slots__ = ("weights",)
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    weights: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, weights: _Optional[_Iterable[float]] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("pairs", "model", "source_language_code", "target_language_code", "return_alignment", "return_alignment_heads")
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    RETURN_ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    RETURN_ALIGNMENT_HEADS_FIELD_NUMBER: _ClassVar[int]
    pairs: _containers.RepeatedCompositeFieldContainer[ScoredPair]
    model: str
    source_language_code: str
    target_language_code: str
    return_alignment: bool
    return_alignment_heads: bool
    def __init__(self, pairs: _Optional[_Iterable[_Union[ScoredPair, _Mapping]]] = ..., model: _Optional[str] = ..., source_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ..., return_alignment: _Optional[bool] = ..., return_alignment_heads: _Optional[bool] = ...) -> None: ...

class ScoredPair(_message.Message):
    __slots__ = ("content", "translated_text")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TRANSLATED_TEXT_FIELD_NUMBER: _ClassVar[int]
    content: str
    translated_text: str
    def __init__(self, content: _Optional[str] = ..., translated_text: _Optional[str] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("scores", "model", "model_version")
    SCORES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedCompositeFieldContainer[PairScore]
    model: str
    model_version: str
    def __init__(self, scores: _Optional[_Iterable[_Union[PairScore, _Mapping]]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class PairScore(_message.Message):
    __slots__ = ("log_prob", "score", "tokens", "source_tokens", "word_alignment")
    LOG_PROB_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    WORD_ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    log_prob: float
    score: float
    tokens: _containers.RepeatedCompositeFieldContainer[OutputToken]
    source_tokens: _containers.RepeatedScalarFieldContainer[str]
    word_alignment: str
    def __init__(self, log_prob: _Optional[float] = ..., score: _Optional[float] = ..., tokens: _Optional[_Iterable[_Union[OutputToken, _Mapping]]] = ..., source_tokens: _Optional[_Iterable[str]] = ..., word_alignment: _Optional[str] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "versions", "architecture", "language_pairs", "precision", "limits", "quality_scores", "is_default", "has_alignment", "has_shortlist", "glossaries", "source_language_codes", "target_language_codes", "licence", "training_texts", "alignment_head_count", "counted_alignment_heads", "version_labels")
    class VersionLabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_PAIRS_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    QUALITY_SCORES_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    HAS_ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    HAS_SHORTLIST_FIELD_NUMBER: _ClassVar[int]
    GLOSSARIES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_CODES_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODES_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    TRAINING_TEXTS_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_HEAD_COUNT_FIELD_NUMBER: _ClassVar[int]
    COUNTED_ALIGNMENT_HEADS_FIELD_NUMBER: _ClassVar[int]
    VERSION_LABELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    versions: _containers.RepeatedScalarFieldContainer[str]
    architecture: str
    language_pairs: _containers.RepeatedCompositeFieldContainer[LanguagePair]
    precision: str
    limits: ModelLimits
    quality_scores: _containers.RepeatedCompositeFieldContainer[QualityScore]
    is_default: bool
    has_alignment: bool
    has_shortlist: bool
    glossaries: _containers.RepeatedScalarFieldContainer[str]
    source_language_codes: _containers.RepeatedScalarFieldContainer[str]
    target_language_codes: _containers.RepeatedScalarFieldContainer[str]
    licence: str
    training_texts: _containers.RepeatedCompositeFieldContainer[TrainingText]
    alignment_head_count: int
    counted_alignment_heads: _containers.RepeatedScalarFieldContainer[int]
    version_labels: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., versions: _Optional[_Iterable[str]] = ..., architecture: _Optional[str] = ..., language_pairs: _Optional[_Iterable[_Union[LanguagePair, _Mapping]]] = ..., precision: _Optional[str] = ..., limits: _Optional[_Union[ModelLimits, _Mapping]] = ..., quality_scores: _Optional[_Iterable[_Union[QualityScore, _Mapping]]] = ..., is_default: _Optional[bool] = ..., has_alignment: _Optional[bool] = ..., has_shortlist: _Optional[bool] = ..., glossaries: _Optional[_Iterable[str]] = ..., source_language_codes: _Optional[_Iterable[str]] = ..., target_language_codes: _Optional[_Iterable[str]] = ..., licence: _Optional[str] = ..., training_texts: _Optional[_Iterable[_Union[TrainingText, _Mapping]]] = ..., alignment_head_count: _Optional[int] = ..., counted_alignment_heads: _Optional[_Iterable[int]] = ..., version_labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class TrainingText(_message.Message):
    __slots__ = ("name", "licence")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    licence: str
    def __init__(self, name: _Optional[str] = ..., licence: _Optional[str] = ...) -> None: ...

class LanguagePair(_message.Message):
    __slots__ = ("source_language_code", "target_language_code")
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    source_language_code: str
    target_language_code: str
    def __init__(self, source_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ...) -> None: ...

class ModelLimits(_message.Message):
    __slots__ = ("max_contents", "max_source_tokens", "max_output_tokens", "max_content_characters", "max_beam_size", "glossary_beam_size", "max_forbidden_phrases", "max_glossary_entries", "max_do_not_translate")
    MAX_CONTENTS_FIELD_NUMBER: _ClassVar[int]
    MAX_SOURCE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTENT_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    MAX_BEAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    GLOSSARY_BEAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_FORBIDDEN_PHRASES_FIELD_NUMBER: _ClassVar[int]
    MAX_GLOSSARY_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    MAX_DO_NOT_TRANSLATE_FIELD_NUMBER: _ClassVar[int]
    max_contents: int
    max_source_tokens: int
    max_output_tokens: int
    max_content_characters: int
    max_beam_size: int
    glossary_beam_size: int
    max_forbidden_phrases: int
    max_glossary_entries: int
    max_do_not_translate: int
    def __init__(self, max_contents: _Optional[int] = ..., max_source_tokens: _Optional[int] = ..., max_output_tokens: _Optional[int] = ..., max_content_characters: _Optional[int] = ..., max_beam_size: _Optional[int] = ..., glossary_beam_size: _Optional[int] = ..., max_forbidden_phrases: _Optional[int] = ..., max_glossary_entries: _Optional[int] = ..., max_do_not_translate: _Optional[int] = ...) -> None: ...

class QualityScore(_message.Message):
    __slots__ = ("test_set", "metric", "value")
    TEST_SET_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    test_set: str
    metric: str
    value: float
    def __init__(self, test_set: _Optional[str] = ..., metric: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
