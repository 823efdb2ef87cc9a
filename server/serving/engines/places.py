"""Who may have places in a model's queue."""

from server.errors import QueueFull


def own_places(num_places: int, is_bulk: bool) -> int:
    """How many of a caller's places its sentences may take: bulk leaves an eighth of them to what somebody waits
    for."""
    return num_places - num_places // 8 if is_bulk else num_places


def check_places(num_submitted: int, num_own: int, num_others: int, max_waiting: int, is_bulk: bool = False) -> None:
    """A caller may wait with `max_waiting` sentences, less seven eighths of those that others wait with; with bulk
    (`is_bulk`: whether the submitted sentences are) for as long as an eighth of these places is left.

    Alone it may fill the queue. An eighth of as many places is left to others then, and whoever has taken more than it
    would get now is refused until it has fewer, while others come in (dynamic thresholds, Choudhury and Hahne 1998).
    However many callers there are, no more than eight sevenths of `max_waiting` wait, and one.

    `num_own`: sentences with which the caller waits already. Raises QueueFull.
    """
    limit = own_places(max(max_waiting - num_others * 7 // 8, 0), is_bulk)
    if num_own + num_submitted > limit:
        raise QueueFull(num_own, num_submitted, limit, num_others)
