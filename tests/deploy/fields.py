"""A field of Kubernetes' manifests, for a test to look at or to spoil."""

from typing import Any

from deploy.manifests import Object, named


def at(objects: list[Object], name: str, path: str) -> tuple[Any, Any]:
    """The place of an object's field, and its key there. What is in a list is found by its number or its name."""
    [place] = [each for each in objects if named(each) == name]
    *words, last = path.split(".")
    for word in words:
        place = place[key_of(place, word)]
    return place, key_of(place, last)


def key_of(place: Any, word: str) -> Any:
    if isinstance(place, dict):
        return word
    return int(word) if word.isdecimal() else [each["name"] for each in place].index(word)
