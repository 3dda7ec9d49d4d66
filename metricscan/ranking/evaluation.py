"""The value of a formula's program, on numbers or on columns of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metricscan.definitions.formula import Step

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "min": np.minimum,
    "max": np.maximum,
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def evaluate(program: Sequence[Step], values: Callable[[Step], Any]) -> Any:
    """The value of a program, as float64; for a comparison, a bool.

    Parameters
    ----------
    program : sequence of Step
    values : callable
        Gives the numbers, or float64 arrays of one length, for a step that names a metric. What has no value, such as the
        logarithm of a negative number, is NaN.
    """
    stack: list[Any] = []
    with np.errstate(all="ignore"):
        for step in program:
            if step.kind == "number":
                stack.append(np.float64(step.number))
            elif step.kind == "negate":
                stack.append(np.negative(stack.pop()))
            elif step.kind == "percent":
                value = stack.pop()
                stack.append(value + np.abs(value) * step.number)
            elif step.kind == "call":
                count = int(step.number)
                first, *others = stack[-count:]
                del stack[-count:]
                value = first if others else _FUNCTIONS[step.name](first)
                for other in others:
                    value = _FUNCTIONS[step.name](value, other)
                stack.append(value)
            elif step.kind in ("operator", "comparison"):
                other = stack.pop()
                stack.append(_FUNCTIONS[step.name](stack.pop(), other))
            else:
                stack.append(values(step))
    return stack.pop()
