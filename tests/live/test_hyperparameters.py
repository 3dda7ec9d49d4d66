"""Hyperparameters as a job gets them: arguments, files, and what SageMaker's toolkit shows."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metricscan import OptionError
from metricscan.live.hyperparameters import handed

PARAMETERS = {
    "lr": "3e-4",
    "epochs": "10",
    "text": "two words",
    "x": "true",
    "layers": "[64, 32]",
    "map": '{"b": 1, "a": "c"}',
    "nothing": "null",
    "empty": "",
    "_tuning_objective_metric": "val_loss",
    "sagemaker_program": "train.py",
    "sagemaker_container_log_level": "10",
    "sagemaker_mpi_enabled": "false",
}


def made(style, parameters=PARAMETERS, channels=None, command=("python", "train.py"), log_level=None):
    return handed("/runs/job", "job", list(command), parameters, channels or {}, style, log_level)


def test_the_file_holds_texts_with_the_objective():
    for style in ("flags", "sagemaker", "hydra", "none"):
        found = made(style)
        assert json.loads(found.files["ml/input/config/hyperparameters.json"]) == PARAMETERS
        assert found.environment["METRICSCAN_HYPERPARAMETERS"] == "/runs/job/ml/input/config/hyperparameters.json"


def test_flags_are_sorted_and_their_values_are_whole():
    parameters = {"b": "two words", "a": "", "--c": "1"}
    assert made("flags", parameters).arguments == ["----c", "1", "--a", "", "--b", "two words"]
    assert made("none", parameters).arguments == []
    # what is for the toolkit is for nobody else
    assert made("flags", {"_tuning_objective_metric": "loss"}).arguments == []


@pytest.mark.parametrize("style", ["flags", "hydra", "none"])
def test_scripts_detect_the_service_by_its_variables(style):
    assert [name for name in made(style).environment if name.startswith(("SM_", "SAGEMAKER_", "TRAINING_"))] == []
    with pytest.raises(OptionError, match="channels need the folders of SageMaker's toolkit"):
        made(style, channels={"train": "/"})


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("0.1", "a=0.1"),
        ("two words", "a='two words'"),
        ("", "a=''"),
        ("[1, 2]", "a=[1, 2]"),
        ("{b: [1, {c: d}], e: f g}", "a={b: [1, {c: d}], e: f g}"),
        ("['x]', \"y\"]", "a=['x]', \"y\"]"),
        # what is no list or map of Hydra's is a text
        ("[1, 2] of them", "a='[1, 2] of them'"),
        ("[x][y]", "a='[x][y]'"),
        ("[1,", "a='[1,'"),
        ("{", "a='{'"),
        ("{a}", "a='{a}'"),
        ('{"b": 1}', "a='{\"b\": 1}'"),
        ("[a'b]", r"a='[a\'b]'"),
        ("[é]", "a='[é]'"),
        ("é", "a='é'"),
        ("[" * 1000, f"a='{'[' * 1000}'"),
        ("it's", r"a='it\'s'"),
        ("a\\'b", r"a='a\\\'b'"),
        ("a b\\", r"a='a b\\'"),
        ("a\\\n", "a='a\\\n'"),
    ],
)
def test_hydra_gets_assignments(value, word):
    assert made("hydra", {"a": value}).arguments == [word]


HYDRA = st.lists(st.sampled_from([*"[]{}:,' \"\\$()=~a1.é\n", "[1, ", "{a: ", "null"]), max_size=8).map("".join)


@pytest.mark.integration
@settings(max_examples=2000, deadline=None)
@given(HYDRA)
def test_hydra_itself_reads_every_value(value):
    parser = pytest.importorskip("hydra.core.override_parser.overrides_parser").OverridesParser.create()
    (word,) = made("hydra", {"a": value}).arguments
    read = parser.parse_override(word)
    assert not read.is_sweep_override()
    if word == f"a={value}":
        # plain, or a list or map: what Hydra makes of it
        return
    assert read.value() == value


# The toolkit's own, as its mapping.py says it: what a test may copy, in few lines.
def reference_arguments(parameters):
    def as_text(value):
        if hasattr(value, "items"):
            return ",".join(f"{key}={one}" for key, one in sorted(value.items()))
        return "" if value is None else str(value)

    return [
        word
        for name in sorted(parameters)
        for word in (("--" if len(name) > 1 else "-") + name, as_text(parameters[name]))
    ]


def as_variable(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def decoded(value):
    try:
        return json.loads(value)
    except ValueError:
        return value


def test_the_toolkit_hands_over_decoded_values():
    assert made("sagemaker").arguments == [
        *("--empty", "", "--epochs", "10", "--layers", "[64, 32]", "--lr", "0.0003", "--map", "a=c,b=1"),
        *("--nothing", "", "--text", "two words", "-x", "True"),
    ]


NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="_-"), min_size=1, max_size=8)


@given(
    st.dictionaries(NAMES, st.one_of(st.text(max_size=8), st.sampled_from(["1", "null", "[1]", '{"a": null}', "1e5"])))
)
def test_the_toolkit_s_variables_and_arguments(parameters):
    parameters = {name: value for name, value in parameters.items() if "\0" not in value}
    found = made("sagemaker", parameters)
    shown = {name: decoded(value) for name, value in parameters.items() if not name.startswith("sagemaker_")}
    assert found.arguments == reference_arguments(shown)
    assert json.loads(found.environment["SM_USER_ARGS"]) == found.arguments
    assert found.environment["SM_HPS"] == as_variable(shown)
    # as text: nan is no equal of itself
    assert as_variable(json.loads(found.environment["SM_TRAINING_ENV"])["hyperparameters"]) == as_variable(shown)
    for name, value in shown.items():
        if sum(other.upper() == name.upper() for other in shown) == 1:
            text = "" if value is None else value if isinstance(value, str) else as_variable(value)
            assert found.environment[f"SM_HP_{name.upper()}"] == text


def test_all_variables_of_the_toolkit_are_there():
    names = [
        "HOSTS",
        "NETWORK_INTERFACE_NAME",
        "HPS",
        "USER_ENTRY_POINT",
        "FRAMEWORK_PARAMS",
        "RESOURCE_CONFIG",
        "INPUT_DATA_CONFIG",
        "OUTPUT_DATA_DIR",
        "CHANNELS",
        "CURRENT_HOST",
        "CURRENT_INSTANCE_TYPE",
        "CURRENT_INSTANCE_GROUP",
        "CURRENT_INSTANCE_GROUP_HOSTS",
        "INSTANCE_GROUPS",
        "INSTANCE_GROUPS_DICT",
        "DISTRIBUTION_INSTANCE_GROUPS",
        "IS_HETERO",
        "MODULE_NAME",
        "LOG_LEVEL",
        "FRAMEWORK_MODULE",
        "INPUT_DIR",
        "INPUT_CONFIG_DIR",
        "OUTPUT_DIR",
        "NUM_CPUS",
        "NUM_GPUS",
        "NUM_NEURONS",
        "MODEL_DIR",
        "MODULE_DIR",
        "TRAINING_ENV",
        "USER_ARGS",
        "OUTPUT_INTERMEDIATE_DIR",
        "HP_LR",
        "CHANNEL_TRAIN",
    ]
    found = made("sagemaker", channels={"train": "/"}).environment
    assert [name for name in names if f"SM_{name}" not in found] == []
    assert found["SAGEMAKER_BASE_DIR"] == "/runs/job/ml"
    assert (found["SM_MODEL_DIR"], found["SM_CHANNEL_TRAIN"]) == ("/runs/job/ml/model", "/runs/job/ml/input/data/train")
    assert (found["SM_USER_ENTRY_POINT"], found["SM_MODULE_NAME"]) == ("train.py", "train")
    assert (found["SM_FRAMEWORK_MODULE"], found["SM_IS_HETERO"]) == ("", "false")
    assert json.loads(found["SM_FRAMEWORK_PARAMS"]) == {"sagemaker_mpi_enabled": False}
    assert found["TRAINING_JOB_NAME"] == "job"


@pytest.mark.parametrize(("log_level", "shown"), [(None, "10"), ("30", "30")])
def test_the_level_of_the_environment_overrules_that_of_the_toolkit(log_level, shown):
    found = made("sagemaker", log_level=log_level).environment
    assert found["SM_LOG_LEVEL"] == shown
    assert json.loads(found["SM_TRAINING_ENV"])["log_level"] == int(shown)
    assert made("sagemaker", {}).environment["SM_LOG_LEVEL"] == "20"


def test_channels_are_links_to_their_data(tmp_path):
    found = made("sagemaker", channels={"train": str(tmp_path)})
    assert found.links == {"ml/input/data/train": str(tmp_path)}
    assert list(json.loads(found.files["ml/input/config/inputdataconfig.json"])) == ["train"]
    with pytest.raises(OptionError, match="there is no /no/such"):
        made("sagemaker", channels={"train": "/no/such"})
    with pytest.raises(OptionError, match="a name of at most 64"):
        made("sagemaker", channels={"../a": "/"})


@pytest.mark.integration
def test_the_toolkit_itself_sees_the_same(tmp_path):
    """Its own Environment, read from our folders, gives the variables and arguments that we give."""
    pytest.importorskip("sagemaker_training")
    from metricscan.live import job_folder

    (tmp_path / "data").mkdir()
    folder = str(tmp_path / "job")
    found = handed(
        folder, "job", ["python", "train.py"], PARAMETERS, {"train": str(tmp_path / "data")}, "sagemaker", None
    )
    os.mkdir(folder)
    job_folder.write_files(folder, found)
    code = "import json; from sagemaker_training.environment import Environment; print(json.dumps(Environment().to_env_vars()))"
    environment = {**os.environ, **found.environment, "SAGEMAKER_CONTAINER_LOG_LEVEL": "10"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    theirs = json.loads(run.stdout.splitlines()[-1])
    ours = {name: value for name, value in found.environment.items() if name.startswith("SM_")}
    assert json.loads(ours.pop("SM_TRAINING_ENV")) == json.loads(theirs.pop("SM_TRAINING_ENV"))
    assert ours == theirs
