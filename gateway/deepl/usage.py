"""Characters that callers have had translated since the gateway began."""

from gateway.deepl.glossaries import Owner

_MOST_OWNERS = 10_000


class Usage:
    """By owner; who has asked for nothing for longest is forgotten where there are more than may be."""

    def __init__(self) -> None:
        self._characters: dict[Owner, int] = {}

    def add(self, owner: Owner, num_characters: int) -> None:
        self._characters[owner] = self._characters.pop(owner, 0) + num_characters
        if len(self._characters) > _MOST_OWNERS:
            del self._characters[next(iter(self._characters))]

    def of(self, owner: Owner) -> int:
        return self._characters.get(owner, 0)
