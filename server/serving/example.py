"""The command that a server shows when it has started: whoever starts one sees at once how it is called."""

import itertools
import shlex
import sys

from seq2serve.addresses import Address
from server.config import ServerConfig
from server.serving.models.directions import parsed
from server.serving.models.served import ServedModel

_EXAMPLES = {
    "en": "Two young men are playing guitar in the park.",
    "fr": "Deux jeunes hommes jouent de la guitare dans le parc.",
}
"""A sentence to try the server with, by the default model's source language; English where there is none of it."""

_MAX_PAIRS = 1000
"""Language pairs of a model among which one with an example is looked for."""


def example_command(address: Address, config: ServerConfig, model: ServedModel) -> str:
    """A call of the command line to this server, with what it asks clients for; whoever reads it knows the files."""
    command = [sys.executable, "-m", "seq2serve", "--server", str(address), *_credentials(config)]
    return f"{shlex.join(command)} {example_arguments(model)}"


def example_arguments(model: ServedModel) -> str:
    """A sentence for a model, and its languages where the model has to be told."""
    sentences = {source: _example_in(source) for source in model.manifest.source_codes}
    pairs = list(itertools.islice(model.directions.pairs(), _MAX_PAIRS))
    source, target = next((pair for pair in pairs if sentences[pair[0]]), pairs[0])
    options = ["--from", source] * (len(sentences) > 1)
    options += ["--to", target] * (len(model.manifest.target_codes) > 1)
    return f'{shlex.join(options)} "{sentences[source] or _EXAMPLES["en"]}"'.strip()


def _credentials(config: ServerConfig) -> list[str]:
    """Flags of the command line for what a client needs; whoever reads them knows the files."""
    flags = ["--authorities"] * bool(config.tls_certificate)
    flags += ["--client-certificate", "--client-key"] * bool(config.tls_client_authorities)
    flags += ["--api-key-file"] * bool(config.keys)
    return [word for flag in flags for word in (flag, "FILE")]


def _example_in(code: str) -> str:
    """Empty for a language that there is none in."""
    *_, language = parsed(code).ranges
    return _EXAMPLES.get(language, "")
