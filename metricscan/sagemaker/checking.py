"""The checks of a tuning request, and the training job definitions that it contains.

The rules beyond the service model are those of the Amazon SageMaker API Reference and Developer Guide.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from metricscan.definitions.definition import MetricDefinition, read_with
from metricscan.definitions.objective import Objective
from metricscan.errors import DefinitionError, OptionError, nearest
from metricscan.sagemaker import algorithms
from metricscan.sagemaker.errors import RequestFault
from metricscan.sagemaker.model import ALIAS, check, shapes, shown

#: The hyperparameter that names the objective metric to a training job (Developer Guide, "Define metrics and environment
#: variables").
OBJECTIVE_HYPERPARAMETER = "_tuning_objective_metric"
#: Over all definitions of a tuning job (API Reference, HyperParameterTrainingJobDefinition).
MOST_ENVIRONMENT_ENTRIES = 48
#: Over all kinds of ranges (API Reference, ParameterRanges).
MOST_RANGES = 30
#: API Reference, HyperbandStrategyConfig.
MOST_HYPERBAND_EPOCHS = 20_000
#: The static hyperparameters in which Hyperband looks for MaxResource, if that is not given (the same page).
EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")

_CREATE = "CreateHyperParameterTuningJobRequest"
_DESCRIBE = "DescribeHyperParameterTuningJobResponse"
_RANGE_LISTS = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")


@dataclass(frozen=True)
class TrainingDefinition:
    """A training job definition of a tuning job.

    Attributes
    ----------
    name : str or None
        DefinitionName.
    objective : Objective
    metrics : tuple of MetricDefinition
        The given ones, without the service's alias ``ObjectiveMetric``; or those of the built-in algorithm.
    environment : dict of str to str
    static_hyperparameters : dict of str to str
    tuned : tuple of str
        Names of the tuned hyperparameters.
    algorithm : str or None
        The built-in algorithm that the metrics come from; None if the request defines them.
    document : dict
        The definition, with its environment normalised to a map of strings.
    """

    name: str | None
    objective: Objective
    metrics: tuple[MetricDefinition, ...]
    environment: dict[str, str]
    static_hyperparameters: dict[str, str]
    tuned: tuple[str, ...]
    algorithm: str | None
    document: dict[str, Any]


class Checked:
    """A document with its errors, its warnings and its training job definitions."""

    def __init__(self, document: dict[str, Any], algorithm: str | None) -> None:
        self.document = document
        self.algorithm = algorithm
        self.errors: list[RequestFault] = []
        self.warned: list[RequestFault] = []
        self.definitions: list[TrainingDefinition] = []
        only_described = set(shapes()[_DESCRIBE]["members"]) - set(shapes()[_CREATE]["members"])
        self.described = bool(only_described & set(document))
        for path, one in self._parts():
            self._normalise_environment(one, path)
        errors, unknown = check(_DESCRIBE if self.described else _CREATE, document)
        # what is in an answer alone may be left out, as step functions leave out the counters
        self.errors += [
            one
            for one in errors
            if not (self.described and one.message == "is missing" and one.path.partition(".")[0] in only_described)
        ]
        self.warned += [one._replace(message=f"{one.message}; it is ignored") for one in unknown]
        self.config = _mapping(document.get("HyperParameterTuningJobConfig"))
        self._check_parts()
        self._check_config()
        environments = sum(len(_mapping(one.get("Environment"))) for _, one in self._parts())
        if environments > MOST_ENVIRONMENT_ENTRIES and len(list(self._parts())) > 1:
            self._error(
                "TrainingJobDefinitions",
                f"{environments} environment variables in total; at most {MOST_ENVIRONMENT_ENTRIES} were expected",
            )
        for path, one in self._parts():
            self._check_definition(path, one)

    def _error(self, path: str, message: str, hint: str | None = None) -> None:
        self.errors.append(RequestFault(path, message, hint))

    def _warn(self, path: str, message: str, hint: str | None = None) -> None:
        self.warned.append(RequestFault(path, message, hint))

    def _parts(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The training job definitions, each with its path in the document."""
        one = self.document.get("TrainingJobDefinition")
        if isinstance(one, dict):
            yield "TrainingJobDefinition", one
        several = self.document.get("TrainingJobDefinitions")
        for index, one in enumerate(several if isinstance(several, list) else ()):
            if isinstance(one, dict):
                yield f"TrainingJobDefinitions[{index}]", one

    def _normalise_environment(self, one: dict[str, Any], path: str) -> None:
        given = one.get("Environment")
        path += ".Environment"
        if isinstance(given, list) and all(isinstance(item, Mapping) for item in given):
            self._warn(path, "a list of maps; the service takes one map of strings, into which the list is merged")
            merged: dict[str, Any] = {}
            for item in given:
                for key, value in item.items():
                    if merged.setdefault(key, value) is not value and merged[key] != value:
                        self._error(path, f"{shown(key)} is given twice: {shown(merged[key])} and {shown(value)}")
            one["Environment"] = given = merged
        if isinstance(given, dict):
            for key, value in given.items():
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    self._warn(
                        f"{path}[{shown(key)}]", f"{value!r} is a number; the service takes strings: {str(value)!r}"
                    )
                    given[key] = str(value)

    def _check_parts(self) -> None:
        given = [name for name in ("TrainingJobDefinition", "TrainingJobDefinitions") if name in self.document]
        if len(given) != 1:
            found = "both are given" if given else "neither is given"
            self._error("", f"one of TrainingJobDefinition and TrainingJobDefinitions was expected; {found}")
        if "TrainingJobDefinitions" not in self.document:
            return
        names: dict[str, str] = {}
        for path, one in self._parts():
            if path == "TrainingJobDefinition":
                continue
            for member in ("DefinitionName", "TuningObjective"):
                if member not in one:
                    self._error(f"{path}.{member}", "is missing; each of TrainingJobDefinitions needs it")
            name = one.get("DefinitionName")
            if isinstance(name, str) and names.setdefault(name, path) != path:
                self._error(f"{path}.DefinitionName", f"{shown(name)} is already the name of {names[name]}")

    def _check_config(self) -> None:
        at = "HyperParameterTuningJobConfig"
        strategy = self.config.get("Strategy")
        if "StrategyConfig" in self.config and strategy != "Hyperband":
            self._error(f"{at}.StrategyConfig", f"is only for Hyperband; the strategy is {shown(strategy)}")
        if strategy == "Hyperband" and self.config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
            self._error(f"{at}.TrainingJobEarlyStoppingType", "Off was expected: Hyperband stops jobs itself")
        hyperband = _mapping(_mapping(self.config.get("StrategyConfig")).get("HyperbandStrategyConfig"))
        low, high = hyperband.get("MinResource"), hyperband.get("MaxResource")
        where = f"{at}.StrategyConfig.HyperbandStrategyConfig"
        if _is_whole(low) and _is_whole(high) and low > high:
            self._error(f"{where}.MinResource", f"{low} is greater than MaxResource, {high}")
        if _is_whole(high) and high > MOST_HYPERBAND_EPOCHS:
            self._error(f"{where}.MaxResource", f"{high}: at most {MOST_HYPERBAND_EPOCHS} was expected")
        # what is described, the service has accepted
        if strategy == "Hyperband" and high is None and not self.described:
            self._check_epochs(where)
        ranges = _mapping(self.config.get("ParameterRanges"))
        self._check_ranges(ranges, f"{at}.ParameterRanges")

    def _check_epochs(self, where: str) -> None:
        """Check that each definition says how long its jobs may run under Hyperband."""
        for path, one in self._parts():
            static = _mapping(one.get("StaticHyperParameters"))
            name = next((name for name in EPOCHS if name in static), None)
            if name is None:
                self._error(
                    f"{where}.MaxResource",
                    f"is missing, and so are the static hyperparameters of {path} that can stand for it",
                    f"give it, or one of {', '.join(EPOCHS)}",
                )
                continue
            text = str(static[name]).strip('"')
            if not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_HYPERBAND_EPOCHS or len(text) > len("20000"):
                self._error(
                    f"{path}.StaticHyperParameters[{shown(name)}]",
                    f"{shown(static[name])} stands for MaxResource; 1 to {MOST_HYPERBAND_EPOCHS} was expected",
                )

    def _check_ranges(self, ranges: Mapping[str, Any], path: str) -> None:
        total = 0
        first: dict[str, str] = {}
        if self.config.get("Strategy") == "Grid" and not self.described:
            self._check_grid(ranges, path)
        for kind in _RANGE_LISTS:
            several = ranges.get(kind)
            for index, one in enumerate(several if isinstance(several, list) else ()):
                total += 1
                if not isinstance(one, Mapping):
                    continue
                where = f"{path}.{kind}[{index}]"
                name = one.get("Name")
                if isinstance(name, str) and first.setdefault(name, where) != where:
                    self._error(f"{where}.Name", f"{shown(name)} is already tuned by {first[name]}")
                if kind != "CategoricalParameterRanges":
                    self._check_range(one, where, int if kind.startswith("Integer") else float)
        if total > MOST_RANGES and all(len(ranges.get(kind) or ()) <= MOST_RANGES for kind in _RANGE_LISTS):
            self._error(path, f"{total} ranges in total; at most {MOST_RANGES} were expected")

    def _check_grid(self, ranges: Mapping[str, Any], path: str) -> None:
        """Check ranges for grid search (Developer Guide, "How hyperparameter tuning works")."""
        for kind in ("IntegerParameterRanges", "ContinuousParameterRanges"):
            if ranges.get(kind):
                self._error(f"{path}.{kind}", "categorical ranges alone were expected: the strategy is Grid")
        most = _mapping(self.config.get("ResourceLimits")).get("MaxNumberOfTrainingJobs")
        listed = ranges.get("CategoricalParameterRanges")
        values = [_mapping(one).get("Values") for one in (listed if isinstance(listed, list) else ())]
        if not _is_whole(most) or not values or not all(isinstance(one, list) and one for one in values):
            return
        count = math.prod(len(set(map(str, one))) for one in values if isinstance(one, list))
        if most != count and len(list(self._parts())) == 1:
            self._error(
                "HyperParameterTuningJobConfig.ResourceLimits.MaxNumberOfTrainingJobs",
                f"{most}: the grid has {count:,} combinations of values",
                "leave it out, or give this number",
            )

    def _check_range(self, one: Mapping[str, Any], path: str, kind: type[int | float]) -> None:
        ends = []
        for member in ("MinValue", "MaxValue"):
            text = one.get(member)
            if not isinstance(text, str):
                return
            try:
                ends.append(kind(text))
            except ValueError:
                number = "whole number" if kind is int else "number"
                self._error(f"{path}.{member}", f"{shown(text)} is not a {number}")
        if len(ends) == 2 and not ends[0] <= ends[1]:
            self._error(f"{path}.MinValue", f"{one['MinValue']} is greater than MaxValue, {one['MaxValue']}")
        elif len(ends) == 2 and not self.described:
            self._check_scaling(one, path, *ends)

    def _check_scaling(self, one: Mapping[str, Any], path: str, low: float, high: float) -> None:
        """Check the scale of a range (API Reference, IntegerParameterRange and ContinuousParameterRange)."""
        scaling = one.get("ScalingType")
        if scaling == "Logarithmic" and low <= 0:
            self._error(
                f"{path}.ScalingType",
                f"Logarithmic is only for values greater than 0; MinValue is {one['MinValue']}",
                "use Linear or Auto, or a greater MinValue",
            )
        if scaling == "ReverseLogarithmic" and not (low >= 0 and high < 1):
            self._error(
                f"{path}.ScalingType",
                "ReverseLogarithmic is only for values from 0 to less than 1; the range is "
                f"{one['MinValue']} to {one['MaxValue']}",
            )

    # ---- one training job definition

    def _check_definition(self, path: str, one: dict[str, Any]) -> None:
        ranges = _mapping(one.get("HyperParameterRanges"))
        self._check_ranges(ranges, f"{path}.HyperParameterRanges")
        where, objective = self._objective_of(path, one)
        spec = _mapping(one.get("AlgorithmSpecification"))
        at = f"{path}.AlgorithmSpecification"
        named = [name for name in ("TrainingImage", "AlgorithmName") if name in spec]
        if spec and len(named) != 1:
            found = "both are given" if named else "neither is given"
            self._error(at, f"one of TrainingImage and AlgorithmName was expected; {found}")
        algorithm = None
        metrics = self._metrics_of(spec, f"{at}.MetricDefinitions", objective)
        if not metrics and not spec.get("MetricDefinitions"):
            algorithm = algorithms.of_specification(spec) or self.algorithm
            if algorithm is not None:
                metrics = self._built_in_metrics(algorithm, objective, where)
            elif objective is not None:
                image = spec.get("TrainingImage", spec.get("AlgorithmName"))
                self._warn(
                    at,
                    f"there are no MetricDefinitions, and {shown(image)} is not a known built-in algorithm",
                    "name the algorithm, or give its metric definitions",
                )
        elif objective is not None:
            names = [metric.name for metric in metrics]
            given = spec.get("MetricDefinitions")
            if objective.metric not in names and all(_is_definition(item) for item in given or ()):
                meant = nearest(objective.metric, names)
                self._error(
                    where,
                    f"the objective metric {shown(objective.metric)} is not among the metric definitions: "
                    + ", ".join(map(shown, names)),
                    None if meant is None else f"did you mean {meant!r}?",
                )
        self._check_static(path, one, objective, ranges)
        if objective is None:
            return
        tuned = tuple(_tuned({**_mapping(self.config.get("ParameterRanges"))}, ranges))
        self.definitions.append(
            TrainingDefinition(
                one.get("DefinitionName"),
                objective,
                metrics,
                dict(_mapping(one.get("Environment"))),
                dict(_mapping(one.get("StaticHyperParameters"))),
                tuned,
                algorithm,
                one,
            )
        )

    def _objective_of(self, path: str, one: Mapping[str, Any]) -> tuple[str, Objective | None]:
        """The path of the objective metric's name, and the objective."""
        of_config = "HyperParameterTuningJobConfig.HyperParameterTuningJobObjective"
        given = self.config.get("HyperParameterTuningJobObjective")
        own = one.get("TuningObjective")
        if path.endswith("]"):
            given, of_config = own, f"{path}.TuningObjective"
            if own is None:
                return of_config, None
        elif given is None:
            given, of_config = own, f"{path}.TuningObjective" if own is not None else of_config
        elif own is not None and own != given:
            self._error(f"{path}.TuningObjective", "differs from the objective of HyperParameterTuningJobConfig")
        if given is None:
            self._error(of_config, "is missing; it names the objective metric")
            return of_config, None
        given = _mapping(given)
        name, goal = given.get("MetricName"), given.get("Type")
        if not isinstance(name, str) or not name or goal not in ("Minimize", "Maximize"):
            return of_config, None  # the check against the model reports the error
        return f"{of_config}.MetricName", Objective(name, goal)

    def _metrics_of(
        self, spec: Mapping[str, Any], path: str, objective: Objective | None
    ) -> tuple[MetricDefinition, ...]:
        given = spec.get("MetricDefinitions")
        if not isinstance(given, list):
            return ()
        places = [
            index
            for index, item in enumerate(given)
            if _is_definition(item) and not check("MetricDefinition", {key: item[key] for key in ("Name", "Regex")})[0]
        ]
        aliases = [
            index
            for index in places
            if given[index]["Name"] == ALIAS and (objective is None or objective.metric != ALIAS)
        ]
        places = [index for index in places if index not in aliases]
        metrics: tuple[MetricDefinition, ...] = ()
        if places:
            suspicions: list[str] = []
            try:
                metrics, _, suspicions = read_with(
                    [{key: given[index][key] for key in ("Name", "Regex")} for index in places], lambda dialect: None
                )
            except DefinitionError as error:
                for fault in error.faults:
                    where = path if fault.index is None else f"{path}[{places[fault.index]}]"
                    text = fault.message
                    if fault.position is not None:
                        text += f" at position {fault.position} of {shown(fault.pattern)}"
                    self._error(where, text, fault.hint)
                metrics = tuple(MetricDefinition(given[index]["Name"], given[index]["Regex"]) for index in places)
            for suspicion in suspicions:
                self._warn(path, suspicion)
        regex = next((metric.regex for metric in metrics if objective and metric.name == objective.metric), None)
        for index in aliases:
            if regex is not None and given[index]["Regex"] != regex:
                self._warn(
                    f"{path}[{index}]",
                    f"{ALIAS} is the service's alias of the objective, but its regex differs from that of the objective: "
                    f"{shown(given[index]['Regex'])}",
                )
        return metrics

    def _built_in_metrics(
        self, algorithm: str, objective: Objective | None, where: str
    ) -> tuple[MetricDefinition, ...]:
        if objective is None:
            return ()
        try:
            metrics = algorithms.request_definitions(algorithm, objective.metric)
        except OptionError as error:
            self._error(where, error.message, error.hint)
            return ()
        known = algorithms.metric(algorithm, objective.metric)
        if known.direction not in (None, objective.goal):
            note = f" ({known.note})" if known.note else ""
            self._warn(where, f"{objective.goal} {objective.metric!r}: {known.direction} was expected{note}")
        return metrics

    def _check_static(
        self, path: str, one: Mapping[str, Any], objective: Objective | None, ranges: Mapping[str, Any]
    ) -> None:
        static = _mapping(one.get("StaticHyperParameters"))
        path += ".StaticHyperParameters"
        for name in _tuned(_mapping(self.config.get("ParameterRanges")), ranges):
            if name in static:
                self._error(path, f"{shown(name)} is both tuned and static")
        told = static.get(OBJECTIVE_HYPERPARAMETER)
        # some clients write the name in quotation marks
        if isinstance(told, str) and objective is not None and told.strip('"') not in (objective.metric, ALIAS):
            self._warn(
                path,
                f"{OBJECTIVE_HYPERPARAMETER} is {shown(told)}, but the objective metric is {shown(objective.metric)}",
            )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_definition(item: Any) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("Name"), str) and isinstance(item.get("Regex"), str)


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _tuned(*several: Mapping[str, Any]) -> list[str]:
    names = []
    for ranges in several:
        for kind in (*_RANGE_LISTS, "AutoParameters"):
            listed = ranges.get(kind)
            names += [
                one["Name"]
                for one in (listed if isinstance(listed, list) else ())
                if isinstance(one, Mapping) and isinstance(one.get("Name"), str)
            ]
    return list(dict.fromkeys(names))
