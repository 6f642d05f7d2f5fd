"""Parses a formula into a syntax tree that is checked node by node. It is never executed as Python code."""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from control.potentials.dual import FUNCTIONS, Dual, choose, constant

LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.,+-*/^()<>=! ")
LONGEST = 400  # characters
DEEPEST = 50  # nested operations
HIGHEST_POWER = 64

RUNS_INTO = "a number runs into a name here; a product is written 2*r"
WORD = re.compile(r"[A-Za-z_]\w*|\.?\d[\w.]*")
KEYWORDS = ("and", "else", "for", "if", "in", "is", "not", "or")  # may follow a number

CONSTANTS = {"pi": math.pi}
OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
}
COMPARISONS: dict[type[ast.cmpop], np.ufunc] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
RESERVED = frozenset({*FUNCTIONS, *CONSTANTS, "where"})


class FormulaError(ValueError):
    """An error in a formula: a sentence, then the text with a caret under the error. `column` counts from 0."""

    def __init__(self, sentence: str, text: str, column: int) -> None:
        self.sentence = sentence
        self.column = min(max(column, 0), len(text))
        super().__init__(f"{sentence}\n    {text}\n    {' ' * self.column}^")


@lru_cache(maxsize=256)
def parse(text: str, names: tuple[str, ...]) -> ast.expr:
    """The checked syntax tree of a formula with these variable names. Raises FormulaError.

    The language: numbers, the names, pi, + - * / **, parentheses, sin cos tan exp log sqrt abs tanh min max, and
    where(a < b, then, else).
    """
    assert_length(text)
    blanks, body = len(text) - len(text.lstrip()), text.strip()
    if not body:
        raise FormulaError("the formula is empty", text, 0)
    for column, letter in enumerate(body):
        if letter not in LETTERS:
            raise FormulaError(f"{letter!r} has no place in a formula", text, blanks + column)
    for word in WORD.finditer(body):
        if word[0][0] in "0123456789." and word[0].endswith(KEYWORDS):  # Python would accept it with a warning
            raise FormulaError(RUNS_INTO, text, blanks + word.start())
    try:
        tree = ast.parse(body, mode="eval").body
    except SyntaxError as error:
        raise FormulaError(_reason(error), text, blanks + (error.offset or len(body) + 1) - 1) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(f"this can't be read as a formula ({error})", text, 0) from None
    _Check(text, blanks, names).expression(tree, 1)
    return tree


def assert_length(text: str) -> None:
    """Raises FormulaError, with the beginning of the text, if it is longer than LONGEST characters."""
    if len(text) > LONGEST:
        sentence = f"the formula has {len(text)} characters, and {LONGEST} are allowed"
        raise FormulaError(sentence, text[:LONGEST], LONGEST)


def _reason(error: SyntaxError) -> str:
    message = error.msg or ""
    if "invalid decimal literal" in message:
        return RUNS_INTO
    if message.startswith("invalid syntax"):
        return "this can't be read as a formula from here on"
    return f"this can't be read as a formula: {message}"


def names_in(tree: ast.expr) -> frozenset[str]:
    """The names in a checked tree, including functions."""
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


class _Check:
    """Walks a syntax tree and refuses nodes that are not in the language."""

    def __init__(self, text: str, blanks: int, names: tuple[str, ...]) -> None:
        self.text = text
        self.lead = blanks  # blanks before the parsed text
        self.names = names

    def refuse(self, sentence: str, node: ast.expr) -> FormulaError:
        return FormulaError(sentence, self.text, column_of(self.text, node, self.lead))

    def expression(self, node: ast.expr, depth: int) -> None:
        if depth > DEEPEST:
            raise self.refuse(f"the formula is nested more than {DEEPEST} deep", node)
        match node:
            case ast.Constant():
                self.number(node)
            case ast.Name(id=name):
                self.name(name, node)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                self.expression(operand, depth + 1)
            case ast.BinOp(left=left, right=right):
                self.operator(node)
                self.expression(left, depth + 1)
                self.expression(right, depth + 1)
            case ast.Call():
                self.call(node, depth)
            case ast.Compare():
                raise self.refuse("a comparison stands only as the condition of where(a < b, then, else)", node)
            case _:
                raise self.refuse(f"{_kind(node)} has no place in a formula", node)

    def number(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refuse(f"{_kind(node)} has no place in a formula", node)
        if abs(value) > 1e300:
            raise self.refuse("this number is too large", node)

    def name(self, name: str, node: ast.expr) -> None:
        if name in FUNCTIONS or name == "where":
            raise self.refuse(f"'{name}' needs its arguments in parentheses", node)
        if name not in self.names and name not in CONSTANTS:
            names = [*self.names, *CONSTANTS]
            similar = difflib.get_close_matches(name, [*names, *FUNCTIONS, "where"], 1)
            hint = f"; did you mean '{similar[0]}'?" if similar else ""
            raise self.refuse(f"'{name}' is not known here{hint} (allowed: {', '.join(names)})", node)

    def operator(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.BitXor):
            raise self.refuse("a power is written ** here, not ^", node)
        if type(node.op) not in OPERATORS:
            raise self.refuse(f"the operator here is not one of {' '.join(OPERATORS.values())}", node)
        power = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
        if isinstance(node.op, ast.Pow) and isinstance(power, ast.Constant):
            self.number(power)
            if isinstance(power.value, (int, float)) and abs(power.value) > HIGHEST_POWER:
                raise self.refuse(f"a power of more than {HIGHEST_POWER} is too high", power)

    def call(self, node: ast.Call, depth: int) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS and name != "where":
            similar = difflib.get_close_matches(name, [*FUNCTIONS, "where"], 1) if name else []
            hint = f"; did you mean '{similar[0]}'?" if similar else ""
            problem = f"'{name}' is not a function here" if name else "only a function's name can stand before '('"
            if name in self.names:
                hint = f"; a product is written {name}*(...)"
            raise self.refuse(f"{problem}{hint} (allowed are {', '.join([*FUNCTIONS, 'where'])})", node.func)
        number = 3 if name == "where" else FUNCTIONS[name][0]
        if node.keywords or len(node.args) != number:
            count = "1 argument" if number == 1 else f"{number} arguments"
            raise self.refuse(f"'{name}' takes {count}, without names", node)
        arguments = node.args
        if name == "where":
            self.condition(arguments[0], depth + 1)
            arguments = arguments[1:]
        for argument in arguments:
            self.expression(argument, depth + 1)

    def condition(self, node: ast.expr, depth: int) -> None:
        if not (isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARISONS):
            raise self.refuse("the condition of where is one comparison, with <, <=, > or >=", node)
        self.expression(node.left, depth + 1)
        self.expression(node.comparators[0], depth + 1)


def column_of(text: str, node: ast.expr, blanks: int) -> int:
    """Column of a node in the text, counted from 0; for an operation that of its sign."""
    if isinstance(node, ast.BinOp):
        between = range(blanks + (node.left.end_col_offset or 0), blanks + node.right.col_offset)
        return next((column for column in between if text[column] in "+-*/^<>"), blanks + node.col_offset)
    return blanks + node.col_offset


def culprit(tree: ast.expr, variables: Mapping[str, Dual]) -> ast.expr:
    """The innermost part of a checked tree with a value or slope that is not finite."""
    for inner in ast.iter_child_nodes(tree):
        if isinstance(inner, (ast.Constant, ast.Name, ast.UnaryOp, ast.BinOp, ast.Call)):
            if isinstance(tree, ast.Call) and inner is tree.func:
                continue
            result = evaluate(inner, variables)
            if not all(np.isfinite(part).all() for part in (result.value, *result.slopes)):
                return culprit(inner, variables)
    return tree


def _kind(node: ast.expr) -> str:
    """Name of a Python construct, for error sentences."""
    if isinstance(node, ast.Constant):
        return f"{node.value!r}"
    names: dict[type[ast.expr], str] = {
        ast.Attribute: "a dot after a name",
        ast.Lambda: "lambda",
        ast.IfExp: "if ... else (write where(a < b, then, else))",
        ast.BoolOp: "'and' or 'or'",
        ast.UnaryOp: "'not'",
        ast.Tuple: "a comma outside of a function",
        ast.GeneratorExp: "a loop",
    }
    return names.get(type(node), f"this ({type(node).__name__})")


def evaluate(tree: ast.expr, variables: Mapping[str, Dual]) -> Dual:
    """The value and slopes of a checked tree; inf or nan, without a warning, where they are not finite."""
    with np.errstate(all="ignore"):
        return _evaluate(tree, variables)


def _evaluate(node: ast.expr, variables: Mapping[str, Dual]) -> Dual:
    match node:
        case ast.Constant(value=int() | float() as value):
            return constant(value)
        case ast.Name(id=name):
            return constant(CONSTANTS[name]) if name in CONSTANTS else variables[name]
        case ast.UnaryOp(op=sign, operand=operand):
            inner = _evaluate(operand, variables)
            return -inner if isinstance(sign, ast.USub) else inner
        case ast.BinOp(left=left, op=operator, right=right):
            return _combine(operator, _evaluate(left, variables), _evaluate(right, variables))
        case ast.Call(func=ast.Name(id="where"), args=[ast.Compare() as condition, yes, no]):
            mask = _comparison(condition, variables)
            return choose(mask, _evaluate(yes, variables), _evaluate(no, variables))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return FUNCTIONS[name][1](*(_evaluate(argument, variables) for argument in arguments))
        case _:
            raise FormulaError("this tree was never checked", ast.unparse(node), 0)


def _combine(operator: ast.operator, left: Dual, right: Dual) -> Dual:
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
        case _:
            return left**right


def _comparison(node: ast.Compare, variables: Mapping[str, Dual]) -> NDArray[np.bool_]:
    left, right = _evaluate(node.left, variables).value, _evaluate(node.comparators[0], variables).value
    return np.asarray(COMPARISONS[type(node.ops[0])](left, right))
