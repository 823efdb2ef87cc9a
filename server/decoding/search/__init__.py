"""Picking tokens: the ways to search for the translation of a sentence.

Plain greedy sentences are decoded all at once (`greedy`), and so are plain beams of one size (`plain_beams`, for which
`candidates` finds continuations). Any other sentence has a search of its own (`beam`, `sampling`, `forced`; `searched`
holds them). A search is shown the log-probabilities of its rows, and says how its hypotheses go on (`base`);
`constraints` and `required` say what hypotheses may and must write. To the batch, each kind of decoding is a `holder`.
"""
