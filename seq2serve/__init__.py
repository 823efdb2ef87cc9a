"""What callers of a seq2serve server install: the clients, their errors, and the contract's messages.

    from seq2serve import Client, DecodingOptions, Overloaded

    with Client("localhost:50051") as client:
        print(client.translate("A dog sleeps.").translated_text)

Answers are the messages of proto/translation/v1/translation.proto, which documents each of their fields.
"""

from seq2serve.async_client import AsyncClient
from seq2serve.client import Client
from seq2serve.errors import (
    DeadlineExceeded,
    FieldViolation,
    Internal,
    InvalidRequest,
    Overloaded,
    PermissionDenied,
    TranslationError,
    Unauthenticated,
    Unavailable,
    UnknownModel,
)
from seq2serve.pb.operations_pb2 import Batch, BatchSentence, WatchBatchesResponse
from seq2serve.pb.translation_pb2 import (
    DecodingOptions,
    FinishReason,
    Glossary,
    GlossaryEntry,
    Hypothesis,
    Model,
    OutputToken,
    PairScore,
    StreamTranslateResponse,
    Translation,
)

__all__ = [
    "AsyncClient",
    "Batch",
    "BatchSentence",
    "Client",
    "DeadlineExceeded",
    "DecodingOptions",
    "FieldViolation",
    "FinishReason",
    "Glossary",
    "GlossaryEntry",
    "Hypothesis",
    "Internal",
    "InvalidRequest",
    "Model",
    "OutputToken",
    "Overloaded",
    "PairScore",
    "PermissionDenied",
    "StreamTranslateResponse",
    "Translation",
    "TranslationError",
    "Unauthenticated",
    "Unavailable",
    "UnknownModel",
    "WatchBatchesResponse",
]
