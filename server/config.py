"""The server's settings: each a flag, and an environment variable of the same name behind SEQ2SERVE_."""

import argparse
import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PREFIX = "SEQ2SERVE_"


def _setting(default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    listen: str = _setting("127.0.0.1:50051", "address of the gRPC server; port 0 takes a free one")
    metrics_listen: str = _setting("127.0.0.1:9464", "address of Prometheus metrics over HTTP; empty for none")
    model_repository: Path = _setting(Path("model_repository"), "folder of <model>/<version>/ bundles")
    default_model: str = _setting("transformer-en-fr", "model of requests that name none")
    max_rows: int = _setting(64, "rows of each model's running batch")
    max_waiting: int = _setting(1024, "sentences of a caller that may wait, by model; fewer where others wait")
    max_joining_tokens: int = _setting(512, "source tokens that are encoded between two steps")
    max_contents: int = _setting(128, "contents of one request")
    max_content_characters: int = _setting(10_000, "characters of one content")
    max_beam_size: int = _setting(8, "beam size and number of hypotheses; never more than max_rows")
    max_forbidden_phrases: int = _setting(64, "forbidden phrases of one request")
    max_glossary_entries: int = _setting(1000, "glossary entries given in one request")
    cache_megabytes: int = _setting(0, "memory for translations that were made before, of all models; 0: no cache")
    threads: int = _setting(1, "threads of each model's products")
    grace_seconds: int = _setting(20, "time that running requests get to end at shutdown")

    def __post_init__(self) -> None:
        """Raises ValueError naming the setting, the limit and the value."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            least = 0 if field.default == 0 else 1
            if isinstance(value, int) and value < least:
                raise ValueError(f"{field.name}: at least {least} expected, got {value}")


def parse_config(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> ServerConfig:
    """A flag wins over an environment variable, which wins over the default. Exits with a message for a bad value."""
    parser = argparse.ArgumentParser(
        prog="python -m server", description="Serve translation models over gRPC.", allow_abbrev=False
    )
    for field in dataclasses.fields(ServerConfig):
        variable = _PREFIX + field.name.upper()
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            type=type(field.default),
            default=environment.get(variable, field.default),  # argparse converts a text as it does a flag's
            metavar=field.name.rpartition("_")[2].upper(),
            help=f"{field.metadata['help']} ({variable}; default: {field.default})",
        )
    try:
        return ServerConfig(**vars(parser.parse_args(arguments)))
    except ValueError as error:
        parser.error(str(error))
