"""What a bundle's provenance says of licences: that of its weights, and those of the texts that they were trained on.

Its fields are `licence`, a text, and `licences`, a JSON object of each training text's name and licence. A bundle need
have neither, and whatever else stands there is no reason not to serve it.
"""

import json
from collections.abc import Mapping

LICENCE = "licence"
TRAINING_LICENCES = "licences"


def training_licences(provenance: Mapping[str, str]) -> dict[str, str]:
    """Name of a training text -> its licence."""
    try:
        found = json.loads(provenance.get(TRAINING_LICENCES, "{}"))
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: licence for name, licence in found.items() if isinstance(licence, str)}
