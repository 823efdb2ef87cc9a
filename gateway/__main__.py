"""python -m gateway [--server ADDRESS] [--listen ADDRESS] ..."""

import asyncio
import sys

from gateway.serve import serve
from gateway.settings import parse_settings
from log_format import configure_logging

if __name__ == "__main__":
    settings, connection = parse_settings()
    configure_logging(settings.log_format)
    try:
        asyncio.run(serve(settings, connection))
    except (OSError, ValueError) as error:  # of an address, a certificate or a folder
        sys.exit(f"error: {error}")
