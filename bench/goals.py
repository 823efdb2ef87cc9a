"""What the engine has to reach, as ratios within one run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    text: str
    bound: float
    at_least: bool

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    @property
    def condition(self) -> str:
        return f"at {'least' if self.at_least else 'most'} {self.bound:g}"


GOALS = {
    "offline_greedy_int8_opus_size": Goal("tokens/s, greedy, OPUS-MT's size, against CTranslate2", 1.3, True),
    "offline_greedy_int8_opus_size_listed": Goal("the same, both with shortlists", 1.5, True),
    "offline_beam4_int8_opus_size": Goal("tokens/s, beam of 4, OPUS-MT's size, against CTranslate2", 1.3, True),
    "offline_beam4_int8_opus_size_listed": Goal("the same, both with shortlists", 1.5, True),
    "one_sentence_greedy_opus_size": Goal("time of one sentence, greedy, OPUS-MT's size, against it", 0.45, False),
    "one_sentence_greedy_opus_size_listed": Goal("the same, both with shortlists", 0.3, False),
    "one_sentence_beam4_opus_size": Goal("time of one sentence, beam of 4, OPUS-MT's size, against it", 0.6, False),
    "one_sentence_beam4_opus_size_listed": Goal("the same, both with shortlists", 0.45, False),
    "shortlist_over_none_greedy_opus_size": Goal("tokens/s with a shortlist, against without", 1.25, True),
    "shortlist_sentence_greedy_opus_size": Goal("time of one sentence with a shortlist, against without", 0.6, False),
    "outside_runtime_ms_256206": Goal("ms outside ONNX Runtime, 16 rows of 256,206 tokens", 1.0, False),
    "shortlist_bleu_lost_opus_size": Goal("BLEU that the shortlist costs", 0.3, False),
    "offline_greedy_int8": Goal("tokens/s, greedy, int8, against CTranslate2", 1.5, True),
    "two_engines_over_one": Goal("tokens/s of two engines at OPUS-MT's size, against one", 1.7, True),
    "offline_beam4_int8": Goal("tokens/s, beam of 4, int8, against CTranslate2", 1.5, True),
    "sentence_latency_int8": Goal("time of one sentence, against CTranslate2 in process", 0.9, False),
    "rate_at_p99_250ms": Goal("highest rate with p99 under 250 ms, against a CTranslate2 server", 2.0, True),
    "rate_at_p99_250ms_opus_size": Goal("the same at OPUS-MT's size", 2.0, True),
    "rate_at_p99_250ms_opus_size_listed": Goal("the same, both with shortlists", 2.8, True),
    "goodput_share_at_3_knees": Goal("answers a second, offered three times the knee, against the knee", 0.8, True),
    "p99_ms_at_3_knees": Goal("p99 of what is accepted then, ms", 500.0, False),
    "refusal_p99_ms_at_3_knees": Goal("p99 of what is refused then, ms", 100.0, False),
    "other_errors_at_3_knees": Goal("calls that end in neither way", 0.0, False),
    "back_to_normal_s_at_3_knees": Goal("seconds until single calls are back to normal", 1.0, False),
    "goodput_share_at_3_knees_opus_size": Goal("the same at OPUS-MT's size: answers", 0.85, True),
    "p99_over_knee_at_3_knees_opus_size": Goal("p99 of what is accepted, against p99 at the knee", 2.0, False),
    "other_errors_at_3_knees_opus_size": Goal("calls that end in neither way", 0.0, False),
    "back_to_normal_s_at_3_knees_opus_size": Goal("seconds until single calls are back to normal", 1.0, False),
    "token_cost_100_over_5": Goal("time of a step at position 100, against position 5", 1.3, False),
    "outside_runtime_share_32_rows": Goal("share of a step outside ONNX Runtime, 32 rows", 0.15, False),
    "serving_cpu_share": Goal("gRPC, tokenizing and scheduling, share of CPU time at saturation", 0.25, False),
    "start_to_first_translation_s": Goal("seconds from start to a served translation, four models", 2.0, False),
    "resident_mb": Goal("resident memory, four models, MB", 350.0, False),
}
