"""Whose the lease is: records, sightings and times, without a cluster and without waiting."""

import dataclasses

from burnish_operator.lease import Record, Sighting, Terms, claimed, given_back, is_free, sight

TERMS = Terms(15)
HELD = Record("a", 15, "t0", "t0", 0)


def test_the_terms_are_those_of_kubernetes() -> None:
    assert (TERMS.deadline_seconds, TERMS.renew_seconds, TERMS.retry_seconds) == (10.0, 5.0, 2.0)


def test_a_lease_is_free_once_it_was_not_renewed_for_as_long_as_it_lasts() -> None:
    seen = Sighting(HELD, since=100.0)
    assert not is_free(seen, "b", 115.0)
    assert is_free(seen, "b", 115.1)


def test_a_renewal_starts_the_count_anew_and_a_second_look_does_not() -> None:
    seen = sight(None, HELD, 100.0)
    assert sight(seen, HELD, 110.0) == seen
    renewed = dataclasses.replace(HELD, renewed="t1")
    assert sight(seen, renewed, 110.0) == Sighting(renewed, 110.0)


def test_it_lasts_for_as_long_as_its_holder_said() -> None:
    long = dataclasses.replace(HELD, lease_seconds=60)
    assert not is_free(Sighting(long, 0.0), "b", 59.0)


def test_who_holds_it_may_renew_it_at_any_time() -> None:
    assert is_free(Sighting(HELD, 0.0), "a", 0.0)
    assert claimed(HELD, "a", TERMS, "t9") == Record("a", 15, "t0", "t9", 0)


def test_another_holder_is_a_transition() -> None:
    assert claimed(None, "a", TERMS, "t1") == Record("a", 15, "t1", "t1", 0)
    assert claimed(HELD, "b", TERMS, "t1") == Record("b", 15, "t1", "t1", 1)


def test_what_is_given_back_is_free_at_once() -> None:
    assert is_free(Sighting(given_back(HELD, "t1"), 0.0), "b", 0.0)
