"""Who calls: the one place where a call's metadata becomes a caller, for every protocol."""

import hmac
from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.errors import Unauthenticated
from server.keys.key_file import Key, digest
from server.serving.access.caller import Caller, KeyHolder, Stranger
from server.serving.access.refusals import RefusalLog

_API_KEY = "x-api-key"
_AUTHORIZATION = "authorization"
_BEARER = "bearer "

_LONGEST_KEY = 200
"""Characters; of what is longer no digest is computed."""

Metadata = Iterable[tuple[str, str | bytes]]


class Access:
    """Everybody who may call. Used on the event loop's thread alone."""

    def __init__(self, keys: Iterable[Key] | None = None) -> None:
        """None: no keys are needed."""
        self._needs_key = keys is not None
        self.refusals = RefusalLog()
        self._holders: Mapping[bytes, KeyHolder] = {}
        """Those who may call, by the digests of their keys."""
        self.use(keys or ())

    @property
    def holders(self) -> Iterable[KeyHolder]:
        return self._holders.values()

    def use(self, keys: Iterable[Key]) -> None:
        """Replace all keys. Calls that run go on; who has kept its name has used what it has used, whatever its key is
        now. A key that has gone, or stands under another name, has nothing more decoded in calls that run."""
        before = {holder.name: holder for holder in self.holders}
        self._holders = {key.sha256: _holder(key, before.get(key.name)) for key in keys}
        for holder in before.values():
            holder.is_known = self._holders.get(holder.key.sha256) is holder

    def caller_of(self, metadata: Metadata, peer: str) -> Caller:
        """Who makes a call: by its key, or by its connection, `peer`, where no keys are needed."""
        if not self._needs_key:
            return Caller(peer)
        keys = _keys_in(metadata)
        if len(keys) != 1:
            return Stranger(peer, Unauthenticated("more than one key was sent" if keys else "no key was sent"))
        [key] = keys
        sha256 = digest(key) if len(key) <= _LONGEST_KEY else b""
        holder = self._holders.get(sha256)
        # What the lookup compared was a digest, whose bytes nobody can choose; still no comparison tells by its time.
        if holder is None or not hmac.compare_digest(holder.key.sha256, sha256):
            return Stranger(peer, Unauthenticated("the key that was sent is not known"))
        return holder


def _holder(key: Key, before: KeyHolder | None) -> KeyHolder:
    """Whoever calls with a key. `before`: who had its name so far, and stays if that was with the same key."""
    if before is None:
        return KeyHolder(key)
    if before.key.sha256 != key.sha256:
        return KeyHolder(key, before.usage)
    before.change(key)
    return before


def _keys_in(metadata: Metadata) -> list[str]:
    """The keys that were sent. Those in `x-api-key` are the server's whatever `authorization` says, which may be for a
    proxy in front of it."""
    keys = [str(value) for name, value in metadata if name == _API_KEY]
    if keys:
        return keys
    sent = [str(value) for name, value in metadata if name == _AUTHORIZATION]
    return [value[len(_BEARER) :].strip() for value in sent if value[: len(_BEARER)].lower() == _BEARER]


class KeySeries(Collector):
    """What each key of the file does, as Prometheus series: as many as there are keys, by name. A key that has gone
    takes its series with it."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def collect(self) -> Iterable[Metric]:
        calls = CounterMetricFamily("seq2serve_key_calls", "Calls and requests of streams begun.", labels=("key",))
        tokens = CounterMetricFamily(
            "seq2serve_key_source_tokens", "Source tokens decoded, as limits of keys count them.", labels=("key",)
        )
        running = GaugeMetricFamily(
            "seq2serve_key_running_calls", "Calls and requests of streams that run.", labels=("key",)
        )
        for holder in self._access.holders:
            calls.add_metric((holder.name,), holder.usage.num_calls)
            tokens.add_metric((holder.name,), holder.usage.num_source_tokens)
            running.add_metric((holder.name,), holder.usage.num_running)
        return (calls, tokens, running)
