from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WatchBatchesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchBatchesResponse(_message.Message):
    __slots__ = ("batches",)
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    batches: _containers.RepeatedCompositeFieldContainer[Batch]
    def __init__(self, batches: _Optional[_Iterable[_Union[Batch, _Mapping]]] = ...) -> None: ...

class Batch(_message.Message):
    __slots__ = ("model", "model_version", "engine", "milliseconds", "max_rows", "running", "left", "next", "waiting_count", "joined_count", "left_count", "output_token_count")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_ROWS_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    WAITING_COUNT_FIELD_NUMBER: _ClassVar[int]
    JOINED_COUNT_FIELD_NUMBER: _ClassVar[int]
    LEFT_COUNT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    model: str
    model_version: str
    engine: int
    milliseconds: float
    max_rows: int
    running: _containers.RepeatedCompositeFieldContainer[BatchSentence]
    left: _containers.RepeatedCompositeFieldContainer[BatchSentence]
    next: _containers.RepeatedCompositeFieldContainer[BatchSentence]
    waiting_count: int
    joined_count: int
    left_count: int
    output_token_count: int
    def __init__(self, model: _Optional[str] = ..., model_version: _Optional[str] = ..., engine: _Optional[int] = ..., milliseconds: _Optional[float] = ..., max_rows: _Optional[int] = ..., running: _Optional[_Iterable[_Union[BatchSentence, _Mapping]]] = ..., left: _Optional[_Iterable[_Union[BatchSentence, _Mapping]]] = ..., next: _Optional[_Iterable[_Union[BatchSentence, _Mapping]]] = ..., waiting_count: _Optional[int] = ..., joined_count: _Optional[int] = ..., left_count: _Optional[int] = ..., output_token_count: _Optional[int] = ...) -> None: ...

class BatchSentence(_message.Message):
    __slots__ = ("id", "rows", "reserved_rows", "source_token_count", "output_token_count", "is_bulk", "submitted_milliseconds", "joined_milliseconds", "left_milliseconds")
    ID_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    RESERVED_ROWS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    IS_BULK_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    JOINED_MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    LEFT_MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    id: int
    rows: int
    reserved_rows: int
    source_token_count: int
    output_token_count: int
    is_bulk: bool
    submitted_milliseconds: float
    joined_milliseconds: float
    left_milliseconds: float
    def __init__(self, id: _Optional[int] = ..., rows: _Optional[int] = ..., reserved_rows: _Optional[int] = ..., source_token_count: _Optional[int] = ..., output_token_count: _Optional[int] = ..., is_bulk: _Optional[bool] = ..., submitted_milliseconds: _Optional[float] = ..., joined_milliseconds: _Optional[float] = ..., left_milliseconds: _Optional[float] = ...) -> None: ...
