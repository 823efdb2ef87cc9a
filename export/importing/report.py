"""The last screen of an import: what was read, what the guards found, and how to serve it."""

from dataclasses import dataclass, field
from pathlib import Path

from export.checkpoints.imported import Imported
from server.bundle.manifest import Manifest

_MAX_CODES = 12
"""Languages that are listed; of more, the number is said."""
_WHAT_WAS_READ = ("imported_from", "format", "weights_file", "file", "licence")
"""Provenance by the readers: each gives some of them."""
_MEGABYTE = 1e6
_WIDTH = 100
"""Characters of an example that are shown."""


@dataclass(kw_only=True)
class Findings:
    """What the guards found."""

    parity: float
    """Nats, PyTorch against ONNX Runtime."""
    num_long: int
    """Sentences of the text that were left out as too long."""
    min_agreement: float
    agreement: float | None = None
    """BLEU of int8 against fp32, `min_agreement` at least; None for an fp32 bundle."""
    num_compared: int = 0
    shortlist: str = "none"
    examples: list[tuple[str, str]] = field(default_factory=list)
    """Source and int8 translation, of each direction the first."""


def describe(imported: Imported, manifest: Manifest, bundle: Path, findings: Findings, *, is_without_text: bool) -> str:
    settings = imported.settings
    num_parameters = sum(tensor.numel() for name, tensor in imported.weights.items() if not name.endswith("_positions"))
    size = sum(path.stat().st_size for path in bundle.iterdir()) / _MEGABYTE
    lines = [
        ("read", ", ".join(value for name in _WHAT_WAS_READ if (value := manifest.provenance.get(name)))),
        (
            "model",
            f"{settings.num_encoder_layers} + {settings.num_decoder_layers} layers, d_model {settings.d_model}, "
            f"{num_parameters / 1e6:.1f} million parameters, {settings.target_vocabulary} pieces",
        ),
        ("from", _codes(manifest.source_codes)),
        ("to", _codes(manifest.target_codes)),
        ("limits", f"{manifest.max_source_tokens} source tokens, {manifest.max_output_tokens} output tokens"),
        ("positions", imported.provenance.get("positions", "")),
        ("bundle", f"{bundle}, {manifest.precision}, {size:.1f} MB"),
        ("parity", f"{findings.parity:.1e} nats between PyTorch and ONNX Runtime at fp32"),
        ("int8", _int8(findings, is_without_text)),
        ("shortlist", findings.shortlist),
        *(("example", f"{source[:_WIDTH]} -> {target[:_WIDTH]}") for source, target in findings.examples),
        *(("warning", warning) for warning in imported.warnings),
        ("serve it", f"python -m server --model-repository {bundle.parents[1]} --default-model {manifest.name}"),
    ]
    return "\n".join(f"{name:10} {text}" for name, text in lines if text)


def _codes(codes: list[str]) -> str:
    more = f" and {len(codes) - _MAX_CODES} more" if len(codes) > _MAX_CODES else ""
    return ", ".join(codes[:_MAX_CODES]) + more


def _int8(findings: Findings, is_without_text: bool) -> str:
    if findings.agreement is None:
        return "not done: it is calibrated with --text, and none was given" if is_without_text else "not asked for"
    skipped = f"; {findings.num_long} longer ones were left out" if findings.num_long else ""
    return (
        f"BLEU {findings.agreement:.1f} against fp32 on {findings.num_compared} sentences of --text, "
        f"{findings.min_agreement:g} at least{skipped}"
    )
