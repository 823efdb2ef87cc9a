"""Who makes a call, and what that allows: a key, or a connection where no keys are needed."""

from server.errors import RateLimited, RoleMissing, TooManyCalls, TranslationError, Unauthenticated
from server.keys.key_file import ADMIN, SCORE, TRANSLATE, Key
from server.serving.access.bucket import TokenBucket

_BURST_SECONDS = 10
"""Seconds of a key's rate that it may use at once, where its file does not say so."""

_SPENDING = (TRANSLATE, SCORE)
"""Roles of methods that use source tokens."""

_RETRY_SECONDS = 0.5
"""After which one of a key's running calls may have ended."""

_LEAST_SECONDS = 0.05
"""Shortest time after which a caller beyond its rate is told to ask again."""


class Caller:
    """Whoever makes a call to a server without keys: a connection, which may do everything."""

    def __init__(self, name: str) -> None:
        self.name = name
        """Whom the server is fair to. Of a connection it is gRPC's name for its peer, port included: two clients behind
        one address have a connection each, and are two callers."""

    def __str__(self) -> str:
        return self.name

    def require_key(self) -> None:
        """Raises Unauthenticated where a key is needed, and the caller has none that is known, or is known still."""

    def require(self, role: str) -> None:
        """Raises the error that a call, or a request of a stream, is refused with which needs a role."""

    def check_calls(self) -> None:
        """Raises TooManyCalls where the caller may not have one more call running."""

    def enter(self) -> None:
        """Count a call that begins, or one of the requests of a stream."""

    def leave(self) -> None:
        """Count a call that ends, or one of the requests of a stream."""

    def check(self, cost: int) -> None:
        """Raises RateLimited where the caller may not have so much decoded now (source tokens, as
        `DecodingOptions.cost` counts them), and Unauthenticated where it may have nothing any more."""

    def charge(self, cost: int) -> None:
        """Count what is being decoded."""


class Stranger(Caller):
    """Whoever makes a call without a key, or with one that is not known, to a server that wants one."""

    def __init__(self, name: str, error: TranslationError) -> None:
        super().__init__(name)
        self._error = error

    def require_key(self) -> None:
        raise self._error

    def require(self, role: str) -> None:
        self.require_key()


class KeyUsage:
    """What has been used by whoever has a name, with one key after another."""

    def __init__(self) -> None:
        self.num_running = 0
        self.num_calls = 0
        self.num_source_tokens = 0
        """As `DecodingOptions.cost` counts them."""
        self.bucket: TokenBucket | None = None
        """None: no limit of source tokens."""


class KeyHolder(Caller):
    """Everybody who calls with one key. Used on the event loop's thread alone, but for the counts of the usage, which
    others may read."""

    def __init__(self, key: Key, usage: KeyUsage | None = None) -> None:
        """`usage`: what was used already with another key of the same name."""
        super().__init__(key.name)
        self.usage = usage or KeyUsage()
        self.is_known = True
        """Whether the file of keys still has the key, by this name."""
        self.change(key)

    def __str__(self) -> str:
        return f"key {self.name}"

    def change(self, key: Key) -> None:
        """Go on as what the key's file now says of the same name. What runs, runs on, and what was used was used."""
        self.key = key
        rate, usage = key.source_tokens_per_second, self.usage
        if rate is None:
            usage.bucket = None
            return
        burst = key.burst_source_tokens or _BURST_SECONDS * rate
        if usage.bucket:
            usage.bucket.change(rate, burst)
        else:
            usage.bucket = TokenBucket(rate, burst)

    def require_key(self) -> None:
        if not self.is_known:  # a call that takes many requests may last for long
            raise Unauthenticated("the key that was sent is not known any more")

    def require(self, role: str) -> None:
        self.require_key()
        if role not in self.key.roles and ADMIN not in self.key.roles:
            raise RoleMissing(self.name, role)
        if role in _SPENDING:  # who is beyond its rate is refused before anything is parsed
            self.check(1)

    def check_calls(self) -> None:
        limit = self.key.max_calls
        if limit is not None and self.usage.num_running >= limit:
            raise TooManyCalls(self.name, limit, _RETRY_SECONDS)

    def enter(self) -> None:
        self.usage.num_running += 1
        self.usage.num_calls += 1

    def leave(self) -> None:
        self.usage.num_running -= 1

    def check(self, cost: int) -> None:
        self.require_key()
        bucket = self.usage.bucket
        if bucket and (seconds := bucket.seconds_until(cost)):
            rate = self.key.source_tokens_per_second or 0
            raise RateLimited(self.name, rate, bucket.left, cost, max(seconds, _LEAST_SECONDS))

    def charge(self, cost: int) -> None:
        self.usage.num_source_tokens += cost
        if self.usage.bucket:
            self.usage.bucket.take(cost)
