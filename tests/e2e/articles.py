"""The Python of Azure ML's articles, block by block.

The blocks come from the articles' own text where it is at hand (`../shared/reference/source-articles` beside the project).
Elsewhere `calls_of_*.py` in this folder stand in: scripts of our own with the same calls, in the same order, with the same
names, parameters and values, one block between two lines `# ---`.
"""

from __future__ import annotations

import ast
import dataclasses
import pathlib
import re
import textwrap

from harness import PROJECT

FOLDER = PROJECT.parent / "shared" / "reference" / "source-articles"
STAND_INS = pathlib.Path(__file__).parent / "article_calls"
FILES = {"estimator": "pytorch-estimator.sv.md", "tutorial": "train-first-model-tutorial.de.md", "at_scale": "train-pytorch-at-scale.de.md"}
FENCE = re.compile(r"^(?P<indent>[ \t]*)```[ \t]*(?P<language>\w+)[ \t]*\n(?P<code>.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Block:
    language: str
    code: str


def is_at_hand() -> bool:
    return FOLDER.is_dir()


def of_text(article: str) -> list[Block]:
    """All fenced blocks of the article, in order."""
    text = (FOLDER / FILES[article]).read_text()
    return [Block(found["language"].lower(), textwrap.dedent(found["code"])) for found in FENCE.finditer(text)]


def of_stand_in(article: str) -> list[Block]:
    text = (STAND_INS / f"{article}.py").read_text()
    return [Block("python", part.strip("\n") + "\n") for part in text.split("# ---\n")[1:]]


def python_of(article: str) -> list[str]:
    blocks = of_text(article) if is_at_hand() else of_stand_in(article)
    return [block.code for block in blocks if block.language == "python"]


def calls(code: str) -> list[str]:
    """What a block says to the SDK: its imports, and its calls with their parameters, in order; our own names may differ."""
    said = []
    tree = ast.parse(code)
    for node in sorted((node for node in ast.walk(tree) if hasattr(node, "lineno")), key=lambda node: (node.lineno, node.col_offset)):
        if isinstance(node, ast.ImportFrom):
            said += [f"from {node.module} import {each.name}" for each in node.names]
        elif isinstance(node, ast.Import):
            said += [f"import {each.name}" for each in node.names]
        elif isinstance(node, ast.Call):
            callee = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            if callee in ("print", "format", "range", "super"):
                continue
            said.append(f"{callee}({', '.join([_value(each) for each in node.args] + [f'{each.arg}={_value(each.value)}' for each in node.keywords])})")
    return said


def _value(node: ast.expr) -> str:
    """A constant as it is, anything else as `...`: names of variables are free."""
    try:
        return repr(ast.literal_eval(node))
    except ValueError:
        return "..."
