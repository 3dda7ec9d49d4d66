"""Hyperparameters that programs print at the beginning of their logs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.deadline import cpu_limit

from metricscan.logs.printed import printed_parameters

SHOWN = {
    "argparse": (
        "2026-03-01 INFO Namespace(lr=3e-4, layers=[64, 32], name='a, b')",
        {"lr": "3e-4", "layers": "[64, 32]", "name": "a, b"},
    ),
    "a function, which is no Python": (
        "Namespace(lr=0.1, loss=<function mse at 0x7f>, device=device(type='cpu'), tags=['a', 'b'])",
        {"lr": "0.1", "loss": "<function mse at 0x7f>", "device": "device(type='cpu')", "tags": "['a', 'b']"},
    ),
    "one in another": (
        "Namespace(a=1, model=Namespace(depth=3), opt=dict(b=2))",
        {"a": "1", "model.depth": "3", "opt": "dict(b=2)"},
    ),
    "a dataclass": ("cfg is TrainConfig(lr=0.1, amp=True)", {"lr": "0.1", "amp": "True"}),
    "Hugging Face's": (
        (
            "INFO - Training/evaluation parameters TrainingArguments(\n_n_gpu=1,\nadam_beta1=0.9,\n"
            "accelerator_config={'split_batches': False},\noutput_dir=/tmp/a b,\nreport_to=['wandb'],\n)\n"
        ),
        {
            "_n_gpu": "1",
            "adam_beta1": "0.9",
            "accelerator_config": "{'split_batches': False}",
            "output_dir": "/tmp/a b",
            "report_to": "['wandb']",
        },
    ),
    "a dictionary": (
        "args: {'lr': 0.1, 'model': {'depth': 3}, 'note': None}",
        {"lr": "0.1", "model.depth": "3", "note": "None"},
    ),
    "JSON": (
        '"hyperparameters": {"lr": 1e-3, "on": true, "m": {"d": 3, "l": [1, 2]}, "s": "x"}',
        {"lr": "1e-3", "on": "true", "m.d": "3", "m.l": "[1, 2]", "s": "x"},
    ),
    "JSON on several lines": ('Config = {\n  "lr": 0.1,\n  "n": {}\n}\n', {"lr": "0.1", "n": "{}"}),
    "Hydra's": (
        "[2026-03-01 10:00:00,123][__main__][INFO] - model:\n  depth: 3\n  lr: ${lr}\nlr: 0.5\ntags:\n- a\n\nlr: 0.9\n",
        {"model.depth": "3", "model.lr": "0.5", "lr": "0.5", "tags": '["a"]'},
    ),
    "colours": ("\x1b[32mNamespace(\x1b[0mlr=0.1)", {"lr": "0.1"}),
    "the first one counts": ("Namespace(lr=0.1)\nNamespace(lr=0.2, seed=3)\n", {"lr": "0.1", "seed": "3"}),
}


@pytest.mark.parametrize("name", SHOWN)
def test_shown(name):
    text, expected = SHOWN[name]
    assert printed_parameters(f"starting\n{text}\nstep 1 loss=0.5\n") == expected


@pytest.mark.parametrize(
    "text",
    [
        "{'loss': 0.5, 'epoch': 1.0}",
        "[2026-03-01 10:00:00,123][__main__][INFO] - epoch: 1\nloss: 0.5\n\n",
        "print(Namespace)",
        "args: {unbalanced (]}",
        "args: {'a': 1",
        "Namespace(",
        "Namespace()",
        "conf: {}",
        "loss(a=1)",
    ],
)
def test_what_only_looks_so(text):
    assert printed_parameters(text) == {}


@pytest.mark.parametrize(
    "text",
    [
        "Namespace(" * 6000,
        "args: {" * 9000,
        "Namespace(a=" + "[" * 60000 + "]" * 60000,
        "Namespace(" + "a='" * 20000,
        "config: " + '{"a":' * 10000 + "1" + "}" * 10000,
        "[2026-03-01 10:00:00,123][m][INFO] - a:\n" * 1500,
        "Namespace(" + "a=<b>, " * 9000 + ")",
        "Namespace(\n" + "a=1,\n" * 10000,
    ],
)
def test_hostile_texts_take_no_time(text):
    with cpu_limit(20):
        printed_parameters(text[: 64 << 10])


@given(st.text(alphabet="Namespace(args: {lr=0.1, '\\\"[]}):\n-", max_size=200))
def test_no_text_raises(text):
    for name, value in printed_parameters(f"args: {text}").items():
        assert isinstance(name, str)
        assert isinstance(value, str)


VALUES = st.one_of(st.integers(), st.text(max_size=8), st.booleans())


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), VALUES, min_size=1))
def test_what_python_prints_is_read(values):
    found = printed_parameters(f"args: {values!r}\n")
    assert found.keys() == values.keys()
    for name, value in values.items():
        if not isinstance(value, str):
            assert found[name] == repr(value)
        elif value.isascii():
            assert found[name] == value
