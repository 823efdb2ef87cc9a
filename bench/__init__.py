"""The engine beside its peers, on the same weights, sentences and cores, in one run."""
