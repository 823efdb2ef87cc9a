"""The server's settings: each a flag, and an environment variable of the same name behind SEQ2SERVE_."""

import argparse
import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from log_format import FORMATS
from server.cores import usable_cores

_PREFIX = "SEQ2SERVE_"

LOG_FORMAT_VARIABLE = _PREFIX + "LOG_FORMAT"
"""Tells an engine's process the format as well: whatever it logs comes before its settings do."""

_SWITCHES = {"true": True, "1": True, "false": False, "0": False}
"""What a setting that is on or off is given as; its flag alone means that it is on."""


def _setting(default: Any, text: str) -> Any:
    return dataclasses.field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    listen: str = _setting("127.0.0.1:50051", "gRPC's host:port, [IPv6]:port, :port or unix:path; port 0 is a free one")
    metrics_listen: str = _setting("127.0.0.1:9464", "the same for Prometheus over HTTP, without unix; empty for none")
    health_listen: str = _setting("", "gRPC's health checks alone, for probes without TLS; empty: only where gRPC is")
    model_repository: tuple[Path, ...] = _setting(
        (Path("model_repository"),), "folder of <model>/<version>/ bundles; a flag for each, or a list as in PATH"
    )
    default_model: str = _setting(
        "transformer-en-fr", "model of requests that name none; others behind commas are preferred for their languages"
    )
    watch_seconds: int = _setting(
        0, "time between two looks for models that have come, changed or gone; 0: only SIGHUP and calls change them"
    )
    max_rows: int = _setting(64, "rows of each engine's running batch")
    max_waiting: int = _setting(4096, "sentences of a caller that may wait, by model; fewer where others wait")
    max_joining_tokens: int = _setting(512, "source tokens that are encoded between two steps")
    max_contents: int = _setting(128, "contents of one request")
    max_content_characters: int = _setting(10_000, "characters of one content")
    max_beam_size: int = _setting(8, "beam size and number of hypotheses; never more than max_rows")
    max_forbidden_phrases: int = _setting(64, "forbidden phrases of one request")
    max_glossary_entries: int = _setting(1000, "glossary entries given in one request")
    max_do_not_translate: int = _setting(100, "texts of one request that are not to be translated")
    max_calls: int = _setting(512, "calls that run at a time, shared between connections; more are refused")
    max_streams: int = _setting(64, "calls of one connection at a time; HTTP/2 refuses further ones")
    max_request_megabytes: int = _setting(32, "size of the messages of running calls; more are refused")
    max_delay_milliseconds: int = _setting(
        200, "time that a request may have to wait for its model; else it is refused"
    )
    max_call_seconds: int = _setting(300, "deadline of calls that bring none")
    max_connection_age_seconds: int = _setting(1800, "time after which a client is asked to connect anew")
    cache_megabytes: int = _setting(0, "memory for translations that were made before, of all models; 0: no cache")
    engines: str = _setting(
        "1", "processes that decode each model, or some of them: 2; transformer-en-fr=2; 1,transformer-en-fr=2"
    )
    threads: int = _setting(1, "threads of each engine's products")
    drain_delay_seconds: int = _setting(
        0, "time at shutdown in which health says so and calls are still taken: what probes need to see it"
    )
    grace_seconds: int = _setting(20, "time that running requests get to end at shutdown, after the drain delay")
    tls_certificate: str = _setting("", "PEM file of the server's certificate chain; empty: connections are in plain")
    tls_key: str = _setting("", "PEM file of the certificate's private key, without a password")
    tls_client_authorities: str = _setting(
        "", "PEM file of authorities whose certificates clients have to show; empty: they need none"
    )
    keys: str = _setting("", "file of API keys, as python -m server.keys makes it; empty: no keys are needed")
    insecure_listen: bool = _setting(False, "listen for other machines without TLS or without keys as well")
    reflection: bool = _setting(False, "tell the contract to whoever asks also beyond this machine, as grpcurl does")
    log_format: str = _setting("text", "text, or json: an object a line, and a line for every call")
    otlp_endpoint: str = _setting("", "http(s)://host:port of a collector of traces, over gRPC; empty: there are none")
    slow_request_ms: int = _setting(0, "time after which a call is logged as slow, in milliseconds; 0: none is")

    def __post_init__(self) -> None:
        """Raises ValueError naming the setting, the limit and the value."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            least = 0 if field.default == 0 else 1
            if type(value) is int and value < least:
                raise ValueError(f"{field.name}: at least {least} expected, got {value}")
        if self.log_format not in FORMATS:
            raise ValueError(f"log_format: {' or '.join(FORMATS)} expected, got {self.log_format!r}")
        if not self.model_repository:
            raise ValueError("model_repository: at least one folder expected, got none")
        if not all(self.default_models):
            raise ValueError(f"default_model: names with commas between expected, got {self.default_model!r}")
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key: both expected, or neither")
        if self.tls_client_authorities and not self.tls_certificate:
            raise ValueError("tls_client_authorities: tls_certificate and tls_key expected as well")
        self._engines()

    @property
    def default_models(self) -> tuple[str, ...]:
        """The default model, and behind it those that are preferred where it does not serve the languages."""
        return tuple(name.strip() for name in self.default_model.split(","))

    @property
    def engines_by_model(self) -> Mapping[str, int]:
        """Of the models whose number of engines is set by name."""
        return {name: number for name, number in self._engines().items() if name}

    def num_engines(self, model: str) -> int:
        engines = self._engines()
        return engines.get(model, engines.get("", 1))

    def _engines(self) -> dict[str, int]:
        """By model, and for all others under the empty name. Raises ValueError."""
        engines: dict[str, int] = {}
        for entry in self.engines.split(","):
            model, _, number = entry.strip().rpartition("=")
            if not number.isdecimal() or model in engines or entry.strip().startswith("="):
                raise ValueError(f"engines: a number, or <model>=<number> with commas between, expected, got {entry!r}")
            if int(number) < 1:
                raise ValueError(f"engines: at least 1 expected, got {entry!r}")
            engines[model] = int(number)
        return engines

    def check_cores(self, num_cores: int) -> None:
        """Raises ValueError where an engine, or those of one model, would want more cores than there are: threads that
        wait for each other's core make every step longer."""
        if self.threads > num_cores:
            raise ValueError(f"threads: at most {num_cores} expected, the cores of this machine, got {self.threads}")
        for model, number in self._engines().items():
            if number * self.threads > num_cores:
                most = f"at most {num_cores // self.threads} expected ({num_cores} cores, {self.threads} threads each)"
                raise ValueError(f"engines: {most}, got {model and model + '='}{number}")


def parse_config(
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] = os.environ,
    num_cores: int | None = None,
) -> ServerConfig:
    """A flag wins over an environment variable, which wins over the default. Exits with a message for a bad value.

    `num_cores`: what the machine has, where that is not to be asked.
    """
    parser = argparse.ArgumentParser(
        prog="python -m server", description="Serve translation models over gRPC.", allow_abbrev=False
    )
    for field in dataclasses.fields(ServerConfig):
        variable = _PREFIX + field.name.upper()
        shown: Any = field.default
        kind: dict[str, Any] = {
            "type": type(field.default),
            "default": environment.get(variable, field.default),  # argparse converts a text as it does a flag's
        }
        if isinstance(field.default, bool):
            kind |= {"type": _switch, "nargs": "?", "const": True}
        if isinstance(field.default, tuple):
            shown = os.pathsep.join(map(str, field.default))
            kind = {"type": _folder, "action": "append"}  # to a default it would add the flags' folders
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            metavar=field.name.rpartition("_")[2].upper(),
            help=f"{field.metadata['help']} ({variable}; default: {shown})",
            **kind,
        )
    given = vars(parser.parse_args(arguments))
    given["model_repository"] = tuple(given["model_repository"] or _folders(environment))
    try:
        config = ServerConfig(**given)
        config.check_cores(num_cores or usable_cores())
    except ValueError as error:
        parser.error(str(error))
    return config


def _switch(text: str) -> bool:
    if text.lower() not in _SWITCHES:
        raise argparse.ArgumentTypeError(f"true or false expected, got {text!r}")
    return _SWITCHES[text.lower()]


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("a folder expected, got ''")
    return Path(text)


def _folders(environment: Mapping[str, str]) -> Sequence[Path]:
    """The model repositories without any flag. The variable is a list as PATH is; what is empty in it is left out."""
    variable = environment.get(_PREFIX + "MODEL_REPOSITORY")
    if variable is None:
        return ServerConfig.model_repository
    return [Path(folder) for folder in variable.split(os.pathsep) if folder]
