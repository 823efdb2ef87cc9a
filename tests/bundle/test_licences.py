"""What a provenance says of licences; whatever stands there, the model is served."""

import pytest

from server.bundle.licences import training_licences


@pytest.mark.parametrize(
    ("provenance", "licences"),
    [
        ({"licences": '{"tatoeba": "CC BY 2.0 FR", "law": "OGL"}'}, {"tatoeba": "CC BY 2.0 FR", "law": "OGL"}),
        ({"licences": "{}"}, {}),
        ({}, {}),
        ({"licences": ""}, {}),
        ({"licences": "CC BY 4.0"}, {}),
        ({"licences": '["CC BY 4.0"]'}, {}),
        ({"licences": "null"}, {}),
        ({"licences": '{"law": 3, "news": null, "tatoeba": "CC0"}'}, {"tatoeba": "CC0"}),
    ],
)
def test_licences_of_training_texts(provenance: dict[str, str], licences: dict[str, str]) -> None:
    assert training_licences(provenance) == licences
