"""The translation server."""

import os

# ONNX Runtime's Linux builds send usage events home unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
