"""A version of a model, as whoever answers requests sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from server.bundle.manifest import Manifest
from server.messages.sentence import SentenceDecoder
from server.serving.models.backlog import Backlog
from server.serving.models.directions import Directions
from server.serving.models.uses import Uses
from server.text.alphabet import Alphabet
from server.text.glossary import Glossary
from server.text.tokenizer import Tokenizers


@dataclass(frozen=True)
class ServedModel:
    """A version of a model that is served, with all that its requests need."""

    manifest: Manifest
    tokenizers: Tokenizers
    engine: SentenceDecoder
    backlog: Backlog
    glossaries: Mapping[str, Glossary] = field(default_factory=dict)
    """The glossaries that the repository keeps for the model, by name."""
    uses: Uses = field(default_factory=Uses)
    """Requests that are answered by this version of the model."""

    def prepare(self) -> None:
        """Find out what takes a moment for large vocabularies, so that no request waits for it."""
        _ = self.source_alphabet, self.target_alphabet, self.directions

    @cached_property
    def directions(self) -> Directions:
        return Directions(self.manifest)

    @cached_property
    def source_alphabet(self) -> Alphabet:
        """The characters that the model can read."""
        return Alphabet(self.tokenizers.source)

    @cached_property
    def target_alphabet(self) -> Alphabet:
        """The characters that the model can write."""
        is_one = self.tokenizers.target is self.tokenizers.source
        return self.source_alphabet if is_one else Alphabet(self.tokenizers.target)
