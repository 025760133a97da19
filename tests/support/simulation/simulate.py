"""Run a schedule: one seed, one virtual time, no threads, no sleeps. The same seed is the same run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from burnish_operator.adapters import registry as registry_adapter
from burnish_operator.adapters.registry import ENGINE_SECONDS
from burnish_operator.api import OptimizedModel
from burnish_operator.apply import Applier
from burnish_operator.decide.model import decide
from burnish_operator.errors import JobsFull
from burnish_operator.gather import Gatherer
from burnish_operator.handlers import INVENTORY, Key
from burnish_operator.plan import Plan
from burnish_operator.ports import DEPLOYMENT, OPTIMIZED_MODEL, Object
from burnish_operator.reconcile import RESYNC_SECONDS
from fakes.cluster import Killed, copied
from fakes.fleet import model
from support.simulation import jobs, pools, rollouts, users
from support.simulation.converge import ROUNDS, unsettled
from support.simulation.invariants import Broken, Judge
from support.simulation.process import WATCHED, Process
from support.simulation.schedule import Schedule, Step
from support.simulation.world import LIMITED, World

JUMPS_SECONDS = (1, 5, 15, 60, 300, 1800)
# What the operator remembers of a registry is forgotten by then, and it has looked again.
QUIET_SECONDS = ENGINE_SECONDS + RESYNC_SECONDS
# The shortest time after which the operator looks again by itself.
POLL_SECONDS = 15
DELIVERIES = ("in order",) * 8 + ("repeated", "reordered", "lost")


@dataclass(frozen=True)
class Failure:
    """An invariant that broke: at which step, and all that happened until then."""

    step: int
    what: str
    trace: tuple[str, ...]


@contextmanager
def in_memory(world: World) -> Iterator[None]:
    """The adapter's requests go to the world's store."""
    real = registry_adapter.store
    registry_adapter.store = world.store  # type: ignore[assignment]
    try:
        yield
    finally:
        registry_adapter.store = real


def run(schedule: Schedule) -> Failure | None:
    """Run a schedule to its end and on to rest; None: nothing broke."""
    simulation = Simulation()
    with in_memory(simulation.world):
        try:
            for step in schedule:
                simulation.do(step)
            simulation.settle()
        except Broken as error:
            return simulation.failure(str(error))
        except Exception as error:  # noqa: BLE001 - the operator must meet nothing that it does not expect
            return simulation.failure(f"a defect: {type(error).__name__}: {error}")
    return None


class Simulation:
    """A world, the operator in it, and the judge."""

    def __init__(self) -> None:
        self.world = World()
        self.judge = Judge(self.world)
        self.steps = 0
        self.behind_seconds = 0
        self.world.cluster.watcher = self.world.note
        for (namespace, name), spec in users.FIRST.items():
            self.world.cluster.put(model(name, namespace, **spec))
        self.restart()

    def restart(self) -> None:
        """A new process; nothing that was in memory is left."""
        self.process = Process(self.world, self._wrote)
        self.world.cluster.watcher = self._changed

    def _changed(self, event: str, obj: Object) -> None:
        self.world.note(event, obj)
        self.process.observe(event, obj)

    def do(self, step: Step) -> None:
        """One step, and what must hold after it."""
        self.world.trace.append(str(step))
        self._move(step)
        self.judge.check()
        self.steps += 1

    def failure(self, what: str) -> Failure:
        """What broke now."""
        return Failure(self.steps, what, tuple(self.world.trace))

    def _wrote(self, key: Key, verb: str, obj: Object) -> None:
        self.judge.wrote(key, verb, obj, disturbed=bool(self.process.calls.hit))

    def _move(self, step: Step) -> None:
        moves: dict[str, Callable[[Step], None]] = {
            "flow": self._flow, "work": self._work, "deliver": self._deliver, "job": self._job,
            "control": self._control, "kubelet": self._kubelet, "edit": self._edit, "node": self._node,
            "time": self._time, "registry": self._registry, "restart": lambda _: self.restart(),
            "garbage": lambda _: self._garbage(), "twice": self._twice, "pod": self._pod, "jump": self._jump,
            "rollout": self._rollout, "traffic": self._traffic, "room": self._room,
        }  # fmt: skip
        moves[step.kind](step)

    # What the operator does.

    def _work(self, step: Step) -> None:
        key = self.process.take()
        if key is None:
            due = self.process.queue.next_due()
            if due is not None and step.two % 2:
                self.world.pass_time(max(0.0, due - self.world.seconds))
            return
        self.turn(key, step)

    def turn(self, key: Key, step: Step) -> None:
        """One turn of the operator with its troubles; death is followed by a new life."""
        self.world.trace.append(f"  {key.namespace}/{key.name or 'inventory'}")
        self._begin(key)
        # What moves before the first call was there when the turn began.
        meanwhile = {max(1, call): (lambda move=move: self._meanwhile(move)) for call, move in step.meanwhile}
        try:
            well = self.process.turn(key, step.faults, meanwhile)
            self._told(key, well=well)
        except Killed:
            self.restart()
        finally:
            self.judge.end(key)

    def _begin(self, key: Key) -> None:
        states = self.world.since(self.process.read(key), (key.namespace, key.name))
        self.judge.begin(key, states, quiet=self.process.is_current())

    def _told(self, key: Key, *, well: bool) -> None:
        failed = set(self.process.calls.hit) & {"429", "500", "timeout"}
        if well and failed:
            raise Broken(f"a call of {key} failed ({sorted(failed)}), and the turn says that all is well")
        if key in self.process.woken and not self.process.is_due(key):
            raise Broken(f"{key} was woken while it was worked on, and that is forgotten")

    def _meanwhile(self, step: Step) -> None:
        self.world.trace.append(f"      meanwhile {step}")
        if step.kind == "work":
            key = self.process.take()
            if key is not None:
                self.world.trace.append(f"      {key.namespace}/{key.name or 'inventory'}")
                self._begin(key)
                self.process.nested(key)
                self.judge.end(key)
        else:
            self._move(step)
        self.judge.moved()

    def _deliver(self, step: Step) -> None:
        kind = WATCHED[step.one % len(WATCHED)]
        for _ in range(1 + step.two % 4):
            self.process.deliver(kind, DELIVERIES[step.two // 4 % len(DELIVERIES)])

    def _twice(self, step: Step) -> None:
        """A plan that was applied is applied again: nothing may change."""
        models = self.process.mirror.all(OPTIMIZED_MODEL)
        if not models or self.world.store.down is not None:
            return
        raw = models[step.one % len(models)]
        key = Key(raw["metadata"]["namespace"], raw["metadata"]["name"])
        self._begin(key)
        try:
            with self.process.turn_of(key):
                plan, before, after = self._applied_twice(raw)
        except JobsFull:
            return  # what was decided on was older than the cluster is
        finally:
            self.judge.end(key)
        if before != after:
            raise Broken(f"a plan applied twice is not the plan applied once: {plan}")

    def _applied_twice(self, raw: Object) -> tuple[Plan, object, object]:
        cluster, registry = self.process.ports.cluster, self.process.ports.registry
        prometheus = self.process.ports.prometheus
        gatherer = Gatherer(cluster, registry, self.world.clock, LIMITED, prometheus)
        plan = decide(gatherer.gather(OptimizedModel.from_dict(copied(raw)))).plan
        applier = Applier(cluster, registry)
        applier.apply(plan)
        before = self._versions()
        applier.apply(plan)
        return plan, before, self._versions()

    def _versions(self) -> object:
        objects = self.world.cluster.objects.items()
        return {p: o["metadata"]["resourceVersion"] for p, o in objects}, dict(self.world.store.indexes)

    # What the world does.

    def _job(self, step: Step) -> None:
        active = jobs.active(self.world)
        if active:
            how = "succeed" if step.two % 2 else jobs.ENDS[step.two // 2 % len(jobs.ENDS)]
            self.world.trace.append(f"  {active[step.one % len(active)]['metadata']['name']} {how}")
            jobs.end(self.world, active[step.one % len(active)], how)

    def _control(self, step: Step) -> None:
        places = self.world.places(DEPLOYMENT.kind)
        if places:
            before = self.judge.ready()
            for _ in range(1 + step.two % 3):
                self.world.control(places[step.one % len(places)])
            self.judge.check_floor(before)

    def _kubelet(self, step: Step) -> None:
        places = self.world.places(DEPLOYMENT.kind)
        if places:
            self.world.start_pod(places[step.one % len(places)])

    def _pod(self, step: Step) -> None:
        workloads = [each for each in self.world.workloads.values() if each.total]
        if workloads:
            pods = [pod for each in workloads[step.one % len(workloads)].sets for pod in each.pods]
            pods[step.two % len(pods)].ready = False

    def _edit(self, step: Step) -> None:
        self.world.trace.append(f"  {users.edit(self.world, step.one, step.two)}")

    def _rollout(self, step: Step) -> None:
        self.world.trace.append(f"  {rollouts.steer(self.world, step.one, step.two)}")

    def _traffic(self, step: Step) -> None:
        self.world.trace.append(f"  {rollouts.change_traffic(self.world, step.one, step.two)}")

    def _room(self, step: Step) -> None:
        self.world.trace.append(f"  {pools.narrow(self.world, step.one, step.two)}")

    def _node(self, step: Step) -> None:
        self.world.trace.append(f"  {users.churn(self.world, step.one, step.two)}")

    def _registry(self, step: Step) -> None:
        self.world.trace.append(f"  {users.fail_registry(self.world, step.one, step.two)}")

    def _time(self, step: Step) -> None:
        self.world.pass_time(JUMPS_SECONDS[step.one % len(JUMPS_SECONDS)])
        jobs.expire(self.world)

    def _jump(self, step: Step) -> None:
        """The wall clock alone, forwards or backwards, by up to an hour."""
        seconds = step.one % 7200 - 3600
        self.world.clock.time += timedelta(seconds=seconds)
        # What waits for a time of day waits for so much longer.
        self.behind_seconds += max(0, -seconds)

    def _garbage(self) -> None:
        self.world.collect()

    # Quiet times.

    def _flow(self, step: Step) -> None:
        for _ in range(1 + step.two % 3):
            self._round(work=step.one % 4 == 0)

    def _round(self, *, work: bool = True) -> bool:
        """Everyone takes a turn, without faults; work: Jobs come to an end. Told: anything changed."""
        before = self._versions(), self.judge.ready()
        for kind in WATCHED:
            while self.process.streams[kind]:
                self.process.deliver(kind, "in order")
        for key in iter(self.process.take, None):
            self.turn(key, Step("work"))
            self.judge.check()
        for job in jobs.active(self.world) if work else ():
            jobs.end(self.world, job, "succeed")
        self._controllers()
        return before != (self._versions(), self.judge.ready())

    def _controllers(self) -> None:
        jobs.expire(self.world)
        self.world.collect()
        for place in self.world.places(DEPLOYMENT.kind):
            for _ in range(4):
                before = self.judge.ready()
                moved = self.world.control(place)
                self.judge.check_floor(before)
                if not self.world.start_pod(place) and not moved:
                    break

    def settle(self) -> None:
        """Faults stop: all becomes as it must be, within a bound, and then nothing is written any more."""
        self.world.trace.append("faults stop")
        self.world.store.down = None
        self.world.metrics.down, self.world.metrics.silent = None, False
        pools.fill_up(self.world)
        began = self.world.clock.now()
        for kind in sorted(self.process.broken):
            self.process.list_again(kind)
        left, quiet_since = ["it never rests"], self.world.seconds
        # Then it has to stay so for a while, in which the operator may look every few seconds.
        enough = ROUNDS + self.behind_seconds // POLL_SECONDS
        quiet = (QUIET_SECONDS + self.behind_seconds) // POLL_SECONDS
        for number in range(enough + int(quiet)):
            if left and number >= enough:
                break
            if self._round():
                quiet_since = self.world.seconds
            else:
                left = unsettled(self.world)
                if not left and self.world.seconds - quiet_since >= QUIET_SECONDS + self.behind_seconds:
                    self._rest()
                    if turned_away := pools.turned_away(self.world, began):
                        raise Broken(f"rejected for want of room, and there were places: {turned_away}")
                    return
                due = self.process.queue.next_due()
                self.world.pass_time(max(1.0, (due or 0.0) - self.world.seconds))
        raise Broken(f"not settled after {ROUNDS} rounds: {'; '.join(left)}")

    def _rest(self) -> None:
        """Another operator finds nothing to do."""
        writes = list(self.world.cluster.writes)
        self.restart()
        self.turn(INVENTORY, Step("work"))
        for raw in self.world.models():
            self.turn(Key(raw["metadata"]["namespace"], raw["metadata"]["name"]), Step("work"))
        written = self.world.cluster.writes[len(writes) :]
        if written:
            raise Broken(f"at rest, a new operator writes: {written}")
