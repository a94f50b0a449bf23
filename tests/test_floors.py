"""The floors of the house (docs/architecture.md): imports point downward only, and pure code stays pure.

Every rule reads sources, so that a forbidden import is found even where no test runs it, and every rule
is shown to fire on a planted violation.
"""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "ranking": 0,
    "models": 0,
    "consensus": 1,
    "attest": 2,
    "swarm.core": 3,
    "swarm.edge": 4,
    "sim_net": 5,
    "evaluation": 5,
    "swarm.gateway": 5,
    "swarm.peer": 6,
    "swarm.cli": 7,
}
PURE_FLOORS = ("ranking", "consensus", "swarm.core")
IMPURE_MODULES = frozenset(
    {
        "asyncio",
        "datetime",
        "os",
        "random",
        "secrets",
        "socket",
        "time",
        "torch",
        "trio",
    }  # the rule's own words
    | {"aiosqlite", "http", "locale", "multiprocessing", "pathlib", "platform", "select", "shutil", "sqlite3"}
    | {"ssl", "subprocess", "tempfile", "threading", "trio_asyncio", "trio_websocket", "urllib", "uuid"}
)
LAZY_MODULES = frozenset({"torch", "transformers", "accelerate", "gguf"})
LIGHT_MODELS = frozenset({"models", "models.contract", "models.errors", "models.prompts", "models.sampling"})
CANONICAL_MODULES = ("ranking.canonical", "ranking.merge")
INTEGER_ONLY_FORBIDDEN = frozenset({"cmath", "decimal", "fractions", "networkx", "numpy", "unicodedata"})
INTEGER_MATH = frozenset({"comb", "factorial", "gcd", "isqrt", "lcm", "perm", "prod"})
FUNCTION_LINES_MAX = 70
BROAD_EXCEPT_FILES = {
    "swarm/edge/runtime.py": "the runtime edge: a task that fails must not take its node along",
    "sim_net/world.py": "whatever a simulated node raises is a finding about it",
    "evaluation/graders/reasoning.py": "a foreign scorer that raises on an answer does not take it for right",
    "swarm/gateway/server.py": "whatever bytes make the HTTP library raise, they end one connection only",
    "models/tokens.py": "the tokenizers binding raises bare Exception, translated on the spot",
}


@dataclass(frozen=True)
class Source:
    """One Python file of the tree, or a planted one."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def package(self) -> str:
        """The package in which relative imports are resolved."""
        return self.module if self.path.endswith("/__init__.py") else self.module.rpartition(".")[0]


@dataclass(frozen=True)
class Import:
    """`target` is what is imported; for `from a import b` both `a` and `a.b` are reported."""

    target: str
    line: int


Tree = dict[str, Source]
Rule = Callable[[Tree], list[str]]


def read_tree(*folders: str) -> Tree:
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    sources = [Source(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in files]
    return {source.module: source for source in sources}


def plant(path: str, text: str, *others: tuple[str, str]) -> Tree:
    sources = [Source(path, text), *(Source(*other) for other in others)]
    return {source.module: source for source in sources}


def get_floor(module: str) -> str | None:
    """Return the package of `FLOORS` that `module` is in."""
    return next((name for name in FLOORS if module == name or module.startswith(name + ".")), None)


def imports_of(source: Source, nodes: Iterator[ast.AST]) -> Iterator[Import]:
    for node in nodes:
        match node:
            case ast.Import(names=names):
                yield from (Import(alias.name, node.lineno) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = module or ""
                if level:
                    parents = source.package.split(".")
                    base = ".".join([*parents[: len(parents) - level + 1], *([base] if base else [])])
                yield Import(base, node.lineno)
                yield from (Import(f"{base}.{alias.name}", node.lineno) for alias in names)
            case ast.Call(
                func=ast.Name(id="__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str() as name), *_],
            ):
                yield Import(name, node.lineno)


def all_imports(source: Source) -> Iterator[Import]:
    return imports_of(source, ast.walk(source.tree))


def eager_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs when the module is imported: not function bodies, not `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from (other, *eager_nodes(other))
            continue
        yield child
        yield from eager_nodes(child)


def top(module: str) -> str:
    return module.partition(".")[0]


def check_downward(tree: Tree) -> list[str]:
    found = []
    for source in tree.values():
        mine = get_floor(source.module)
        for item in all_imports(source):
            theirs = get_floor(item.target)
            if theirs is None or theirs == mine:
                continue
            if mine is None or FLOORS[theirs] >= FLOORS[mine]:
                found.append(f"{source.path}:{item.line}: {mine or source.module} imports {item.target}")
    return found


def check_floor_known(tree: Tree) -> list[str]:
    """Every module stands on a floor; the `swarm` package itself is empty."""
    return [
        f"{source.path}: on no floor"
        for source in tree.values()
        if get_floor(source.module) is None and (source.module != "swarm" or len(source.tree.body) > 1)
    ]


def check_tests_not_imported(tree: Tree) -> list[str]:
    return [
        f"{source.path}:{item.line}: imports {item.target}"
        for source in tree.values()
        for item in all_imports(source)
        if top(item.target) in {"tests", "benchmarks", "pytest", "hypothesis", "choix", "scipy"}
    ]


def check_consensus_sees_integers_only(tree: Tree) -> list[str]:
    found = []
    for source in tree.values():
        if get_floor(source.module) != "consensus":
            continue
        for item in all_imports(source):
            if top(item.target) != "ranking" or item.target == "ranking":
                continue
            if not any(
                item.target == name or item.target.startswith(name + ".") for name in CANONICAL_MODULES
            ):
                found.append(f"{source.path}:{item.line}: consensus imports {item.target}")
    return found


def check_pure(tree: Tree) -> list[str]:
    return [
        f"{source.path}:{item.line}: a pure floor imports {item.target}"
        for source in tree.values()
        if get_floor(source.module) in PURE_FLOORS
        for item in all_imports(source)
        if top(item.target) in IMPURE_MODULES
    ]


def closure(tree: Tree, roots: tuple[str, ...]) -> list[str]:
    """Return `roots` and every module of `tree` that they import, directly or not."""
    reached: list[str] = []
    waiting = [root for root in roots if root in tree]
    while waiting:
        module = waiting.pop()
        if module in reached:
            continue
        reached.append(module)
        names = [item.target for item in all_imports(tree[module])]
        waiting += [name for target in names for name in (target, *_parents(target)) if name in tree]
        waiting += [name for name in _parents(module) if name in tree]
    return sorted(reached)


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def check_canonical_is_integer(tree: Tree) -> list[str]:
    """What decides anything certified: no arrays, no floats, no tables of the interpreter's making."""
    found = []
    for module in closure(tree, CANONICAL_MODULES):
        source = tree[module]
        for item in all_imports(source):
            if top(item.target) in INTEGER_ONLY_FORBIDDEN:
                found.append(f"{source.path}:{item.line}: imports {item.target}")
        for node in ast.walk(source.tree):
            match node:
                case ast.Import(names=names) if any(alias.name == "math" for alias in names):
                    found.append(f"{source.path}:{node.lineno}: imports all of math, floats included")
                case ast.ImportFrom(module="math", names=names):
                    floats = [alias.name for alias in names if alias.name not in INTEGER_MATH]
                    found += [f"{source.path}:{node.lineno}: imports math.{name}" for name in floats]
        found += list(float_uses(source))
    return found


def check_consensus_has_no_floats(tree: Tree) -> list[str]:
    """What is signed or hashed is integer, so a float has no business on this floor."""
    return [
        use
        for source in tree.values()
        if get_floor(source.module) == "consensus"
        for use in float_uses(source)
    ]


def float_uses(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        match node:
            case ast.Constant(value=float() | complex() as value):
                yield f"{source.path}:{node.lineno}: the float {value}"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield f"{source.path}:{node.lineno}: true division makes a float"
            case ast.Name(id="float"):
                yield f"{source.path}:{node.lineno}: float"


def get_heavy_modules(tree: Tree) -> dict[str, str]:
    """Return the modules that load torch by being imported, directly or through another, and why."""
    heavy: dict[str, str] = {}
    while True:
        found = {
            source.module: f"{source.path}:{item.line}: importing it loads {item.target}"
            for source in tree.values()
            if source.module not in heavy
            for item in imports_of(source, eager_nodes(source.tree))
            if top(item.target) in LAZY_MODULES or item.target in heavy
        }
        if not found:
            return heavy
        heavy |= found


def check_lazy(tree: Tree) -> list[str]:
    """torch stands at the head of backend modules only, and these are imported inside functions only."""
    return [
        why
        for module, why in sorted(get_heavy_modules(tree).items())
        if get_floor(module) != "models" or module in LIGHT_MODELS
    ]


def check_function_length(tree: Tree) -> list[str]:
    found = []
    for source in tree.values():
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    found.append(f"{source.path}:{node.lineno}: {node.name} has {lines} lines")
    return found


def check_broad_except(tree: Tree) -> list[str]:
    """`except Exception` lives where a reason is given; elsewhere what is caught unnamed is raised again."""
    found = []
    for source in tree.values():
        if source.path in BROAD_EXCEPT_FILES:
            continue
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            names = [ast.unparse(part) for part in _caught(node.type)]
            last = node.body[-1]
            is_reraised = isinstance(last, ast.Raise) and last.exc is None
            if "Exception" in names or ("BaseException" in names and not is_reraised):
                found.append(f"{source.path}:{node.lineno}: except {', '.join(names)}")
    return found


def _caught(node: ast.expr | None) -> list[ast.expr]:
    if node is None:
        return [ast.Name(id="BaseException")]
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]


PRODUCT = ("attest", "consensus", "evaluation", "models", "ranking", "sim_net", "swarm")
RULES: tuple[tuple[Rule, tuple[str, ...]], ...] = (
    (check_downward, PRODUCT),
    (check_floor_known, PRODUCT),
    (check_tests_not_imported, PRODUCT),
    (check_consensus_sees_integers_only, PRODUCT),
    (check_pure, PRODUCT),
    (check_canonical_is_integer, PRODUCT),
    (check_consensus_has_no_floats, PRODUCT),
    (check_lazy, PRODUCT),
    (check_function_length, (*PRODUCT, "benchmarks", "scripts", "tests")),
    (check_broad_except, (*PRODUCT, "benchmarks", "scripts", "tests")),
)


@pytest.mark.parametrize(("rule", "folders"), RULES, ids=lambda value: getattr(value, "__name__", ""))
def test_the_tree_keeps_the_rule(rule: Rule, folders: tuple[str, ...]) -> None:
    tree = read_tree(*folders)
    assert len(tree) >= 10, "the walk found almost nothing: is ROOT right?"
    assert rule(tree) == []


LONG_FUNCTION = "def f():\n" + "    pass\n" * FUNCTION_LINES_MAX
PLANTED: tuple[tuple[Rule, Tree], ...] = (
    (check_downward, plant("consensus/x.py", "import swarm.core.node")),
    (check_downward, plant("swarm/core/x.py", "def f():\n    from swarm.edge import store")),
    (check_downward, plant("swarm/core/x.py", "from ..edge import store")),
    (check_downward, plant("swarm/core/x.py", "from .. import edge")),
    (check_downward, plant("swarm/edge/x.py", "import importlib\nimportlib.import_module('swarm.cli')")),
    (check_downward, plant("ranking/x.py", "from models import contract")),
    (check_downward, plant("models/x.py", "import ranking")),
    (check_downward, plant("sim_net/x.py", "import evaluation.report")),
    (check_downward, plant("evaluation/x.py", "from sim_net.world import World")),
    (check_downward, plant("swarm/edge/x.py", "from evaluation.task import Task")),
    (check_downward, plant("models/x.py", "from consensus.errors import PeerError")),
    (check_floor_known, plant("swarm/__init__.py", '"""Doc."""\nfrom swarm.edge import store')),
    (check_floor_known, plant("swarm/stray.py", "")),
    (check_tests_not_imported, plant("ranking/x.py", "import choix")),
    (check_consensus_sees_integers_only, plant("consensus/x.py", "from ranking import floats")),
    (check_consensus_sees_integers_only, plant("consensus/x.py", "from ranking.canonical_extra import y")),
    *(
        (check_pure, plant(f"{floor}/x.py", "def f():\n    import time"))
        for floor in ("ranking", "consensus")
    ),
    *((check_pure, plant("swarm/core/x.py", f"from {name} import x")) for name in sorted(IMPURE_MODULES)),
    (check_canonical_is_integer, plant("ranking/canonical.py", "import numpy as np")),
    (check_canonical_is_integer, plant("ranking/merge.py", "from math import isqrt, log")),
    (check_canonical_is_integer, plant("ranking/merge.py", "import math")),
    (check_canonical_is_integer, plant("ranking/merge.py", "half = 1 / 2")),
    (
        check_canonical_is_integer,
        plant("ranking/canonical.py", "from ranking.tables import T", ("ranking/tables.py", "T = 0.5")),
    ),
    (
        check_canonical_is_integer,
        plant("ranking/canonical.py", "", ("ranking/__init__.py", "import numpy")),
    ),
    (check_consensus_has_no_floats, plant("consensus/x.py", "x = float(1)")),
    (check_consensus_has_no_floats, plant("consensus/x.py", "x = 1e3")),
    (check_lazy, plant("swarm/cli/x.py", "import torch.nn")),
    (check_lazy, plant("swarm/cli/x.py", "try:\n    import transformers\nexcept ImportError:\n    pass")),
    (check_lazy, plant("swarm/cli/x.py", "class A:\n    from torch import nn")),
    (check_lazy, plant("models/contract.py", "from torch import Tensor")),
    (
        check_lazy,
        plant("swarm/edge/x.py", "from models import backend", ("models/backend.py", "import torch")),
    ),
    (
        check_lazy,
        plant("models/__init__.py", "from models.backend import B", ("models/backend.py", "import torch")),
    ),
    (check_function_length, plant("tests/x.py", LONG_FUNCTION)),
    (check_broad_except, plant("swarm/edge/x.py", "try:\n    f()\nexcept Exception:\n    raise")),
    (check_broad_except, plant("swarm/edge/x.py", "try:\n    f()\nexcept (KeyError, Exception):\n    raise")),
    (check_broad_except, plant("swarm/edge/x.py", "try:\n    f()\nexcept BaseException:\n    pass")),
    (check_broad_except, plant("swarm/edge/x.py", "try:\n    f()\nexcept:\n    pass")),
)


@pytest.mark.parametrize(("rule", "tree"), PLANTED, ids=lambda value: getattr(value, "__name__", ""))
def test_the_rule_fires_on_a_planted_violation(rule: Rule, tree: Tree) -> None:
    assert rule(tree)


ALLOWED: tuple[tuple[Rule, Tree], ...] = (
    (check_downward, plant("swarm/core/x.py", "import json\nfrom consensus.errors import PeerError")),
    (check_downward, plant("swarm/core/x.py", "from . import records")),
    (check_consensus_sees_integers_only, plant("consensus/x.py", "from ranking.merge import canonical_key")),
    (check_consensus_sees_integers_only, plant("consensus/x.py", "from ranking import canonical")),
    (check_canonical_is_integer, plant("ranking/floats.py", "import numpy")),
    (check_canonical_is_integer, plant("ranking/canonical.py", "from math import isqrt")),
    (check_lazy, plant("swarm/cli/x.py", "def load():\n    import torch")),
    (check_lazy, plant("swarm/cli/x.py", "if TYPE_CHECKING:\n    import torch")),
    (check_lazy, plant("models/backend.py", "import torch")),
    (check_lazy, plant("swarm/cli/x.py", "def f():\n    import models.b", ("models/b.py", "import torch"))),
    (check_function_length, plant("tests/x.py", LONG_FUNCTION.replace("    pass\n", "", 1))),
    (
        check_broad_except,
        plant("swarm/edge/x.py", "try:\n    f()\nexcept BaseException:\n    g()\n    raise"),
    ),
    (check_broad_except, plant("swarm/edge/runtime.py", "try:\n    f()\nexcept Exception:\n    pass")),
)


@pytest.mark.parametrize(("rule", "tree"), ALLOWED, ids=lambda value: getattr(value, "__name__", ""))
def test_the_rule_lets_clean_code_pass(rule: Rule, tree: Tree) -> None:
    assert rule(tree) == []


def loaded_by(*modules: str) -> list[str]:
    """Import `modules` in a fresh interpreter and return the names of what that loaded."""
    script = f"import sys\nfor name in {modules!r}:\n    __import__(name)\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


def test_consensus_loads_neither_torch_nor_numpy_nor_trio() -> None:
    loaded = loaded_by(*read_tree("consensus"))
    assert "consensus.identity" in loaded
    assert [name for name in ("torch", "transformers", "numpy", "trio") if name in loaded] == []


@pytest.mark.parametrize("folder", ["swarm", "models", "ranking"])
def test_no_light_module_loads_torch(folder: str) -> None:
    tree = read_tree(folder)
    heavy = get_heavy_modules(tree)
    loaded = loaded_by(*(name for name in tree if name not in heavy and not name.endswith("__main__")))
    assert [name for name in sorted(LAZY_MODULES) if name in loaded] == []


def test_the_torch_check_sees_torch() -> None:
    assert "json.decoder" in loaded_by("json")
