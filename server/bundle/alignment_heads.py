"""The heads of the attention that a bundle's alignment is taken from."""

from server.bundle.manifest import Manifest


def num_heads(manifest: Manifest) -> int:
    """All of its layer, whether they count or not; 0 without an alignment."""
    if manifest.alignment is None:
        return 0
    [spec] = [spec for spec in manifest.state if spec.name == manifest.alignment.keys]
    return int(spec.shape[0])


def counted_heads(manifest: Manifest) -> tuple[int, ...]:
    """Those whose mean the alignment is, counted from 0."""
    if manifest.alignment is None or manifest.alignment.heads is None:
        return tuple(range(num_heads(manifest)))
    return manifest.alignment.heads
