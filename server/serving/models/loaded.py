"""What is loaded of models, as the registry keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass

from server.bundle.manifest import Bundle
from server.serving.engines.processes import BundleEngines
from server.serving.models.policy import Policy
from server.serving.models.repository import SEPARATOR
from server.serving.models.served import ServedModel


@dataclass(frozen=True, eq=False)
class LoadedVersion:
    """A version that is loaded."""

    bundle: Bundle
    served: ServedModel
    engines: BundleEngines
    glossaries_digest: str

    def __str__(self) -> str:
        return self.bundle.manifest.name + SEPARATOR + self.bundle.manifest.version

    def is_of(self, bundle: Bundle, glossaries_digest: str) -> bool:
        """Whether it would be the same if it were loaded again."""
        return (
            self.bundle.manifest.digest == bundle.manifest.digest
            and self.bundle.folder == bundle.folder
            and self.glossaries_digest == glossaries_digest
        )


@dataclass(frozen=True)
class LoadedModel:
    """All that is served of a model."""

    policy: Policy
    versions: Mapping[str, LoadedVersion]
    """Oldest first."""
