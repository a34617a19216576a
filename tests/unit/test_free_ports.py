"""Ports for servers that are started later."""

from syncd.demo.free_ports import free_ports


def test_a_port_is_not_given_again_before_its_server_has_bound_it() -> None:
    """Of two independent draws of so many, some thirteen would be the same."""
    first, second = free_ports(400), free_ports(400)
    assert len({*first, *second}) == 800
