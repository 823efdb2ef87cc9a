"""The tests' small models are small whatever an architecture calls its settings."""

from dataclasses import dataclass

from tests.small_models import small_settings


@dataclass(frozen=True, kw_only=True)
class Settings:
    breadth: int = 768
    groups: int = 12
    twin: int = 512
    other_twin: int = 512
    encoder_layers: int = 6
    max_positions: int = 512
    is_tied: bool = True
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.breadth % self.groups or self.twin != self.other_twin:
            raise ValueError


def test_widths_and_depths_are_brought_down_and_limits_and_what_belongs_together_are_not() -> None:
    assert small_settings(Settings()) == Settings(breadth=24, encoder_layers=2)
