"""Names of callers are held for as long as they matter."""

from __future__ import annotations

from agent.core.pace import KeyedBuckets, Rate, RecentNames


def test_a_name_is_held_until_its_bucket_is_full_again() -> None:
    buckets = KeyedBuckets(Rate(per_s=0.5, burst=20.0))
    for number in range(3_000):
        assert buckets.take(f"caller {number}", now=float(number)) == 0.0
    assert len(buckets) <= 3, "one token comes back in 2 s"


def test_who_took_all_at_once_waits_as_long_as_before_while_others_come_and_go() -> None:
    buckets = KeyedBuckets(Rate(per_s=0.5, burst=20.0))
    assert all(buckets.take("eager", 0.0) == 0.0 for _ in range(20))
    for number in range(100):
        buckets.take(f"caller {number}", 1.0)
    assert buckets.take("eager", 1.0) == 1.0
    assert buckets.take("eager", 2.0) == 0.0
    for number in range(100):
        buckets.take(f"caller {number}", 100.0)
    assert all(buckets.take("eager", 100.0) == 0.0 for _ in range(20))
    assert buckets.take("eager", 100.0) > 0


def test_a_name_that_was_there_is_forgotten_after_the_period() -> None:
    names = RecentNames(period_s=60.0)
    assert all(names.is_new(f"caller {number}", float(number)) for number in range(3_000))
    assert len(names) <= 61
    assert not names.is_new("caller 2950", 3_000.0)
    assert names.is_new("caller 2000", 3_000.0)
