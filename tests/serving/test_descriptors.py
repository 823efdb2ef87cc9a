"""How many connections the file descriptors allow."""

import resource

import pytest

from server.serving.descriptors import DescriptorLimit


def test_what_is_reserved_for_other_servers_is_not_for_connections() -> None:
    assert DescriptorLimit(100).max_connections == DescriptorLimit(0).max_connections - 100


def test_a_reserve_that_leaves_none_is_refused_with_what_is_needed() -> None:
    limit = DescriptorLimit(0)
    DescriptorLimit(limit.max_connections - 1)
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    with pytest.raises(
        OSError, match=rf"at least {highest + 1} open files needed, the limit \(ulimit -n\) is {highest}"
    ):
        DescriptorLimit(limit.max_connections)
