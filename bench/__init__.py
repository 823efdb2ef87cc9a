"""The benchmark: the engine beside CTranslate2 and PyTorch, on the same weights, sentences and cores, in one run."""
