"""Applies rules to every graph of a model until nothing changes, and tells each application."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from burnish_optimizer.passes.contract import BasePass, Change, Scope
from burnish_optimizer.rewrite.rule import Replacement, Rule
from burnish_optimizer.rewrite.values import op_key, site_name
from burnish_optimizer.rewrite.walk import graphs_of

MAX_ROUNDS = 10
RULE_TAG = "burnish.rule"


@dataclass(frozen=True)
class RulePass(BasePass):
    """A pass that is a list of rules of one guarantee class.

    targets: names of the targets that it is for; None: all.   rounds: how often it looks at what it changed.
    """

    rules: Sequence[Rule]
    targets: frozenset[str] | None = None
    rounds: int = MAX_ROUNDS

    @property
    def anchors(self) -> frozenset[str] | None:
        """See `Pass.anchors`."""
        return frozenset().union(*(rule.anchors for rule in self.rules))

    def requires(self, model: ir.Model, scope: Scope) -> str:
        """See `Pass.requires`."""
        if self.targets is not None and scope.target.name not in self.targets:
            return f"not for target {scope.target.name}"
        return super().requires(model, scope)

    def apply(self, model: ir.Model, scope: Scope) -> tuple[Change, ...]:
        """See `Pass.apply`."""
        changes: list[Change] = []
        scope.opsets = model.opset_imports
        table = _by_anchor(self.rules)
        for _ in range(self.rounds):
            made = [change for graph in graphs(model) for change in _round(model, graph, table, scope)]
            changes += made
            if not made:
                break
        return tuple(changes)


def graphs(model: ir.Model) -> Iterator[ir.Graph]:
    """The main graph and every subgraph, outer ones first. (Functions are inlined before rules run.)"""
    return graphs_of(model.graph)


def _by_anchor(rules: Sequence[Rule]) -> dict[str, list[Rule]]:
    table: dict[str, list[Rule]] = {}
    for rule in rules:
        for anchor in rule.anchors:
            table.setdefault(anchor, []).append(rule)
    return table


def _round(
    model: ir.Model, graph: ir.Graph, table: Mapping[str, Sequence[Rule]], scope: Scope
) -> Iterable[Change]:
    for node, rules in [(node, table[key]) for node in graph if (key := op_key(node)) in table]:
        if node.graph is not graph or site_name(node) in scope.excluded:
            continue  # removed by a change before, or to be left alone
        for rule in rules:
            found = rule.match(node, scope)
            if found and found.old_values[0].name in scope.excluded:
                continue  # a rule may replace a value further down than its anchor's
            change = replace(model, graph, node, rule.name, found) if found else None
            if change:
                yield change
                break


def replace(model: ir.Model, graph: ir.Graph, node: ir.Node, rule: str, found: Replacement) -> Change | None:
    """Put a replacement in place; None where the graph's own outputs forbid it."""
    if not _outputs_can_move(found):
        return None
    site = found.old_values[0].name or ""
    _name_parts(graph, rule, site, found)
    for value in found.initializers:
        graph.register_initializer(value)
    graph.insert_after(node, found.nodes)
    for old, new in zip(found.old_values, found.new_values, strict=True):
        _take_over(old, new, made_here={id(n) for n in found.nodes})
    removed = _remove_unneeded(graph, [v.producer() for v in found.old_values])
    for domain, version in found.domains:
        model.opset_imports.setdefault(domain, version)
        graph.opset_imports.setdefault(domain, version)
    return Change(rule, site, tuple(removed), tuple(op_key(n) for n in found.nodes))


def _outputs_can_move(found: Replacement) -> bool:
    """A graph output cannot become an input, a constant, or a value that is an output already."""
    made = {id(node) for node in found.nodes}
    for old, new in zip(found.old_values, found.new_values, strict=True):
        maker, replaced = new.producer(), old.producer()
        if not old.is_graph_output() or id(maker) in made:
            continue
        if maker is None or replaced is None or new.is_graph_output() or maker.graph is not replaced.graph:
            return False
    return True


def _take_over(old: ir.Value, new: ir.Value, made_here: set[int]) -> None:
    """`new` serves where `old` did, under its name where it is new or the graph's output."""
    if id(new.producer()) in made_here or old.is_graph_output():
        name = old.name
        new.type = old.type or new.type
        new.shape = old.shape if old.shape is not None else new.shape
        old.name = f"{name}/replaced"
        new.name = name
    old.replace_all_uses_with(new, replace_graph_outputs=True)


def _name_parts(graph: ir.Graph, rule: str, site: str, found: Replacement) -> None:
    """Names that no other value of the model has: the site's, the rule's, and a number.

    What a rule made is replaced under its own name, which tells apart what is done to one site twice.
    """
    outputs = {id(v) for v in found.new_values}
    replaced = found.old_values[0].producer()
    if replaced is not None and replaced.name and RULE_TAG in replaced.metadata_props:
        site = replaced.name
    for number, node in enumerate(found.nodes):
        node.metadata_props[RULE_TAG] = rule
        node.name = f"{site}/{rule}/{number}"
        for index, value in enumerate(node.outputs):
            if id(value) not in outputs:
                value.name = f"{site}/{rule}/{number}.{index}"
    for number, value in enumerate(found.initializers):
        value.name = f"{site}/{rule}/{value.name or 'constant'}.{number}"
        if value.const_value is not None:
            value.const_value.name = value.name


def _remove_unneeded(graph: ir.Graph, starts: Sequence[ir.Node | None]) -> list[str]:
    """Remove nodes that nothing needs, and what only they needed. Returns their op types."""
    removed: list[str] = []
    waiting = [node for node in starts if node is not None]
    while waiting:
        node = waiting.pop()
        if node.graph is not graph or any(v.uses() or v.is_graph_output() for v in node.outputs):
            continue
        feeding = [v.producer() for v in node.inputs if v is not None]
        graph.remove(node, safe=True)
        removed.append(op_key(node))
        waiting += [p for p in feeding if p is not None]
    return removed[::-1]
