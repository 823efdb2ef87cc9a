"""An optional cache, of bounded size: translations that were made before, by all that they depend on."""

import hashlib
from collections.abc import Hashable, Sequence

import cachetools

from server.bundle.manifest import Manifest
from server.messages.options import DecodingOptions
from server.messages.sentence import Finished
from server.serving.metrics import CacheMetrics

_BYTES_PER_TOKEN = 100
"""Bytes of a token in Python's lists and numbers, about."""


_BYTES_OF_AN_ENTRY = 500
"""Bytes of an entry's key, and of the cache's own record, about."""


class TranslationCache:
    """The least recently used translations make room. Used on the event loop's thread alone."""

    def __init__(self, max_bytes: int, metrics: CacheMetrics) -> None:
        self._kept: cachetools.LRUCache[Hashable, Finished] = cachetools.LRUCache(max_bytes, size_of)
        self._metrics = metrics

    def get(self, key: Hashable) -> Finished | None:
        found = self._kept.get(key)
        (self._metrics.misses if found is None else self._metrics.hits).inc()
        return found

    def put(self, key: Hashable, finished: Finished) -> None:
        if size_of(finished) <= self._kept.maxsize:
            self._kept[key] = finished
            self._metrics.bytes.set(self._kept.currsize)


def key_of(manifest: Manifest, source_ids: Sequence[int], options: DecodingOptions) -> bytes:
    """A key of all that a translation depends on, in a few bytes whatever the sentence's size."""
    return hashlib.blake2b(repr((manifest.digest, source_ids, options)).encode()).digest()


def size_of(finished: Finished) -> int:
    """Bytes that an entry takes, about."""
    num_bytes = _BYTES_OF_AN_ENTRY
    for hypothesis in finished.hypotheses:
        num_arrays = len(hypothesis.attention) + len(hypothesis.attention_by_head)
        num_bytes += _BYTES_PER_TOKEN * (2 + len(hypothesis.output_ids) + num_arrays) + hypothesis.num_attention_bytes
    return num_bytes
