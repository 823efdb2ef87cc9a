"""A model that does not keep its declaration is refused before it is traced, in words that name what to change."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from export.declaration import check_declaration
from export.errors import ExportError
from export.graphs import export_encoder, export_step
from models.lstm_attention import LstmAttention, LstmAttentionConfig
from models.registry import ARCHITECTURES
from models.seq2seq import ALIGNMENT_QUERY, BOS, Alignment, OutputIds, Seq2SeqModel, State, StateTensor
from models.transformer import Transformer, TransformerConfig
from tests.small_models import build_random_model

Change = Callable[[Any], object]
"""Changes what a method returned, in place, or returns something else instead."""


def small(changed_encode: Change | None = None, changed_step: Change | None = None) -> LstmAttention:
    """A small model with its declaration as it is, whose `encode` or `step` returns something changed."""

    class Changed(LstmAttention):
        def encode(self, source_ids: Tensor, source_lengths: Tensor) -> State:
            state = super().encode(source_ids, source_lengths)
            return _changed(state, changed_encode)

        def step(self, previous_ids: Tensor, positions: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, State]:
            logits, next_state = super().step(previous_ids, positions, state)
            return logits, _changed(next_state, changed_step)

    return Changed(LstmAttentionConfig(d_embedding=8, d_hidden=8), 20).eval()


def _changed(state: State, change: Change | None) -> Any:
    other = change(state) if change else None
    return state if other is None else other


def without(name: str) -> Change:
    def change(state: State) -> None:
        del state[name]

    return change


def having(name: str, value: Callable[[State], object]) -> Change:
    def change(state: Any) -> None:
        state[name] = value(state)

    return change


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_keeps_its_declaration(name: str) -> None:
    check_declaration(build_random_model(name))


def test_the_transformer_keeps_its_declaration_without_its_cache_too() -> None:
    check_declaration(build_random_model("transformer").without_cache())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (without("keys"), "encode returned no 'keys', which is declared as constant"),
        (without("hidden"), "encode returned no 'hidden', which is declared as replace"),
        (having("memory", lambda state: state["keys"] + 0), "encode returned 'memory', which is not declared"),
        (
            having("cell", lambda state: state["cell"].unsqueeze(0)),
            "encode returned 'cell' as float32 [1, 2, 8], declared is float32 [rows = 2, 8]",
        ),
        (
            having("keys", lambda state: state["keys"].transpose(1, 2)),
            "encode returned 'keys' as float32 [2, 5, 1, 8], declared is float32 [rows = 2, 1, source = 5, 8]",
        ),
        (
            having("source_last", lambda state: state["source_last"].long()),
            "encode returned 'source_last' as int64 [2], declared is int32 [rows = 2]",
        ),
        (
            having("hidden", lambda state: state["hidden"].double()),
            "encode returned 'hidden' as float64 [2, 8], declared is float32 [rows = 2, 8]",
        ),
        (having("hidden", lambda state: 0.0), "encode returned 'hidden' as float, declared is float32 [rows = 2, 8]"),
        (
            having("values", lambda state: state["keys"]),
            "encode returned one tensor as 'keys' and 'values': clone it for one of them",
        ),
        (lambda state: tuple(state.values()), "encode: a dict of tensors expected, got tuple"),
    ],
)
def test_what_encode_returns_otherwise_than_declared_is_named(change: Change, problem: str) -> None:
    with pytest.raises(ExportError) as raised:
        check_declaration(small(changed_encode=change))
    assert str(raised.value) == f"Changed does not keep its declaration: {problem}"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (without("hidden"), "step returned no 'hidden', which is declared as replace"),
        (without(ALIGNMENT_QUERY), "step returned no 'alignment_query', and an alignment is declared"),
        (having("h", lambda state: state["hidden"]), "step returned 'h', which is not declared"),
        (
            having("hidden", lambda state: state["hidden"][:1]),
            "step returned 'hidden' as float32 [1, 8], declared is float32 [rows = 2, 8]",
        ),
        (
            having("keys", lambda state: state["keys"].half()),
            "step returned 'keys' as float16 [2, 1, 5, 8], declared is float32 [rows = 2, 1, source = 5, 8]",
        ),
        (
            having(ALIGNMENT_QUERY, lambda state: state["hidden"]),
            "step: alignment_query: float32 [rows = 2, 1, heads * head_size = 8] expected, got float32 [2, 8]",
        ),
        (lambda state: list(state), "step: logits and a dict of the next state expected, got tuple"),
    ],
)
def test_what_step_returns_otherwise_than_declared_is_named(change: Change, problem: str) -> None:
    with pytest.raises(ExportError) as raised:
        check_declaration(small(changed_step=change))
    assert str(raised.value) == f"Changed does not keep its declaration: {problem}"


def test_everything_that_encode_does_not_keep_is_named_at_once() -> None:
    def change(state: State) -> None:
        state["memory"] = state.pop("keys")
        state["hidden"] = state["hidden"].double()

    with pytest.raises(ExportError, match=r"'memory'.*; .*'keys'.*; .*'hidden' as float64"):
        check_declaration(small(changed_encode=change))


def test_keys_and_values_of_the_source_may_be_left_out_of_the_next_state(tmp_path: Path) -> None:
    def change(state: State) -> None:
        del state["keys"], state["values"]

    model = small(changed_step=change)
    check_declaration(model)
    export_step(model, tmp_path / "step.onnx")
    assert (tmp_path / "step.onnx").exists()


def test_a_cache_that_step_does_not_return_is_refused_as_it_is_written_in_place() -> None:
    class Forgetful(Transformer):
        def step(self, previous_ids: Tensor, positions: Tensor, state: Mapping[str, Tensor]) -> tuple[Tensor, State]:
            logits, next_state = super().step(previous_ids, positions, state)
            del next_state["self_keys_0"]
            return logits, next_state

    config = TransformerConfig(d_model=8, num_heads=2, d_ffn=8, num_encoder_layers=1, num_decoder_layers=1)
    with pytest.raises(ExportError, match="step returned no 'self_keys_0', which is declared as append: a buffer that"):
        check_declaration(Forgetful(config, 20).eval())


def test_appended_state_begins_empty_and_is_no_part_of_what_encode_returns() -> None:
    model = small(changed_encode=having("prefix", lambda state: torch.zeros(2, 7)))
    model.state = (*model.state, StateTensor("prefix", "append", ("target",)))
    with pytest.raises(ExportError, match="encode returned 'prefix', which is declared as append: it begins empty"):
        check_declaration(model)


def test_an_encoder_that_reads_the_start_token_gives_its_position_alone() -> None:
    model = small(changed_encode=having("prefix", lambda state: torch.zeros(2, 7)))
    model.state = (*model.state, StateTensor("prefix", "append", ("target",)))
    model.output_ids = OutputIds(start=(BOS, 5), encodes_start=True)
    with pytest.raises(ExportError, match=r"encode returned 'prefix' as float32 \[2, 7\], .* \[rows = 2, 1\]"):
        check_declaration(model)
    model.state = (*model.state[:-1], StateTensor("others", "append", ("target",)))
    with pytest.raises(ExportError, match="encode returned no 'others', which is declared as append"):
        check_declaration(model)


def test_state_that_step_reads_and_nobody_declared_is_named() -> None:
    model = small(changed_encode=without("cell"))
    model.state = tuple(tensor for tensor in model.state if tensor.name != "cell")
    with pytest.raises(ExportError, match="step reads 'cell', which is not declared"):
        check_declaration(model)


def test_an_error_of_the_model_s_own_is_not_taken_for_one_of_its_declaration() -> None:
    def change(state: State) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        check_declaration(small(changed_step=change))


HIDDEN = StateTensor("h", "replace", (8,))


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ([HIDDEN], "state: a tuple of StateTensor expected, got [StateTensor("),
        ((("h", "replace", (8,)),), "state: a tuple of StateTensor expected, got (('h', 'replace', (8,)),)"),
        ((HIDDEN, HIDDEN), "state 'h' is declared twice"),
        (
            (HIDDEN._replace(name="log_probs"),),
            "state 'log_probs': another name expected than alignment_query, features",
        ),
        ((HIDDEN._replace(name="next_h"),), "state 'next_h': another name expected"),
        ((HIDDEN._replace(name=""),), "state '': another name expected"),
        ((HIDDEN._replace(kind="stack"),), "state 'h': kind: one of constant, replace, append expected, got 'stack'"),  # type: ignore[arg-type]
        (
            (HIDDEN._replace(dtype=torch.float16),),
            "state 'h': dtype: one of float32, int32, int64 expected, got float16",
        ),
        (
            (HIDDEN._replace(shape=(0,)),),
            "state 'h': shape: sizes of at least 1, `source` or `target` expected, got (0,)",
        ),
        ((HIDDEN._replace(shape=("width",)),), "state 'h': shape: sizes of at least 1, `source` or `target` expected"),
        (
            (HIDDEN._replace(shape=("target", 8)),),
            "state 'h': shape: replace has at most one named dimension, `source`",
        ),
        ((HIDDEN._replace(shape=("source", "source")),), "state 'h': shape: replace has at most one named dimension"),
        ((HIDDEN._replace(kind="append"),), "state 'h': shape: append grows along one dimension `target`, got (8,)"),
        (
            (HIDDEN._replace(kind="append", shape=("source", "target")),),
            "state 'h': shape: append grows along one dimension `target`, got ('source', 'target')",
        ),
    ],
)
def test_state_that_no_graph_could_have_is_refused(state: Any, problem: str) -> None:
    model = small()
    model.alignment = None
    model.state = state
    with pytest.raises(ExportError) as raised:
        check_declaration(model)
    assert problem in str(raised.value)


def test_a_model_that_declares_no_state_at_all_is_told_so() -> None:
    model = small()
    del model.state
    with pytest.raises(ExportError, match="state: a tuple of StateTensor expected, got None"):
        check_declaration(model)


@pytest.mark.parametrize(
    ("alignment", "problem"),
    [
        (Alignment("memory", 1.0), "got 'memory', which is no declared state"),
        (Alignment("hidden", 1.0), r"got 'hidden', which is declared as replace float32 \(8,\)"),
        (Alignment("source_last", 1.0), r"got 'source_last', which is declared as constant int32 \(\)"),
        (Alignment("keys", float("nan")), "alignment: scale: a finite number expected, got nan"),
        (None, "step returned 'alignment_query', and no alignment is declared"),
    ],
)
def test_an_alignment_that_nobody_could_compute_is_refused(alignment: Alignment | None, problem: str) -> None:
    model = small()
    model.alignment = alignment
    with pytest.raises(ExportError, match=problem):
        check_declaration(model)


@pytest.mark.parametrize("export", [export_encoder, export_step])
def test_nothing_is_traced_before_the_declaration_is_checked(
    export: Callable[[Seq2SeqModel, Path], None], tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="encode returned no 'keys'"):
        export(small(changed_encode=without("keys")), tmp_path / "graph.onnx")


@pytest.mark.filterwarnings("ignore")
def test_a_branch_on_a_value_is_refused_with_its_line_and_where_to_read(tmp_path: Path) -> None:
    def change(state: State) -> None:
        if state["hidden"].max() > 0:
            state["cell"] = state["cell"] + 1

    with pytest.raises(ExportError) as raised:
        export_step(small(changed_step=change), tmp_path / "step.onnx")
    message = str(raised.value)
    assert message.startswith("step.onnx cannot be traced: ")
    assert 'if state["hidden"].max() > 0:' in message
    assert f"{__file__}, line " in message
    assert message.endswith("docs/adding-a-model.md says what can be traced: tensors only, no branches on values")
    assert "\n" not in message


def test_a_loop_over_positions_that_fixes_the_length_of_sources_is_refused(tmp_path: Path) -> None:
    def change(state: State) -> None:
        for position in range(state["keys"].shape[2]):
            state["hidden"] = state["hidden"] + state["keys"][:, 0, position]

    with pytest.raises(
        ExportError, match=r"encoder\.onnx computes the size of .* \(source_ids: source = 5\): a Python"
    ):
        export_encoder(small(changed_encode=change), tmp_path / "encoder.onnx")
