"""Which addresses feeds may be fetched from."""

import socket

import pytest

from stream_worker.errors import ConfigurationError
from stream_worker.ingest.feeds.addresses import AddressGuard, RefusedAddress, opened_networks

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
NOT_PUBLIC = {
    "loopback": ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::"],
    "private": ["10.0.0.1", "172.16.0.1", "192.168.1.1", "fc00::1", "fd12::1", "::ffff:10.0.0.1", "fec0::1"],
    "link-local": ["169.254.1.1", "fe80::1", "fe80::1%eth0"],
    "metadata": ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"],
    "shared": ["100.64.0.1", "100.127.255.254"],
    "nobody": ["0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff02::1", "240.0.0.1", "198.18.0.1", "2001:db8::1"],
    "translated": ["64:ff9b:1::1", "2001:0:53aa::1", "64:ff9b::a9fe:a9fe"],
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_asked(address: str) -> None:
    assert AddressGuard().allows(address)


@pytest.mark.parametrize("address", [address for addresses in NOT_PUBLIC.values() for address in addresses])
def test_no_other_address_may_be_asked(address: str) -> None:
    assert not AddressGuard().allows(address)
    with pytest.raises(RefusedAddress):
        AddressGuard().socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80)))


def test_an_operator_may_open_networks_and_opens_nothing_else_by_that() -> None:
    guard = AddressGuard(opened_networks("10.1.0.0/16, fd12::/16"))
    assert all(map(guard.allows, ["10.1.2.3", "::ffff:10.1.2.3", "fd12::7", "8.8.8.8"]))
    assert not any(map(guard.allows, ["10.2.0.1", "127.0.0.1", "169.254.169.254", "fd13::1"]))


def test_networks_that_do_not_hold_are_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="FINSENTRY_FEEDS_PRIVATE_NETWORKS"):
        opened_networks("10.1.0.1/16")
    assert opened_networks("") == ()
