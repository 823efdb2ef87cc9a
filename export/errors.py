"""Why a model is not exported."""


class ExportError(Exception):
    """A model that cannot be exported, graphs that do not compute what it computes, or quality too low to be served."""
