"""python -m server [--listen ADDRESS] [--model-repository FOLDER] ..."""

import asyncio
import logging
import sys

from server.config import parse_config
from server.serving.app import serve
from server.serving.output import drop_unwritten

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    code = asyncio.run(serve(parse_config()))
    drop_unwritten()
    sys.exit(code)
