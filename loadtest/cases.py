"""The cases of a run: models, times decoding options, workloads and methods."""

from collections.abc import Mapping, Sequence

from loadtest.driven import DrivenModel
from loadtest.records import Case, Method

GREEDY: Mapping[str, object] = {}
BEAM_4: Mapping[str, object] = {"beam_size": 4}
SENTENCES, LENGTHS = "sentences", "lengths"


def make_case(
    model: DrivenModel,
    workload: str = SENTENCES,
    method: Method = "unary",
    decoding: Mapping[str, object] = GREEDY,
    decoding_name: str = "",
) -> Case:
    """Named after its model, and after what is not single sentences, unary calls and greedy decoding."""
    parts = [
        model.name,
        decoding_name,
        "" if workload == SENTENCES else workload,
        "" if method == "unary" else method,
    ]
    return Case(
        name=", ".join(filter(None, parts)),
        model=model.name,
        architecture=model.architecture,
        decoding=dict(decoding),
        workload=workload,
        method=method,
    )


def compared_cases(models: Sequence[DrivenModel], workloads: Sequence[str]) -> list[Case]:
    """What a comparison measures of each model beside its knee: single sentences without and with a beam, streams, and
    other workloads."""
    return [
        case
        for model in models
        for case in (
            make_case(model),
            make_case(model, method="stream"),
            make_case(model, decoding=BEAM_4, decoding_name="beam 4"),
            *(make_case(model, workload) for workload in workloads),
        )
    ]
