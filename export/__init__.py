"""From a trained checkpoint to a bundle that the server serves."""

import os

# ONNX Runtime's Linux builds send usage events home unless this is set before the import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
