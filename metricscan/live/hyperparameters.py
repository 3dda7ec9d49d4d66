"""Hyperparameters on their way to a job: files, arguments, and what SageMaker's training toolkit shows to a script.

Folders, files and variables are those of the toolkit (aws/sagemaker-training-toolkit, ``environment.py`` and ``mapping.py``),
with ``SAGEMAKER_BASE_DIR`` in the place of ``/opt/ml``.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from metricscan.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Arguments = Literal["flags", "sagemaker", "hydra", "none"]
ARGUMENTS: tuple[Arguments, ...] = get_args(Arguments)
#: The folder of a job's folder that is to the job what ``/opt/ml`` is in a container of the service.
BASE = "ml"
#: The variable with the path of ``hyperparameters.json``.
VARIABLE = "METRICSCAN_HYPERPARAMETERS"
# Hyperparameters for the toolkit itself; no script sees them (params.py).
_PREFIX = "sagemaker_"
_OF_TOOLKIT = frozenset(
    [
        *("sagemaker_program", "sagemaker_submit_directory", "sagemaker_enable_cloudwatch_metrics", "sagemaker_region"),
        *("sagemaker_container_log_level", "sagemaker_job_name", "default_user_module_name", "sagemaker_s3_output"),
        "_tuning_objective_metric",
    ]
)
_HOST, _GROUP, _INSTANCE, _INTERFACE = "algo-1", "homogeneousCluster", "local", "eth0"
_INFO = 20
_HYDRA_PLAIN = re.compile(r"[\w./:@%+-]+", re.ASCII)
# Of Hydra's grammar: a key of a map, what a list or a map may hold beside further ones, and one that holds no further ones.
_HYDRA_KEY = r"[\w./@%+$*?|-]+(?:[ \t]+[\w./@%+$*?|-]+)*"
_HYDRA_ITEM = r"""(?:'[^'\\]*'|"[^"\\]*"|\$\{[^{}]+\}|[\w./:@%+$*?|-]+(?:[ \t]+[\w./:@%+$*?|-]+)*)"""
_HYDRA_PAIR = rf"{_HYDRA_KEY}[ \t]*:[ \t]*{_HYDRA_ITEM}"
_HYDRA_INNERMOST = re.compile(
    rf"\[[ \t]*(?:{_HYDRA_ITEM}(?:[ \t]*,[ \t]*{_HYDRA_ITEM})*)?[ \t]*\]"
    rf"|\{{[ \t]*(?:{_HYDRA_PAIR}(?:[ \t]*,[ \t]*{_HYDRA_PAIR})*)?[ \t]*\}}",
    re.ASCII,
)
_HYDRA_MOST_LEVELS = 20
_CHANNEL = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Handed(NamedTuple):
    """What hands hyperparameters to a job.

    Attributes
    ----------
    arguments : list of str
        To add to the command.
    environment : dict of str to str
    files : dict of str to str
        Files to write, by their paths in the job's folder; only their owner may read them.
    folders : list of str
    links : dict of str to str
        Where links of the job's folder lead.
    failure : str
        The path of the file in which the job may say why it failed.
    """

    arguments: list[str]
    environment: dict[str, str]
    files: dict[str, str]
    folders: list[str]
    links: dict[str, str]
    failure: str | None


def handed(
    folder: str,
    job: str,
    command: Sequence[str],
    parameters: Mapping[str, str],
    channels: Mapping[str, str],
    style: Arguments,
    log_level: str | None = None,
) -> Handed:
    """What a job gets of its hyperparameters.

    Parameters
    ----------
    folder : str
        The absolute path of the job's folder.
    job : str
    command : sequence of str
    parameters : mapping of str to str
    channels : mapping of str to str
        Paths of data by the names of channels.
    style : {"flags", "sagemaker", "hydra", "none"}
        How the command gets its arguments.
    log_level : str, optional
        What the environment says about ``SM_LOG_LEVEL``, if it does.

    Raises
    ------
    OptionError
        There are channels, and no toolkit's folders; a name or a path of a channel is invalid.
    """
    config = f"{BASE}/input/config"
    files = {f"{config}/hyperparameters.json": json.dumps(dict(parameters), indent=2) + "\n"}
    environment = {VARIABLE: f"{folder}/{config}/hyperparameters.json"}
    shown = {name: value for name, value in parameters.items() if name not in _OF_TOOLKIT}
    if style != "sagemaker":
        if channels:
            raise OptionError("channels need the folders of SageMaker's toolkit: args='sagemaker'")
        arguments = [] if style == "none" else _as_flags(shown) if style == "flags" else _as_hydra(shown)
        return Handed(arguments, environment, files, [], {}, None)
    paths = _checked(channels)
    toolkit = _Toolkit(f"{folder}/{BASE}", job, command, parameters, sorted(paths), log_level)
    files[f"{config}/resourceconfig.json"] = json.dumps(toolkit.resources, indent=2) + "\n"
    files[f"{config}/inputdataconfig.json"] = json.dumps(toolkit.inputs, indent=2) + "\n"
    names = ("code", "model", "input/data", "output/data", "output/intermediate")
    return Handed(
        _toolkit_arguments(toolkit.parameters),
        {**environment, **toolkit.variables()},
        files,
        [f"{BASE}/{name}" for name in names],
        {f"{BASE}/input/data/{name}": path for name, path in paths.items()},
        f"{folder}/{BASE}/output/failure",
    )


def _checked(channels: Mapping[str, str]) -> dict[str, str]:
    paths = {}
    for name, path in channels.items():
        if not _CHANNEL.fullmatch(name):
            raise OptionError(f"channel {name!r}: a name of at most 64 letters, digits, '.', '_' and '-' was expected")
        if not os.path.exists(path):
            raise OptionError(f"channel {name}: there is no {path}")
        paths[name] = os.path.abspath(path)
    return paths


def _as_flags(parameters: Mapping[str, str]) -> list[str]:
    return [word for name in sorted(parameters) for word in (f"--{name}", parameters[name])]


def _as_hydra(parameters: Mapping[str, str]) -> list[str]:
    """``name=value``; Hydra's grammar takes other texts than plain ones in quotes."""
    return [f"{name}={_in_hydra(value)}" for name, value in sorted(parameters.items())]


def _in_hydra(value: str) -> str:
    if _HYDRA_PLAIN.fullmatch(value) or _is_hydra_container(value):
        return value
    # a backslash escapes only where it stands before a quotation mark
    escaped = re.sub(r"(\\*)(')", lambda match: f"{match[1] * 2}\\'", value)
    escaped = re.sub(r"(\\+)\Z", lambda match: match[1] * 2, escaped)
    return f"'{escaped}'"


def _is_hydra_container(value: str) -> bool:
    """Whether Hydra reads a value as a list or a map; what only begins as one is a text."""
    if value[:1] not in ("[", "{"):
        return False
    for _ in range(_HYDRA_MOST_LEVELS):
        if _HYDRA_INNERMOST.fullmatch(value):
            return True
        # a list within a list counts as a word of it
        shorter = _HYDRA_INNERMOST.sub("_", value)
        if shorter == value or shorter[:1] not in ("[", "{"):
            return False
        value = shorter
    return False


# ---- the toolkit


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _as_argument(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={one}" for name, one in sorted(value.items()))
    return "" if value is None else str(value)


def _toolkit_arguments(parameters: Mapping[str, Any]) -> list[str]:
    return [
        word
        for name in sorted(parameters)
        for word in (f"--{name}" if len(name) > 1 else f"-{name}", _as_argument(parameters[name]))
    ]


def _as_variable(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


class _Toolkit:
    """What the toolkit would show of a job on one machine."""

    def __init__(
        self,
        base: str,
        job: str,
        command: Sequence[str],
        parameters: Mapping[str, str],
        channels: Sequence[str],
        log_level: str | None,
    ) -> None:
        decoded = {name: _decoded(value) for name, value in parameters.items()}
        own = {name for name in decoded if name in _OF_TOOLKIT or name.startswith(_PREFIX)}
        self.base = base
        self.job = job
        self.parameters = {name: value for name, value in decoded.items() if name not in own}
        self.framework = {name: decoded[name] for name in own - _OF_TOOLKIT}
        self.program = str(decoded.get("sagemaker_program") or _entry_point(command))
        #: A hyperparameter says it to the toolkit; the environment of the request overrules that here.
        self.log_level = (
            decoded.get("sagemaker_container_log_level", _INFO) if log_level is None else _decoded(log_level)
        )
        self.resources: dict[str, Any] = {
            "current_host": _HOST,
            "current_instance_type": _INSTANCE,
            "current_group_name": _GROUP,
            "hosts": [_HOST],
            "instance_groups": [{"instance_group_name": _GROUP, "instance_type": _INSTANCE, "hosts": [_HOST]}],
            "network_interface_name": _INTERFACE,
        }
        self.inputs: dict[str, Any] = {
            name: {
                "TrainingInputMode": "File",
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": "None",
            }
            for name in channels
        }

    def variables(self) -> dict[str, str]:
        """The environment: what the service sets, and what the toolkit does."""
        base = self.base
        output, config = f"{base}/output", f"{base}/input/config"
        shown: dict[str, Any] = {
            "current_host": _HOST,
            "current_instance_group": _GROUP,
            "current_instance_group_hosts": [_HOST],
            "current_instance_type": _INSTANCE,
            "distribution_instance_groups": [],
            "framework_module": None,
            "hosts": [_HOST],
            "input_config_dir": config,
            "input_data_config": self.inputs,
            "input_dir": f"{base}/input",
            "instance_groups": [_GROUP],
            "instance_groups_dict": {_GROUP: self.resources["instance_groups"][0]},
            "is_hetero": False,
            "log_level": self.log_level,
            "model_dir": f"{base}/model",
            "module_dir": f"{base}/code",
            "module_name": self.program.removesuffix(".py"),
            "network_interface_name": _INTERFACE,
            "num_cpus": os.cpu_count() or 1,
            "num_gpus": _gpus(),
            "num_neurons": 0,
            "output_data_dir": f"{output}/data",
            "output_dir": output,
            "output_intermediate_dir": f"{output}/intermediate",
            "resource_config": self.resources,
            "user_entry_point": self.program,
        }
        whole = {
            **shown,
            "additional_framework_parameters": self.framework,
            "channel_input_dirs": {name: f"{base}/input/data/{name}" for name in self.inputs},
            "distribution_hosts": [],
            "hyperparameters": self.parameters,
            "is_master": True,
            "is_modelparallel_enabled": None,
            "is_smddpmprun_installed": False,
            "is_smddprun_installed": False,
            "job_name": self.job,
            "master_hostname": _HOST,
            "topology": [],
        }
        shown |= {
            "channels": sorted(self.inputs),
            "framework_params": self.framework,
            "hps": self.parameters,
            "training_env": whole,
            "user_args": _toolkit_arguments(self.parameters),
            **{f"channel_{name}": f"{base}/input/data/{name}" for name in self.inputs},
            **{f"hp_{name}": value for name, value in self.parameters.items()},
        }
        variables = {f"SM_{name.upper()}": _as_variable(value) for name, value in shown.items()}
        return {"SAGEMAKER_BASE_DIR": base, "TRAINING_JOB_NAME": self.job, "CURRENT_HOST": _HOST, **variables}


def _entry_point(command: Sequence[str]) -> str:
    """The script of a command, else its program."""
    script = next((word for word in command if word.endswith((".py", ".sh"))), command[0])
    return os.path.basename(script)


def _gpus() -> int:
    """The number of NVIDIA's GPUs, as their driver shows them."""
    try:
        return sum(re.fullmatch(r"nvidia\d+", name) is not None for name in os.listdir("/dev"))
    except OSError:
        return 0
