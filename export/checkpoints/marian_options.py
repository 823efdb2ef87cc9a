"""Options of Marian's models, `special:model.yml`: what of each is supported, and which change nothing."""

ONLY: dict[str, tuple[str, ...]] = {
    "type": ("transformer",),
    "input-types": ("", "sequence", "weight", "alignment"),
    "layer-normalization": ("false",),
    "lemma-dim-emb": ("0",),
    "output-omit-bias": ("false", "true"),
    "right-left": ("false",),
    "tied-embeddings": ("false", "true"),
    "tied-embeddings-all": ("false", "true"),
    "tied-embeddings-src": ("false", "true"),
    "transformer-attention-mask": ("default",),
    "transformer-decoder-autoreg": ("self-attention", "rnn"),
    "transformer-decoder-ffn-depth": ("0", "2"),
    "transformer-disable-position-embeddings": ("false",),
    "transformer-ffn-activation": ("swish", "relu", "gelu"),
    "transformer-ffn-depth": ("2",),
    "transformer-no-affine": ("false",),
    "transformer-no-bias": ("false",),
    "transformer-no-projection": ("false",),
    "transformer-pool": ("false",),
    "transformer-rnn-projection": ("false",),
    "transformer-tied-layers": ("",),
    "ulr": ("false",),
}
"""Values that are supported; of a list, every item; "" stands for an empty one. The first value is Marian's
default, which an absent key stands for."""

SIZES = {
    "dim-emb": "512",
    "enc-depth": "6",
    "dec-depth": "6",
    "transformer-heads": "8",
    "transformer-dim-ffn": "2048",
    "transformer-decoder-dim-ffn": "0",
}
"""Whole numbers, each with the value of a model that was saved before Marian had the option."""

NORMS = {
    "transformer-preprocess": "",
    "transformer-postprocess": "dan",
    "transformer-postprocess-emb": "d",
    "transformer-postprocess-top": "",
}
"""Operations in a row, each with Marian's default: d is dropout, a adds the residual connection, n normalises."""

WITHOUT_EFFECT = frozenset(
    [
        "bert-train-type-embeddings",
        "bert-type-vocab-size",
        "char-highway",
        "char-stride",
        "char-conv-filters-num",
        "char-conv-filters-widths",
        "dec-cell",
        "dec-cell-base-depth",
        "dec-cell-high-depth",
        "dim-rnn",
        "dim-vocabs",
        "enc-cell",
        "enc-cell-depth",
        "enc-type",
        "factors-combine",
        "factors-dim-emb",
        "lemma-dependency",
        "original-type",
        "separator-symbol",
        "skip",
        "special-vocab",
        "transformer-aan-activation",
        "transformer-aan-depth",
        "transformer-aan-nogate",
        "transformer-alibi-shift",
        "transformer-alibi-trainable",
        "transformer-depth-scaling",
        "transformer-dim-aan",
        "transformer-guided-alignment-layer",
        "transformer-train-position-embeddings",
        "transformer-train-positions",
        "ulr-dim-emb",
        "ulr-trainable-transformation",
        "version",
    ]
)
"""Keys that are read elsewhere, or that change nothing in a model whose other keys are supported.
`transformer-train-position-embeddings` is among them: Marian itself does not read it for this type, and whether there
are learned positions, is seen by their tensor."""

KNOWN = ONLY.keys() | SIZES.keys() | NORMS.keys() | WITHOUT_EFFECT
