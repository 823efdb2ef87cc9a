"""What the licences of a model's training text ask of whoever uses its weights."""

from collections.abc import Mapping

from models.data.corpora import Source

_MEANING = {
    "research-only": "its text is given for research alone: weights that were trained on it are not to be sold, nor "
    "served as a product, without asking its authors",
    "share-alike": "whoever holds weights for a work derived from their training text passes them on under the same "
    "licence, as far as those licences agree",
    "attribution": "its authors are named, below",
}
"""What a term means for weights, strictest first; docs/data.md has more."""


def by_term(sources: Mapping[str, Source]) -> dict[str, list[str]]:
    """What is asked for, strictest first -> the corpora whose licences ask for it."""
    found = {term: [name for name, source in sources.items() if term in source.terms] for term in _MEANING}
    return {term: names for term, names in found.items() if names}


def licence_of_weights(sources: Mapping[str, Source]) -> str:
    """In one line, what the licences of all these corpora ask for together."""
    return ", ".join(by_term(sources)) or "no conditions"


def licence_notes(sources: Mapping[str, Source]) -> str:
    """In Markdown: what is asked for and by which corpora, and a table of these with who is to be named."""
    asked = [f"- **{term}** ({', '.join(names)}): {_MEANING[term]}." for term, names in by_term(sources).items()]
    rows = ["| corpus | domain | licence | to be named |", "|---|---|---|---|"]
    rows += [
        f"| {name} | {source.domain} | {source.licence} | {source.attribution or '-'} |"
        for name, source in sources.items()
    ]
    return "\n".join([*asked, "", *rows])
