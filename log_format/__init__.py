"""How every process, of the server and of the gateway, writes its log: lines for people, or one JSON object a line for
programs. It knows nobody else, as a process that decodes may know neither gRPC nor whoever serves."""

import datetime
import json
import logging
from typing import Any

TEXT, JSON = "text", "json"
FORMATS = (TEXT, JSON)

_TEXT_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure_logging(log_format: str) -> None:
    """Log on standard error from now on, in one of `FORMATS`."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == JSON else TextFormatter(_TEXT_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class TextFormatter(logging.Formatter):
    """The message, and behind it what a record has in its attribute `fields`, as name=value."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return " ".join([super().formatMessage(record), *(f"{k}={v}" for k, v in _fields(record).items())])


class JsonFormatter(logging.Formatter):
    """Time (UTC, RFC 3339), level, logger and message, and what a record has in its attribute `fields`. A traceback is
    a field, so that a record is always one line."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields
