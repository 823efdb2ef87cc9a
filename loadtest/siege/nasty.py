"""Requests that the limits allow, made to cost as much as they can."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from loadtest.siege.attack import SENTENCES, Outcome, Target
from loadtest.siege.calls import SCORE, TRANSLATE, open_channel, record, translate_request, unary
from seq2serve.pb import translation_pb2 as pb

_DEADLINE_SECONDS = 3.0
_TIMES = 3


def long_text(num_characters: int) -> str:
    """Of whole sentences, and no longer than that."""
    text = " ".join(SENTENCES * (num_characters // 5000 + 1))
    return text[: text.rindex(".", 0, num_characters) + 1]


def _translate(*contents: str, **decoding: Any) -> tuple[str, bytes]:
    return TRANSLATE, translate_request(*contents, **decoding)


def _glossary(terms: Iterable[str]) -> pb.Glossary:
    return pb.Glossary(entries=[pb.GlossaryEntry(source_term=term, target_term=f"{term} bleu") for term in terms])


def _score(num_pairs: int) -> tuple[str, bytes]:
    pairs = [pb.ScoredPair(content=text, translated_text=text) for text in (SENTENCES * 2)[:num_pairs]]
    return SCORE, pb.ScoreRequest(pairs=pairs, return_alignment=True).SerializeToString()


_REQUESTS: dict[str, Callable[[], tuple[str, bytes]]] = {
    # 10,000 characters and 64 phrases: 19 kB
    "phrases-and-glossary": lambda: _translate(
        long_text(10_000),
        forbidden_phrases=[f"{number} {'phrase ' * 18}"[:140] for number in range(64)],
        glossary=_glossary(["dog", "station"]),
    ),
    "phrase-of-one-letter": lambda: _translate(SENTENCES[1], forbidden_phrases=["e"]),
    "glossary-entries": lambda: _translate(
        long_text(2_000), glossary=_glossary(f"{a} {b}" for a in _words()[:40] for b in _words()[:25])
    ),
    "most-characters": lambda: _translate(*[long_text(10_000)] * 128),
    "long-beams": lambda: _translate(*[long_text(10_000)] * 42, beam_size=4),
    "long-n-best": lambda: _translate(*[long_text(10_000)] * 8, beam_size=8, num_hypotheses=8),
    "long-alignments": lambda: _translate(*[long_text(10_000)] * 4, return_alignment=True, return_token_scores=True),
    "scores": lambda: _score(128),
    "long-prefixes": lambda: _translate(*[long_text(1_000)] * 100, target_prefix=" ".join(["chien"] * 60), beam_size=4),
}


def nasty(name: str) -> Callable[[Target], Coroutine[Any, Any, Outcome]]:
    """The attack that sends one of these requests several times, one after another."""

    async def attack(target: Target) -> Outcome:
        outcome = Outcome()
        path, request = _REQUESTS[name]()
        outcome.count("bytes a call", len(request))
        async with open_channel(target.address) as channel:
            await channel.channel_ready()
            for _ in range(_TIMES):
                error = await record(outcome, unary(channel, path)(request, timeout=_DEADLINE_SECONDS))
                if error and error.code().name == "DEADLINE_EXCEEDED":
                    break
                await asyncio.sleep(0.2)
        return outcome

    return attack


def _words() -> list[str]:
    return sorted({word.strip(".,?!").lower() for text in SENTENCES for word in text.split()} - {""})
