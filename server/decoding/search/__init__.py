"""Picking tokens: what a sentence asks for (`options`), and the ways to search for its translation.

Plain greedy sentences are decoded all at once (`greedy`), and so are plain beams of one size (`beams`, for which
`candidates` finds continuations). Any other sentence has a search of its own (`beam`, `sampling`, `forced`), which is
shown the log-probabilities of its rows and says how its hypotheses go on; `constraints` and `required` say what they
may and must write.
"""
