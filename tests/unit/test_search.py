"""The search: cheap looks first, the promising examined best first, mixtures, duels, and going on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish_engine.report import CandidateState
from burnish_engine.request import Minimize, OptimizationRequest, Precision
from burnish_optimizer.report.entries import entry
from burnish_optimizer.search.attempt import Attempt, contender, is_contender
from burnish_optimizer.search.finals import finals
from burnish_optimizer.search.journal import Journal
from burnish_optimizer.search.mixed import affordable, shortest
from burnish_optimizer.search.order import mixture_promise, prune
from burnish_optimizer.search.plan import Planned
from burnish_optimizer.search.search import search
from burnish_optimizer.search.select import select
from support.workshops import FakeWorkshop, Truth, recipe


def run(shop, recipes, folder, exhausted=lambda: ""):
    planned = [one if isinstance(one, Planned) else Planned(one, "") for one in recipes]
    attempts, _ = search(planned, shop, Journal(folder), lambda message: None, exhausted)
    return {a.recipe.name: a for a in attempts}


def winner(shop, found):
    duels = finals(list(found.values()), shop, lambda message: None, lambda: "")
    verdicts = select([contender(a) for a in found.values() if is_contender(a)], shop.request, duels)
    return next((v.recipe for v in verdicts if v.won), "baseline")


def test_the_best_is_examined_first_and_what_is_far_behind_it_never(tmp_path):
    shop = FakeWorkshop({"slow": Truth(2.0), "fair": Truth(0.8), "near": Truth(0.55), "best": Truth(0.5)})
    found = run(shop, map(recipe, shop.truths), tmp_path)
    assert shop.examined == ["best", "near"]
    assert "at first look, where best has 0.50" in found["fair"].pruned
    assert "2.00 × the baseline's latency" in found["slow"].pruned
    assert winner(shop, found) == "best"


def test_what_breaks_costs_only_itself(tmp_path):
    truths = {"crash": Truth(0.1, breaks="look"), "hang": Truth(0.2, breaks="examine"), "good": Truth(0.5)}
    shop = FakeWorkshop(truths)
    found = run(shop, map(recipe, truths), tmp_path)
    assert (found["crash"].failed, found["hang"].failed) == ("it crashed", "it hung")
    assert winner(shop, found) == "good"


def test_one_that_computes_as_another_that_lost_accuracy_is_not_judged_again(tmp_path):
    shop = FakeWorkshop({"static": Truth(0.4, drop=0.5), "plain": Truth(0.5, drop=0.5), "exact": Truth(0.9)})
    same = {"static": {"static": "4"}, "plain": {}}
    recipes = [recipe(name, settings=found) for name, found in same.items()]
    found = run(shop, [*recipes, recipe("exact")], tmp_path)
    assert shop.examined == ["static", "exact"]
    assert found["plain"].pruned == "computes as static does, which lost accuracy"


def test_methods_of_one_speed_are_looked_at_once_and_tried_where_the_first_lost_accuracy(tmp_path):
    truths = {"minmax": Truth(0.5, drop=0.5), "mse": Truth(0.5), "entropy": Truth(0.5, drop=0.2)}
    recipes = [recipe(name, Precision.INT8, settings={"method": name}) for name in truths]
    shop = FakeWorkshop(dict(truths))
    assert winner(shop, run(shop, recipes, tmp_path / "a")) == "mse"
    assert shop.looks == ["minmax", "mse", "entropy"]
    good = FakeWorkshop({**truths, "minmax": Truth(0.5)})
    found = run(good, recipes, tmp_path / "b")
    assert good.looks == good.examined == ["minmax"]
    assert found["mse"].pruned == "as fast as minmax: which passes every gate"


def test_a_mixture_of_what_lost_accuracy_competes(tmp_path):
    truths = {"low": Truth(0.3, drop=0.2, mixed=Truth(0.4)), "safe": Truth(0.6)}
    shop = FakeWorkshop(truths)
    found = run(shop, [recipe("low", Precision.BF16, parts="some:parts"), recipe("safe")], tmp_path)
    assert list(found) == ["low", "safe", "low-mixed"]
    assert winner(shop, found) == "low-mixed"


def test_no_mixture_is_made_where_none_could_win(tmp_path):
    """What it becomes with all parts kept lost accuracy, too; or it is no faster than the best without it."""
    low = recipe("low", Precision.INT8, parts="some:parts", above="high")
    truths = {"low": Truth(0.3, drop=0.2, mixed=Truth(0.31)), "high": Truth(0.32, drop=0.1)}
    assert "low-mixed" not in run(FakeWorkshop(dict(truths)), [low, recipe("high")], tmp_path / "a")
    truths = {"low": Truth(0.3, drop=0.2, mixed=Truth(0.31)), "high": Truth(0.3)}
    assert "low-mixed" not in run(FakeWorkshop(dict(truths)), [low, recipe("high")], tmp_path / "b")


def test_what_lost_least_is_mixed_before_what_is_fastest(tmp_path):
    """Three are tried at most: giving back what a fast one lost would leave nothing of its speed."""
    far = {f"far{n}": Truth(0.3 + n / 100, drop=0.9) for n in range(3)}
    shop = FakeWorkshop({**far, "near": Truth(0.5, drop=0.02, mixed=Truth(0.55)), "safe": Truth(0.9)})
    shop.request = OptimizationRequest(max_drop=0.01)
    names = [recipe(name, Precision.INT8, parts="some:parts") for name in (*far, "near")]
    assert winner(shop, run(shop, [*names, recipe("safe")], tmp_path)) == "near-mixed"
    assert shop.mixed[0] == "near"


def test_what_no_mixture_can_help_takes_no_place_of_one(tmp_path):
    lost = {f"lost{n}": Truth(0.3 + n / 100, drop=0.02) for n in range(3)}
    truths = {**lost, "above": Truth(0.6, drop=0.5), "good": Truth(0.5, drop=0.02, mixed=Truth(0.55))}
    shop = FakeWorkshop({**truths, "safe": Truth(0.9)})
    names = [recipe(name, Precision.INT8, parts="some:parts", above="above") for name in lost]
    names.append(recipe("good", Precision.BF16, parts="some:parts", above="safe"))
    run(shop, [*names, recipe("above"), recipe("safe")], tmp_path)
    assert shop.mixed == ["good"]


def test_of_those_that_differ_in_answers_alone_the_closest_is_mixed(tmp_path):
    drops = {"minmax": 0.3, "mse": 0.1, "entropy": 0.9}
    shop = FakeWorkshop({name: Truth(0.5, drop=drop) for name, drop in drops.items()})
    names = [recipe(n, Precision.INT8, settings={"method": n}, parts="some:parts") for n in drops]
    run(shop, names, tmp_path)
    assert shop.mixed == ["mse"]


@given(st.floats(0.1, 0.9), st.floats(0.0, 1.0))
def test_a_mixture_promises_less_the_more_was_lost(promised, excess):
    assert mixture_promise(promised, 0.0) == promised
    assert promised <= mixture_promise(promised, excess) <= 1.0 + 1e-9


def test_no_mixture_is_made_where_samples_are_what_is_missing(tmp_path):
    low = recipe("low", Precision.INT8, parts="some:parts")
    shop = FakeWorkshop({"low": Truth(0.3, drop=0.0, mixed=Truth(0.31))}, few_samples=True)
    found = run(shop, [low], tmp_path)
    assert found["low"].lost_accuracy
    assert "low-mixed" not in found


def test_nothing_that_fails_a_gate_wins_whatever_its_speed(tmp_path):
    shop = FakeWorkshop({"wrong": Truth(0.01, drop=0.9), "slower": Truth(1.05)})
    assert winner(shop, run(shop, map(recipe, shop.truths), tmp_path)) == "baseline"


def test_within_noise_the_more_exact_wins_unless_a_duel_tells_them_apart(tmp_path):
    truths = {"exact": Truth(0.55), "rough": Truth(0.5)}
    recipes = [recipe("exact"), recipe("rough", Precision.INT8)]
    shop = FakeWorkshop(dict(truths), interval=0.2)
    assert winner(shop, run(shop, recipes, tmp_path / "a")) == "rough"
    assert shop.duels == [("rough", "exact")]
    same = FakeWorkshop({**truths, "exact": Truth(0.5001)}, interval=0.2)
    assert winner(same, run(same, recipes, tmp_path / "b")) == "exact"


def test_a_run_that_was_cut_short_goes_on_where_it_was(tmp_path):
    truths = {"first": Truth(0.5), "second": Truth(0.55)}
    cut = FakeWorkshop(dict(truths))
    steps = iter(["", "", "", "time is up"])
    run(cut, map(recipe, truths), tmp_path, lambda: next(steps, "time is up"))
    assert (cut.looks, cut.examined) == (["first", "second"], ["first"])
    again = FakeWorkshop(dict(truths))
    found = run(again, map(recipe, truths), tmp_path)
    assert (again.looks, again.examined) == ([], ["second"])
    assert found["first"].figures is not None


def test_a_finished_mixture_is_neither_made_nor_measured_again(tmp_path):
    recipes = [recipe("low", Precision.INT8, parts="some:parts"), recipe("safe")]
    truths = {"low": Truth(0.3, drop=0.2, mixed=Truth(0.4)), "safe": Truth(0.6)}
    first = FakeWorkshop(dict(truths))
    found = run(first, recipes, tmp_path)
    assert (first.mixed, first.measured) == (["low"], ["low-mixed"])
    again = FakeWorkshop(dict(truths))
    assert run(again, recipes, tmp_path) == found
    assert (again.mixed, again.measured) == ([], [])


def test_what_ran_out_of_time_is_tried_again(tmp_path):
    """It did not finish, so there is nothing to go on from."""
    late = FakeWorkshop({"one": Truth(0.5, breaks="time")})
    assert "budget" in run(late, [recipe("one")], tmp_path)["one"].skipped
    again = FakeWorkshop({"one": Truth(0.5)})
    assert run(again, [recipe("one")], tmp_path)["one"].passed


@pytest.mark.parametrize(
    ("breaks", "state", "words"),
    [
        ("time", CandidateState.SKIPPED, "not finished within the budget"),
        ("look", CandidateState.SKIPPED, "built as minmax is, which failed"),
        ("examine", CandidateState.SKIPPED, "built as minmax is, which failed"),
    ],
)
def test_nothing_is_said_of_a_speed_that_was_not_seen(tmp_path, breaks, state, words):
    recipes = [recipe(name, Precision.INT8, settings={"method": name}) for name in ("minmax", "mse")]
    found = run(FakeWorkshop({"minmax": Truth(0.5, breaks=breaks)}), recipes, tmp_path)
    told = entry(found["mse"], None, frozenset())
    assert told.state is state
    assert words in told.reason
    assert "as fast" not in told.reason


def test_what_was_looked_at_and_not_examined_for_want_of_time_is_not_called_slower(tmp_path):
    steps = iter([""])
    found = run(
        FakeWorkshop({"one": Truth(0.5)}), [recipe("one")], tmp_path, lambda: next(steps, "time is up")
    )
    told = entry(found["one"], None, frozenset())
    assert (told.state, told.reason, told.first_look) == (CandidateState.SKIPPED, "time is up", 2.0)


def test_half_a_journal_is_no_journal(tmp_path):
    journal = Journal(tmp_path)
    journal.write("look", "one", Attempt(recipe=recipe("one")))
    (tmp_path / "look" / "two.json").write_text('{"recipe": ')
    assert journal.read("look", "one", Attempt) == Attempt(recipe=recipe("one"))
    assert journal.read("look", "two", Attempt) is None
    assert journal.read("look", "three", Attempt) is None


def test_without_time_what_was_not_reached_says_so(tmp_path):
    shop = FakeWorkshop({"one": Truth(0.5)})
    found = run(shop, [recipe("one")], tmp_path, lambda: "not reached within the budget of 5 s")
    assert found["one"].skipped == "not reached within the budget of 5 s"


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.floats(0.05, 3.0), st.booleans()), min_size=1, max_size=24),
    st.integers(0, 1000),
)
def test_it_finds_what_trying_everything_would(tmp_path_factory, found, seed):
    """Looks are off by 5 %; what it gives up for not examining everything is at most 5 %."""
    truths = {f"r{i}": Truth(ratio, 0.0 if right else 0.5) for i, (ratio, right) in enumerate(found)}
    shop = FakeWorkshop(truths, noise=0.05, seed=seed, interval=0.001)
    chosen = winner(shop, run(shop, map(recipe, truths), tmp_path_factory.mktemp("journal")))
    best = min([1.0, *(t.ratio for t in truths.values() if not t.drop)])
    reached = 1.0 if chosen == "baseline" else truths[chosen].ratio
    assert best >= 0.95 * reached or best > 0.99
    assert chosen == "baseline" or not truths[chosen].drop


@pytest.mark.parametrize(
    ("promised", "best", "pruned"),
    [(1.3, None, True), (1.2, None, False), (0.6, 0.5, False), (0.7, 0.5, True)],
)
def test_pruning_leaves_room_for_a_rough_look(promised, best, pruned):
    assert bool(prune(promised, best, "best", Minimize.LATENCY)) is pruned


def test_sizes_are_exact_so_pruning_by_them_is_sharp():
    assert prune(0.55, 0.5, "best", Minimize.SIZE)
    assert not prune(0.51, 0.5, "best", Minimize.SIZE)


@given(st.integers(0, 40), st.integers(1, 40))
def test_the_shortest_row_that_passes_is_found_by_halving(most, needed):
    asked = []

    def passes(count):
        asked.append(count)
        return count >= needed

    assert shortest(most, passes) == (needed if needed <= most else None)
    assert len(asked) <= 1 + most.bit_length()


def test_no_more_is_given_back_than_there_is_to_win():
    assert affordable([0.3, 0.4, 0.6, 1.2], None) == 2
    assert affordable([0.3, 0.4, 0.6, 1.2], 0.5) == 1
    assert affordable([1.1, 1.2], None) == 0


def test_a_limit_on_memory_refuses_what_takes_more(tmp_path):
    shop = FakeWorkshop({"one": Truth(0.5)}, OptimizationRequest(max_memory_bytes=1000))
    found = run(shop, [recipe("one")], tmp_path)
    verdict = select([contender(found["one"])], shop.request)[0]
    assert not verdict.won
    assert "MiB are allowed" in verdict.reason


def test_what_is_for_hardware_that_is_not_here_is_neither_examined_nor_faster(tmp_path):
    truths = {
        "absent": Truth(0.1, absent=True),
        "wrong": Truth(0.1, drop=0.5, absent=True),
        "slow": Truth(1.1),
    }
    shop = FakeWorkshop(dict(truths))
    found = run(shop, map(recipe, truths), tmp_path / "a")
    assert "absent" not in shop.examined
    assert winner(shop, found) == "baseline"
    allowing = FakeWorkshop(dict(truths), OptimizationRequest(allow_unmeasured=True))
    assert winner(allowing, run(allowing, map(recipe, truths), tmp_path / "b")) == "absent"


def test_a_first_look_is_told_as_a_speed_up(tmp_path):
    """As `speedup` is: above 1 is faster."""
    shop = FakeWorkshop({"best": Truth(0.5), "slow": Truth(2.0)})
    found = run(shop, map(recipe, shop.truths), tmp_path)
    assert entry(found["slow"], None, frozenset()).first_look == 0.5
