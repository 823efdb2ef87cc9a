"""Measure what a running server makes of whole texts, beside what it makes of single sentences.

    python -m evaluation
    python -m evaluation --models transformer-en-fr --decoding greedy --sentences 100

Sentences of the test sets are joined, marked up as HTML, mixed with addresses and emoji, set in capitals, and written
with typographic, invisible and no-break characters. The exit status is 1 where more BLEU is lost than may be, or a
translation is wrong beyond doubt.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from evaluation.measure import Translate, measure
from evaluation.report import Finding, html_pairs, missed, table
from models.data.corpora import Corpus, CorpusError, data_folder, read_corpus
from seq2serve import Client, DecodingOptions, Translation, TranslationError
from seq2serve.requests import DEFAULT_ADDRESS

MODELS = ("transformer-en-fr", "lstm-attention-en-fr")
DECODINGS = {"greedy": 1, "beam-5": 5}
"""Name -> beam size."""

TEST_SETS = (("multi30k", "test_2016_flickr"), ("tatoeba", "test"))

NUM_HTML_PAIRS = 25
"""For a reader, of each test set."""

CALL_SECONDS = 3600.0
"""Timeout of a call, which has all contents of a variant."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m evaluation", description="Measure translations of whole texts.")
    parser.add_argument("--server", default=DEFAULT_ADDRESS, help=f"its address (default: {DEFAULT_ADDRESS})")
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="MODEL", help=f"default: {' '.join(MODELS)}")
    parser.add_argument("--decoding", nargs="+", choices=DECODINGS, default=list(DECODINGS), help="default: all")
    parser.add_argument("--sentences", type=int, metavar="N", help="of each test set, the first ones (default: all)")
    parser.add_argument("--seed", default="1", help="equal ones make equal contents (default: 1)")
    parser.add_argument("--data", type=Path, help="the corpora's folder (default: $SEQ2SERVE_DATA, else data)")
    parser.add_argument(
        "--html-pairs",
        type=Path,
        default=Path("build/html_pairs.txt"),
        help="where to write sources and translations in HTML, for judging them by eye (default: build/html_pairs.txt)",
    )
    arguments = parser.parse_args()
    if arguments.sentences is not None and arguments.sentences < 5:
        parser.error(f"--sentences: at least 5 expected, got {arguments.sentences}")
    try:
        with Client(arguments.server, timeout=CALL_SECONDS) as client:
            findings = evaluate(client, arguments)
    except (CorpusError, TranslationError) as error:
        sys.exit(f"error: {error}")
    print(table(findings))
    if lines := missed(findings):
        print("\nmissed:", *lines, sep="\n", file=sys.stderr)
        sys.exit(1)


def evaluate(client: Client, arguments: argparse.Namespace) -> list[Finding]:
    """Measure everything, and write the pairs of the first model and decoding. Raises CorpusError, TranslationError."""
    folder, num_sentences = data_folder(arguments.data), arguments.sentences
    tests = {f"{corpus}/{part}": head(read_corpus(folder, corpus, part), num_sentences) for corpus, part in TEST_SETS}
    with_alignment = {model.name for model in client.list_models() if model.has_alignment}
    findings, pairs = [], []
    for model in arguments.models:
        for decoding in arguments.decoding:
            options = DecodingOptions(beam_size=DECODINGS[decoding], return_alignment=model in with_alignment)
            translate = translator(client, model, options)
            for name, test in tqdm(tests.items(), desc=f"{model}, {decoding}", unit="test set"):
                measured = measure(translate, test, arguments.seed)
                findings += [Finding(model, decoding, name, row) for row in measured.rows]
                pairs.append(measured.html)
    chosen = [pair for test_set in pairs[: len(tests)] for pair in test_set[:: max(len(test_set) // NUM_HTML_PAIRS, 1)]]
    arguments.html_pairs.parent.mkdir(parents=True, exist_ok=True)
    arguments.html_pairs.write_text(html_pairs(chosen), encoding="utf-8")
    return findings


def head(corpus: Corpus, num_sentences: int | None) -> Corpus:
    """The first sentences of a corpus."""
    sources, targets, references = corpus
    return Corpus(sources[:num_sentences], targets[:num_sentences], references[:num_sentences])


def translator(client: Client, model: str, options: DecodingOptions) -> Translate:
    def translate(
        contents: Sequence[str], mime_type: str = "", do_not_translate: Sequence[str] = ()
    ) -> list[Translation]:
        return client.translate(
            contents, model=model, decoding=options, mime_type=mime_type, do_not_translate=do_not_translate
        )

    return translate


if __name__ == "__main__":
    main()
