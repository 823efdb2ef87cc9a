"""One model: its versions that are served, and which of them answers a request."""

import itertools
import random
from collections.abc import Mapping

from server.errors import UnknownModel
from server.serving.models.policy import Policy
from server.serving.models.repository import SEPARATOR
from server.serving.models.served import ServedModel


class ModelVersions:
    """The versions of one model that are served now. When one comes or goes, another object takes this one's place."""

    def __init__(self, versions: Mapping[str, ServedModel], policy: Policy | None = None) -> None:
        """`versions`: one at least, oldest first; of the `policy`, labels and split are kept as far as their versions
        are served."""
        policy = policy or Policy()
        self._versions = versions
        self.labels = {label: version for label, version in policy.labels.items() if version in versions}
        self.split = {label: weight for label, weight in policy.split.items() if weight and label in self.labels}
        self._drawn = [versions[self.labels[label]] for label in self.split]
        self._weights = list(itertools.accumulate(self.split.values()))

    @property
    def name(self) -> str:
        return self.main.manifest.name

    @property
    def versions(self) -> Mapping[str, ServedModel]:
        """Oldest first."""
        return self._versions

    @property
    def main(self) -> ServedModel:
        """The version that most requests are answered by which name none: the newest, where there is no split."""
        if not self.split:
            *_, newest = self._versions.values()
            return newest
        heaviest = max(self.split, key=self.split.__getitem__)
        return self._versions[self.labels[heaviest]]

    def pick(self, wanted: str = "") -> ServedModel:
        """A version by its number, or by one of its labels; where nothing is `wanted`, one that is drawn by the split's
        weights. Raises UnknownModel."""
        if not wanted:
            return random.choices(self._drawn, cum_weights=self._weights)[0] if self._drawn else self.main
        version = self._versions.get(self.labels.get(wanted, wanted))
        if version is None:
            names = [self.name + SEPARATOR + known for known in (*self._versions, *self.labels)]
            raise UnknownModel(self.name + SEPARATOR + wanted, names)
        return version
