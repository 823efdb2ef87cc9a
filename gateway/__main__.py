"""python -m gateway [--server ADDRESS] [--listen ADDRESS] ..."""

import asyncio
import sys

from gateway.logs import configure
from gateway.serve import serve
from gateway.settings import parse_settings

if __name__ == "__main__":
    settings, connection = parse_settings()
    configure(settings.log_format)
    try:
        asyncio.run(serve(settings, connection))
    except (OSError, ValueError) as error:  # of an address, a certificate or a folder
        sys.exit(f"error: {error}")
