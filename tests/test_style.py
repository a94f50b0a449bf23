"""The manners that a linter does not know (style.md): read from the sources, shown on planted examples."""

import ast
import re
import tokenize
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = ("attest", "consensus", "evaluation", "models", "ranking", "sim_net", "swarm")
PURE = ("ranking", "consensus", "swarm/core")
# Spelt in two halves, so that this file does not accuse itself.
UNFINISHED = re.compile(
    r"\b(?:"
    + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK", "place" + "holder", "dum" + "my"))
    + r")\b"
    r"|\bfor" + r" now\b|\bnot" + r" implemented yet\b|\bst" + r"ubbed?\b",
    re.IGNORECASE,
)
ENTROPY_CALLS = frozenset({"hash", "id", "input", "open", "print", "vars", "globals", "eval", "exec"})
SET_METHODS = frozenset({"union", "intersection", "difference", "symmetric_difference"})
ORDER_BLIND = frozenset({"all", "any", "frozenset", "len", "max", "min", "set", "sorted", "sum"})
ORDER_BOUND = frozenset(
    {"dict", "enumerate", "extend", "fromkeys", "iter", "join", "list", "map", "tuple", "zip"}
)

Rule = Callable[[str, str], list[str]]


def check_unfinished(path: str, text: str) -> list[str]:
    """Words of unfinished work in names, comments or strings."""
    found = []
    for token in tokenize.generate_tokens(StringIO(text).readline):
        match = UNFINISHED.search(token.string) if token.type != tokenize.NEWLINE else None
        if match:
            found.append(f"{path}:{token.start[0]}: {match.group()}")
    for node in ast.walk(ast.parse(text, path)):
        if isinstance(node, ast.Raise) and node.exc and "NotImplementedError" in ast.unparse(node.exc):
            found.append(f"{path}:{node.lineno}: raises NotImplementedError")
    return found


def check_no_sleep(path: str, text: str) -> list[str]:
    """A test that sleeps is slow when it passes and wrong when it fails."""
    found = []
    for node in ast.walk(ast.parse(text, path)):
        match node:
            case ast.Attribute(value=ast.Name(id="time"), attr="sleep"):
                found.append(f"{path}:{node.lineno}: time.sleep")
            case ast.ImportFrom(module="time", names=names) if any(alias.name == "sleep" for alias in names):
                found.append(f"{path}:{node.lineno}: from time import sleep")
    return found


def check_set_order(path: str, text: str) -> list[str]:
    """Iterating a set gives an order that differs between processes, hence between machines."""
    tree = ast.parse(text, path)
    found = []
    for scope in _scopes(tree):
        names = {name for node in _own_nodes(scope) for name in _names_bound_to_sets(node)}
        for node in _own_nodes(scope):
            found += [
                f"{path}:{part.lineno}: iterates the set {ast.unparse(part)}"
                for part in _iterated(node)
                if _is_set(part, names)
            ]
    return found


def _scopes(tree: ast.Module) -> Iterator[ast.AST]:
    yield tree
    yield from (
        n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    )


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Walk a scope without the functions inside it, which are scopes of their own."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _own_nodes(child)


def _names_bound_to_sets(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_set(value, set()):
            yield name
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation) if _is_set_type(annotation):
            yield name
        case ast.arg(arg=name, annotation=ast.expr() as annotation) if _is_set_type(annotation):
            yield name


def _is_set_type(annotation: ast.expr) -> bool:
    return bool(re.match(r"(?:set|frozenset|Set|AbstractSet|MutableSet)\b", ast.unparse(annotation)))


def _is_set(node: ast.expr, names: set[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Name(id=name):
            return name in names
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in SET_METHODS:
            return _is_set(value, names)
        case ast.BinOp(left=left, right=right, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
            return _is_set(left, names) or _is_set(right, names)
        case ast.IfExp(body=body, orelse=orelse):
            return _is_set(body, names) or _is_set(orelse, names)
    return False


def _iterated(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions whose order `node` depends on."""
    match node:
        case ast.For(iter=iterated) | ast.AsyncFor(iter=iterated):
            yield iterated
        case ast.ListComp(generators=generators) | ast.DictComp(generators=generators):
            yield from (generator.iter for generator in generators)
        case ast.Call(func=ast.Name(id=name)) if name in ORDER_BLIND:
            return
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args):
            if name in ORDER_BOUND:
                yield from args
            for arg in args:
                if isinstance(arg, ast.GeneratorExp):
                    yield from (generator.iter for generator in arg.generators)
        case ast.Starred(value=value):
            yield value


def check_entropy_calls(path: str, text: str) -> list[str]:
    """Calls whose result differs between processes, or that reach outside a pure floor."""
    return [
        f"{path}:{node.lineno}: {node.func.id}()"
        for node in ast.walk(ast.parse(text, path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ENTROPY_CALLS
    ]


RULES: tuple[tuple[Rule, tuple[str, ...]], ...] = (
    (check_unfinished, (*PRODUCT, "benchmarks", "scripts", "tests")),
    (check_no_sleep, ("tests",)),
    (check_set_order, PURE),
    (check_entropy_calls, PURE),
)


@pytest.mark.parametrize(("rule", "folders"), RULES, ids=lambda value: getattr(value, "__name__", ""))
def test_the_tree_keeps_the_rule(rule: Rule, folders: tuple[str, ...]) -> None:
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert files
    found = [
        hit for path in files for hit in rule(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    ]
    assert found == []


PLANTED: tuple[tuple[Rule, str], ...] = (
    (check_unfinished, "# TO" + "DO: later\n"),
    (check_unfinished, "# good enough for" + " now\n"),
    (check_unfinished, "raise NotImplementedError\n"),
    (check_unfinished, "dum" + "my = 1\n"),
    (check_no_sleep, "import time\ntime.sleep(1)\n"),
    (check_no_sleep, "from time import sleep\n"),
    (check_set_order, "for x in {1, 2}:\n    f(x)\n"),
    (check_set_order, "for x in set(xs):\n    f(x)\n"),
    (check_set_order, "for x in set(xs) | ys:\n    f(x)\n"),
    (check_set_order, "ys = [x for x in frozenset(xs)]\n"),
    (check_set_order, "ys = {x: 1 for x in {y for y in z}}\n"),
    (check_set_order, "ys = list(set(xs))\n"),
    (check_set_order, "b''.join(set(xs))\n"),
    (check_set_order, "b''.join(x for x in set(xs))\n"),
    (check_set_order, "f(*{1, 2})\n"),
    (check_set_order, "seen = set(xs)\nfor x in seen:\n    f(x)\n"),
    (check_set_order, "def f(xs: frozenset[int]):\n    return [x for x in xs]\n"),
    (check_set_order, "def f(a):\n    xs: set[int] = g()\n    return tuple(xs.union(a))\n"),
    (check_entropy_calls, "x = hash(b'a')\n"),
    (check_entropy_calls, "print(1)\n"),
)


@pytest.mark.parametrize(("rule", "text"), PLANTED)
def test_the_rule_fires_on_a_planted_violation(rule: Rule, text: str) -> None:
    assert rule("planted.py", text)


ALLOWED: tuple[tuple[Rule, str], ...] = (
    (check_unfinished, "total = 1  # nothing to do here\n"),
    (check_unfinished, "try:\n    f()\nexcept NotImplementedError:\n    g()\n"),
    (check_no_sleep, "import trio\n\nasync def f():\n    await trio.sleep(1)\n"),
    (check_set_order, "for x in sorted(set(xs)):\n    f(x)\n"),
    (check_set_order, "if x in {1, 2}:\n    n = len(set(xs))\n"),
    (check_set_order, "total = sum(x for x in set(xs))\n"),
    (check_set_order, "seen = set(xs)\nok = all(x in seen for x in ys)\n"),
    (check_set_order, "def f():\n    xs = set(a)\n\n\ndef g(xs: list[int]):\n    return [x for x in xs]\n"),
)


@pytest.mark.parametrize(("rule", "text"), ALLOWED)
def test_the_rule_lets_clean_code_pass(rule: Rule, text: str) -> None:
    assert rule("planted.py", text) == []
