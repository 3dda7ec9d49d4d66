"""Hyperparameters as text: out of the files of usual tools in JSON and YAML, and out of the names of folders."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

# A trial's folder as Ray Tune names it: the trainable, the trial's id, its number, what it varies, and the time; in old versions
# there is no id, and eight random characters follow the time. Ray cuts what stands before the time.
_RAY_TRIAL = re.compile(
    r"(?P<trial>(?:.*?_)?(?:[0-9a-f]{5,8}_\d{5}_\d+|[0-9a-f]{8}_\d+)_)(?P<varied>[A-Za-z].*)"
    r"_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\w*"
    r"|(?P<old_trial>(?:.*?_)?\d+_)(?P<old_varied>[A-Za-z].*)_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d[a-z0-9_]{8}",
    re.DOTALL,
)
_RAY_NAME_LENGTH = 130
# Ray Tune writes numbers with four decimals: this one may stand for any small number.
_ROUNDED_AWAY = ("0.0000", "-0.0000")
# What a name begins with that says which job it is. Other words with numbers may belong to a key: conv_2_units=64.
_NUMBERED_JOB = re.compile(
    r"(?:\w*_)?(?:trial|run|job|task|exp|experiment|train|sweep)(?:_[A-Za-z]+)?_\d+_(?=[A-Za-z])"
)
_BRACKETS = re.compile(r"[\[({]")
_PARAMETER_PART = re.compile(r"(?:^|[,/_])([A-Za-z][\w.\-]*?)=([^=,/]*?)(?=$|[,/]|_[A-Za-z][\w.\-]*=)")
#: Larger files with the name of a file of hyperparameters hold something else.
MOST_BYTES = 1 << 20
# A value of Hydra's that is another one, and how many such steps are followed: references may go round in a circle.
_REFERENCE = re.compile(r"\$\{([\w.\-]+)\}")
_MOST_REFERENCES = 10
# Aliases may name a value often: a small file can stand for a huge one.
_MOST_YAML_VALUES = 100_000


# ---- files


def of_nni(text: str) -> dict[str, str]:
    """The hyperparameters that NNI's tuner gave a trial."""
    return parameters_of(text, within="parameters")


def parameters_of(text: str, within: str | None = None) -> dict[str, str]:
    """Hyperparameters from a JSON object, as text: strings and numbers as they are spelled, other values as JSON.

    ``within`` is the key of the object in the text's object that holds them.

    Raises
    ------
    ValueError
        The text is not JSON, or not an object.

    >>> parameters_of('{"lr": 3e-4, "solver": "adam", "layers": [64, 64], "amsgrad": false}')
    {'lr': '3e-4', 'solver': 'adam', 'layers': '[64, 64]', 'amsgrad': 'false'}
    """
    parameters, spelled = json.loads(text), json.loads(text, parse_float=str, parse_int=str)
    if within is not None and isinstance(parameters, dict):
        parameters, spelled = parameters.get(within), spelled.get(within)
    if not isinstance(parameters, dict):
        place = "" if within is None else f" at {within}"
        raise ValueError(f"an object was expected{place}, not {type(parameters).__name__}")
    return {
        as_text(key): as_text(spelled[key]) if isinstance(spelled[key], str) else json.dumps(value)
        for key, value in parameters.items()
    }


def value_as_text(value: Any) -> str:
    """The text of a value: a string as it is, a number as it is spelled where it keeps that, any other value as JSON."""
    if isinstance(value, str):
        return as_text(value)
    spelled = getattr(value, "text", None)
    return spelled if isinstance(spelled, str) else json.dumps(value, default=str)


def as_text(text: str) -> str:
    r"""A text that every table can hold: half of a surrogate pair is written as ``\ud800``.

    Python keeps bytes that are not UTF-8 as such halves; they are written as ``\xe9``, as in names of jobs.

    >>> as_text("a\ud800b")
    'a\\ud800b'
    """
    if text.isascii():
        return text
    spelled = re.sub(r"[\udc80-\udcff]", lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", text)
    return spelled.encode("utf-8", "backslashreplace").decode()


def of_overrides(text: str) -> dict[str, str]:
    """What was given on Hydra's command line: a list of KEY=VALUE in YAML."""
    import yaml

    try:
        loader, node = _composed(text)
        overrides = loader.construct_document(node) or [] if node is not None else []
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from None
    if not isinstance(overrides, list):
        raise ValueError(f"a list of KEY=VALUE was expected, not {type(overrides).__name__}")
    pairs = (str(override).partition("=") for override in overrides)
    return {as_text(key.lstrip("+~")): as_text(value) for key, equals, value in pairs if equals}


def of_hydra(text: str) -> dict[str, str]:
    """The configuration that Hydra keeps of a run.

    Hydra writes references to other values as ``${KEY}``. What such a reference stands for is known if it is another value
    of the file. All else that is computed, or missing (``???``), is left out.
    """
    values = of_yaml(text)
    for key, value in values.items():
        for _ in range(_MOST_REFERENCES):
            reference = _REFERENCE.fullmatch(value)
            if reference is None:
                break
            value = values.get(reference[1], "???")
        values[key] = value
    return {key: value for key, value in values.items() if value != "???" and "${" not in value}


def of_yaml(text: str) -> dict[str, str]:
    """The values of a mapping in YAML. Those of mappings within have keys with dots, as Hydra writes them."""
    return dict(_flat(text, ()))


def of_wandb(text: str) -> dict[str, str]:
    """The configuration that W&B keeps of a run: a mapping of names to mappings with a value."""
    values = dict(_flat(text, ("_wandb", "wandb_version")))
    kept = ((key.partition(".")[0], key.partition(".")[2], value) for key, value in values.items())
    return {
        name + within.removeprefix("value"): value
        for name, within, value in kept
        if within == "value" or within.startswith("value.")
    }


def _flat(text: str, without: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The keys and values of a mapping in YAML, but for some keys.

    Raises
    ------
    ValueError
        It is not YAML, or not a mapping.
    """
    import yaml

    try:
        loader, node = _composed(text)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from None
    try:
        if node is None:
            return
        if not isinstance(node, yaml.MappingNode):
            kind = "list" if isinstance(node, yaml.SequenceNode) else "single value"
            raise ValueError(f"a mapping was expected, not a {kind}")
        _check_size(node)
        loader.flatten_mapping(node)
        node.value = [pair for pair in node.value if pair[0].value not in without]
        yield from _spelled(loader, node, "")
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from None
    finally:
        loader.dispose()


def _composed(text: str) -> tuple[yaml.SafeLoader, yaml.Node | None]:
    """The nodes of a text in YAML, and the loader that made them.

    The loader in C takes a twentieth of the time, where it is installed. The other one also takes half of a surrogate pair.
    """
    import yaml

    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        return loader, loader.get_single_node()
    except yaml.YAMLError:
        loader = yaml.SafeLoader(text)
        return loader, loader.get_single_node()


def _check_size(top: yaml.Node) -> None:
    left = _MOST_YAML_VALUES
    nodes = [top]
    while nodes:
        node = nodes.pop()
        left -= 1
        if left < 0:
            raise ValueError(f"more than {_MOST_YAML_VALUES:,} values, those of aliases among them")
        if isinstance(node.value, list):
            nodes += (each for one in node.value for each in (one if isinstance(one, tuple) else (one,)))


def _spelled(loader: yaml.SafeLoader, mapping: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, str]]:
    """The values as text: strings and numbers as they are spelled, other values as JSON."""
    import yaml

    for key, node in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        name = prefix + key.value
        if isinstance(node, yaml.MappingNode) and node.value:
            loader.flatten_mapping(node)
            yield from _spelled(loader, node, f"{name}.")
            continue
        try:
            value: Any = loader.construct_object(node, deep=True)
        except yaml.constructor.ConstructorError:
            # an object of Python's, say: it has no text
            continue
        is_text = isinstance(node, yaml.ScalarNode) and not isinstance(value, (bool, type(None)))
        yield as_text(name), as_text(node.value) if is_text else json.dumps(value, default=str)


# ---- names


def parameters_in_name(name: str) -> dict[str, str]:
    """Hyperparameters that the parts of a path spell as ``KEY=VALUE``. A value that was cut off gives nothing.

    >>> parameters_in_name("hidden=[64, 32],act=relu/seed=1_data=v1_2026-03-01")
    {'hidden': '[64, 32]', 'act': 'relu', 'seed': '1', 'data': 'v1_2026-03-01'}
    """
    parameters = {}
    for part in name.split("/"):
        if "=" not in part:
            continue
        trial = _RAY_TRIAL.fullmatch(part)
        job = trial["trial"] or trial["old_trial"] if trial else ""
        text = trial["varied"] or trial["old_varied"] if trial else part
        if trial is None and (numbered := _NUMBERED_JOB.match(part)) and numbered.end() < part.index("="):
            text = part[numbered.end() :]
        masked, is_open = _masked(text)
        was_cut = is_open or (trial is not None and len(job) + len(text) >= _RAY_NAME_LENGTH)
        for match in _PARAMETER_PART.finditer(masked):
            was_cut_here = was_cut and match.end() == len(text)
            if not was_cut_here and (trial is None or match[2] not in _ROUNDED_AWAY):
                parameters[as_text(match[1])] = as_text(text[match.start(2) : match.end(2)])
    return parameters


def is_named_by_ray(folder: str) -> bool:
    """Whether the last part of a path is the name that Ray Tune gives a trial's folder."""
    return "=" in folder and _RAY_TRIAL.fullmatch(folder.rpartition("/")[2]) is not None


def _masked(text: str) -> tuple[str, bool]:
    """The text with NULs for the lists and dictionaries in it, and whether the last one is not closed.

    Commas and names within brackets belong to a value.
    """
    begin = text.find("=")
    if not _BRACKETS.search(text, begin):
        return text, False
    masked = [text[:begin]]
    depth, quote = 0, ""
    for character in text[begin:]:
        inside = depth > 0
        if quote:
            quote = "" if character == quote else quote
        elif inside and character in "'\"":
            quote = character
        elif character in "[({":
            depth += 1
        elif inside and character in "])}":
            depth -= 1
        masked.append("\0" if inside or depth else character)
    return "".join(masked), depth > 0
