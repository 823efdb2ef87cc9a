"""The models that are driven: chosen from those that a server lists, each with sentences of its source language."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import grpc

from seq2serve.channel import Connection
from seq2serve.pb import translation_pb2 as pb
from seq2serve.pb import translation_pb2_grpc as pb_grpc

SENTENCES = Path(__file__).with_name("sentences")
"""A file for each language, `<language>.txt`, whose lines are the same sentences in the same order."""

WITHOUT_CACHE = "without-cache"
"""Part of a model's name that says how its step was exported, which its architecture does not."""

_DEADLINE_SECONDS = 10.0


class NotDriven(Exception):
    """A model that cannot be driven; the message is one line for whoever has asked for it."""


class DrivenModel(NamedTuple):
    name: str
    version: str
    architecture: str
    precision: str
    pair: tuple[str, str]
    """Codes of the languages that a request has to name; empty where the model has only one pair."""
    sentences: Sequence[str]
    """What it is sent, in its source language."""


def list_models(channel: grpc.Channel, connection: Connection) -> Sequence[pb.Model]:
    """The models of a server, its default one first. Raises grpc.RpcError."""
    stub = pb_grpc.TranslationServiceStub(channel)
    request = pb.ListModelsRequest()
    return stub.ListModels(request, timeout=_DEADLINE_SECONDS, metadata=connection.metadata).models


def choose(models: Iterable[pb.Model], names: Sequence[str] = (), folder: Path = SENTENCES) -> list[DrivenModel]:
    """The models of these names, or all; sentences are those of `folder`. Raises NotDriven."""
    by_name = {model.name: model for model in models}
    unknown = [repr(name) for name in names if name not in by_name]
    if unknown:
        raise NotDriven(f"no model {', '.join(unknown)} is served; served: {', '.join(by_name)}")
    return [_driven(by_name[name], folder) for name in dict.fromkeys(names or by_name)]


def same_direction(models: Sequence[pb.Model]) -> list[str]:
    """Names of the models that translate what the first one does: those that can be compared."""
    first = set(map(_codes, models[0].language_pairs))
    same = [model.name for model in models if first & set(map(_codes, model.language_pairs))]
    return same or [models[0].name]


def read_sentences(language: str, folder: Path = SENTENCES) -> list[str]:
    """Raises KeyError for a language that no file is of."""
    files = {path.stem: path for path in folder.glob("*.txt")}
    lines = files[language].read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip()]


def _driven(model: pb.Model, folder: Path) -> DrivenModel:
    """Of several language pairs, the first with sentences is driven. Territories and scripts of a language do not
    count: what is written for `fr` is sent to a model of `fr-CA`."""
    pairs = [_codes(pair) for pair in model.language_pairs]
    # A model of very many pairs lists languages in their place.
    pairs += [(source, target) for source in model.source_language_codes for target in model.target_language_codes[:2]]
    for source, target in pairs:
        language = source.replace("_", "-").partition("-")[0].lower()
        try:
            sentences = read_sentences(language, folder)
        except KeyError:
            continue
        if source == target or not sentences:
            continue
        architecture = model.architecture + ("-" + WITHOUT_CACHE if WITHOUT_CACHE in model.name else "")
        pair = (source, target) if len(pairs) > 1 else ("", "")
        return DrivenModel(model.name, model.versions[-1], architecture, model.precision, pair, sentences)
    codes = ", ".join(dict.fromkeys(repr(source) for source, _ in pairs)) or "no language"
    raise NotDriven(f"no sentences for model {model.name!r}, which translates from {codes}; {folder} has none of it")


def _codes(pair: pb.LanguagePair) -> tuple[str, str]:
    return pair.source_language_code, pair.target_language_code
