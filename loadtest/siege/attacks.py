"""All attacks, in the order in which the siege makes them, each with what has to hold."""

from loadtest.siege import bursts, connections, ends, frames, malformed
from loadtest.siege.attack import Attack, Bounds
from loadtest.siege.calls import STREAM_REFUSED
from loadtest.siege.nasty import nasty

_UNHURT = Bounds(honest_ms=100, begin_ms=100)
"""Nobody else waits for what one caller does."""

_STATUSES = frozenset({"OK", "RESOURCE_EXHAUSTED", STREAM_REFUSED})
_BURST = Bounds(honest_ms=500, statuses=_STATUSES, all_counted=True, may_refuse_honest=True)
_OVERLOAD = Bounds(
    honest_ms=500, statuses=_STATUSES, answered_ms=500, refused_ms=100, goodput=0.8, may_refuse_honest=True
)
_MALFORMED = Bounds(honest_ms=100, begin_ms=100, all_counted=True, log_lines=800)
_LEGAL = Bounds(honest_ms=100, begin_ms=100, statuses=frozenset({"OK", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}))
_STREAMS = Bounds(honest_ms=100, begin_ms=100, statuses=_STATUSES)
_MEGABYTES = Bounds(honest_ms=100, begin_ms=100, memory_mb=100, statuses=_STATUSES | {"INVALID_ARGUMENT"})
_GZIP = Bounds(honest_ms=100, begin_ms=100, memory_mb=100, statuses=frozenset({"RESOURCE_EXHAUSTED"}))
_CANCELLED = Bounds(honest_ms=100, begin_ms=100, statuses=_STATUSES | {"given up"})
_LATE = Bounds(honest_ms=100, begin_ms=100, statuses=_STATUSES | {"DEADLINE_EXCEEDED"})
_KILLED = Bounds(honest_ms=100, begin_ms=100, statuses=frozenset({"OK", "UNAVAILABLE"}))
_DRAINED = Bounds(back_seconds=None, statuses=frozenset({"OK", "UNAVAILABLE", "RESOURCE_EXHAUSTED"}), ends_server=True)

_ALL = (
    Attack("burst-1", "10,000 calls at once on one connection", bursts.burst_on_one_connection, _BURST),
    Attack("burst-50", "10,000 calls at once on 50 connections", bursts.burst_on_fifty_connections, _BURST, 2),
    Attack(
        "overload", "2 s at the knee, then 4 s of Poisson arrivals at 3 times the knee", bursts.overload, _OVERLOAD, 2
    ),
    Attack("streams", "200 streams of 8 contents at a time, for 3 s", bursts.streams, _STREAMS),
    Attack("bulk", "4 calls of 128 sentences at a time, for 3 s", bursts.bulk, _UNHURT),
    Attack("cancelled", "1,000 calls opened and cancelled, three times", bursts.cancelled, _CANCELLED),
    Attack("short-deadlines", "500 calls with deadlines of 0, 1 and 5 ms each", bursts.short_deadlines, _LATE),
    Attack(
        "phrases-and-glossary",
        "10,000 characters, 64 forbidden phrases and 2 glossary entries: 19 kB, three times",
        nasty("phrases-and-glossary"),
        _LEGAL,
    ),
    Attack("phrase-of-one-letter", 'the forbidden phrase "e", three times', nasty("phrase-of-one-letter"), _LEGAL),
    Attack("glossary-entries", "1,000 glossary entries, three times", nasty("glossary-entries"), _LEGAL),
    Attack("most-characters", "128 contents of 10,000 characters, three times", nasty("most-characters"), _UNHURT),
    Attack("long-beams", "42 contents of 10 kB with a beam of 4", nasty("long-beams"), _LEGAL),
    Attack("long-n-best", "8 contents of 10 kB with 8 hypotheses", nasty("long-n-best"), _LEGAL),
    Attack("long-alignments", "4 contents of 10 kB with alignments, three times", nasty("long-alignments"), _LEGAL),
    Attack("scores", "Score of 128 pairs with alignments, three times", nasty("scores"), _LEGAL),
    Attack("long-prefixes", "100 contents of 1 kB behind 60 words, with a beam of 4", nasty("long-prefixes"), _LEGAL),
    Attack("gzip-bomb", "200 kB that are 200 MB, three times", malformed.gzip_bomb, _GZIP),
    Attack("malformed", "100 calls each of 8 kinds of wrong call", malformed.malformed, _MALFORMED),
    Attack("rapid-reset", "5,000 streams begun and reset, three times", frames.rapid_reset, _UNHURT),
    Attack("settings-flood", "20,000 SETTINGS frames, three times", frames.settings_flood, _UNHURT),
    Attack("ping-flood", "20,000 PING frames, three times", frames.ping_flood, _UNHURT),
    Attack(
        "continuation-flood", "headers of 3,000 CONTINUATION frames, five times", frames.continuation_flood, _UNHURT
    ),
    Attack("open-streams", "3,000 streams of headers alone, held for 2 s", frames.open_streams, _UNHURT),
    Attack("slow-readers", "100 streams of 8 contents that are not read, for 2 s", frames.slow_readers, _UNHURT),
    Attack("huge-metadata", "50 calls with 100 kB of metadata", frames.huge_metadata, _UNHURT),
    Attack("announced", "200 messages of 12 MB announced, 1 kB sent, for 2 s", frames.announced_messages, _UNHURT),
    Attack("silent", "500 connections that say nothing, for 2 s", connections.silent_connections, _UNHURT),
    Attack("garbage", "200 connections that send 4 kB of noise", connections.garbage, _UNHURT),
    Attack("tls-hello", "200 connections that begin a TLS handshake", connections.tls_hello, _UNHURT),
    Attack(
        "refused-megabytes", "300 refused calls of 5 MB, half of them at once", malformed.refused_megabytes, _MEGABYTES
    ),
    Attack("descriptors", "1,500 connections where 1,024 descriptors are allowed", connections.descriptors, _UNHURT),
    Attack("killed-engine", "kill -9 of the process that decodes another model", ends.killed_engine, _KILLED),
    Attack("drained", "200 streams opened 0.1 s before SIGTERM", ends.drained, _DRAINED),
)

ATTACKS = {attack.name: attack for attack in _ALL}
