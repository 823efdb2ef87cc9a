from pathlib import Path

import pytest

from loadtest.without_cache import without_cache_repository


@pytest.mark.parametrize(
    ("made", "quickly", "used"),
    [
        (["int8"], False, "int8"),
        (["int8"], True, "int8"),
        (["int8", "fp32"], True, "int8"),
        (["fp32"], True, "fp32"),
    ],
)
def test_what_was_exported_before_is_used(made: list[str], quickly: bool, used: str, tmp_path: Path) -> None:
    for precision in made:
        bundle = tmp_path / precision / "transformer-without-cache-en-fr" / "1"
        bundle.mkdir(parents=True)
        (bundle / "model.json").write_text("{}")
    assert without_cache_repository(tmp_path, quickly=quickly) == tmp_path / used
