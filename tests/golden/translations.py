"""What the shipped models translate, through the real engine; `python -m tests.golden.translations` writes it down.

A model is shipped when both `checkpoints/` and `model_repository/` have it. The file is written anew when one of them
changes or another joins them, and only then.
"""

import json
from pathlib import Path

from server.bundle.manifest import Bundle
from server.decoding.engine import Engine
from server.decoding.graphs.backend import Backend, BackendOptions
from server.decoding.metrics import EngineMetrics
from server.decoding.scheduler import Limits
from server.messages.sentence import Sentence
from server.serving.models.repository import read_repository
from server.text.pieces import Pieces
from server.text.sentencepieces import SentencePieceTokenizer
from tests.fakes import Outcomes, greedy, post

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).with_name("translations.json")
SENTENCES = {
    "en": (
        "Two young men are playing guitar in the park.",
        "A woman in a red coat is walking her dog on the beach.",
        "Several children are jumping into a swimming pool.",
        "A man is cooking in a small kitchen.",
        "I don't know where he lives.",
        "What time does the train leave?",
        "She has never been to Paris.",
        "Can you help me tomorrow morning?",
    ),
    "fr": (
        "Deux jeunes hommes jouent de la guitare dans le parc.",
        "Une femme en manteau rouge promène son chien sur la plage.",
        "Plusieurs enfants sautent dans une piscine.",
        "Un homme cuisine dans une petite cuisine.",
        "Je ne sais pas où il habite.",
        "À quelle heure part le train ?",
        "Elle n'est jamais allée à Londres.",
        "Peux-tu m'aider demain matin ?",
    ),
}
"""Source language -> what is translated from it."""

MAX_ROWS = 8


def checkpoint_names() -> set[str]:
    return {path.parent.name for path in (ROOT / "checkpoints").glob("*/config.toml")}


def shipped_bundles() -> list[Bundle]:
    """The bundles of all checkpoints; others that lie beside them are their owner's."""
    names = checkpoint_names()
    return [bundle for bundle in read_repository(ROOT / "model_repository") if bundle.manifest.name in names]


def translate(bundle: Bundle, max_rows: int = MAX_ROWS) -> dict[str, str]:
    """Source -> translation; `max_rows` sentences share a batch."""
    manifest = bundle.manifest
    sources = SENTENCES[manifest.source_codes[0]]
    eos = manifest.special_ids.eos
    tokenizer = SentencePieceTokenizer(bundle.tokenizer, eos)
    outcomes = Outcomes()
    engine = Engine(
        manifest,
        Backend(bundle, BackendOptions(max_rows, num_threads=1)),
        Pieces(tokenizer.texts),
        Limits(max_rows, max_joining_tokens=512),
        post,
        EngineMetrics(manifest.name),
    )
    engine.submit(
        [Sentence([*tokenizer.encode(source), eos], greedy(60), outcomes.listener(source)) for source in sources]
    )
    engine.run()
    return {source: tokenizer.decode(outcomes.best(source).output_ids) for source in sources}


if __name__ == "__main__":
    golden = {bundle.manifest.name: translate(bundle) for bundle in shipped_bundles()}
    GOLDEN.write_text(json.dumps(golden, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
