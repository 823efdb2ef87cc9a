"""Who may have places in a model's queue: the rule, for both processes, which look at what each of them knows."""

from server.errors import QueueFull


def check_places(num_submitted: int, num_own: int, num_others: int, max_waiting: int) -> None:
    """A caller may wait with `max_waiting` sentences, less seven eighths of those that others wait with.

    Alone it may fill the queue. An eighth of as many places is left to others then, and whoever has taken more than it
    would get now is refused until it has fewer, while others come in (dynamic thresholds, Choudhury and Hahne 1998).
    However many callers there are, no more than eight sevenths of `max_waiting` wait, and one.

    `num_own`: sentences with which the caller waits already. Raises QueueFull.
    """
    limit = max_waiting - num_others * 7 // 8
    if num_own + num_submitted > limit:
        raise QueueFull(num_own, num_submitted, max(limit, 0), num_others)
