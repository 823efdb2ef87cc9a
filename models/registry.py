"""The architectures, by name: each a model class and the dataclass of its settings."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from models.seq2seq import Seq2SeqModel

ARCHITECTURES = {
    "rnn": "models.rnn:Rnn",
    "lstm": "models.lstm:Lstm",
    "lstm_attention": "models.lstm_attention:LstmAttention",
    "transformer": "models.transformer:Transformer",
    "encoder_decoder": "models.encoder_decoder:EncoderDecoder",
}
"""name -> module:class; the settings of `Class` are the dataclass `ClassConfig` beside it."""


@dataclass(frozen=True)
class Architecture:
    build: Callable[..., Seq2SeqModel]
    """(settings, vocabulary_size) -> model"""
    settings: type[Any]


def architecture(name: str) -> Architecture:
    """The architecture of that name. Raises KeyError for a name that is not registered."""
    module_name, class_name = ARCHITECTURES[name].split(":")
    module = import_module(module_name)
    return Architecture(build=getattr(module, class_name), settings=getattr(module, f"{class_name}Config"))
