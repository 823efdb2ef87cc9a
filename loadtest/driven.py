"""The models that are driven: chosen from those that a server lists, each with sentences of its source language."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import grpc

from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc

SENTENCES = Path(__file__).with_name("sentences")
"""A file for each language, `<language>.txt`, whose lines are the same sentences in the same order."""

_DEADLINE_SECONDS = 10.0


class NotDriven(Exception):
    """A model that cannot be driven; the message is one line for whoever has asked for it."""


class DrivenModel(NamedTuple):
    name: str
    version: str
    sentences: Sequence[str]
    """What it is sent, in its source language."""


def list_models(channel: grpc.Channel) -> Sequence[pb.Model]:
    """The models of a server, its default one first. Raises grpc.RpcError."""
    stub = pb_grpc.TranslationServiceStub(channel)
    return stub.ListModels(pb.ListModelsRequest(), timeout=_DEADLINE_SECONDS).models


def choose(models: Iterable[pb.Model], names: Sequence[str] = ()) -> list[DrivenModel]:
    """The models of these names, or all. Raises NotDriven."""
    by_name = {model.name: model for model in models}
    unknown = [repr(name) for name in names if name not in by_name]
    if unknown:
        raise NotDriven(f"no model {', '.join(unknown)} is served; served: {', '.join(by_name)}")
    return [
        DrivenModel(name, by_name[name].versions[-1], _sentences(by_name[name]))
        for name in dict.fromkeys(names or by_name)
    ]


def read_sentences(language: str) -> list[str]:
    """Raises KeyError for a language that no file is of."""
    files = {path.stem: path for path in SENTENCES.glob("*.txt")}
    return files[language].read_text(encoding="utf-8").splitlines()


def _sentences(model: pb.Model) -> list[str]:
    """Territories and scripts of a language do not count: what is written for `fr` is sent to a model of `fr-CA`."""
    if len(model.language_pairs) != 1:
        raise NotDriven(f"models of one language pair are driven, and {model.name!r} has another number of them")
    code = model.language_pairs[0].source_language_code
    language = code.replace("_", "-").partition("-")[0].lower()
    try:
        return read_sentences(language)
    except KeyError:
        raise NotDriven(
            f"no sentences for model {model.name!r}, which translates from {code!r}; {SENTENCES} has no {language}.txt"
        ) from None
