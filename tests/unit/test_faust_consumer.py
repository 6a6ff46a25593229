"""What our worker changes in Faust."""

from aiokafka.cluster import ClusterMetadata

from stream_worker.faust_consumer import assignor_with


def test_a_topic_that_the_broker_does_not_know_is_told_instead_of_being_assigned_nothing() -> None:
    missing: list[str] = []
    groups = assignor_with(missing.append)._get_copartitioned_groups({"documents"}, ClusterMetadata(), {})
    assert missing == ["documents"]
    assert not groups
