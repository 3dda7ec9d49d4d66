"""The environment of a job: which source overrules which, names of levels, and what may be shown."""

import pytest

from metricscan import OptionError
from metricscan.live.job_environment import assignments, is_secret, masked, masked_command, own_variables


def test_a_later_source_overrules_the_earlier_ones():
    made = own_variables({"A": "inherited", "PYTHONUNBUFFERED": ""}, {"A": "request", "B": "request"}, {"B": "given"})
    assert made.values == {"A": "request", "B": "given"}
    assert made.warnings == ()


def test_output_of_python_is_unbuffered_unless_someone_says_otherwise():
    assert own_variables({}, {}, {}).values == {"PYTHONUNBUFFERED": "1"}
    assert own_variables({"PYTHONUNBUFFERED": "x"}, {}, {}).values == {}
    assert own_variables({}, {}, {"PYTHONUNBUFFERED": ""}).values == {"PYTHONUNBUFFERED": ""}


@pytest.mark.parametrize(
    ("given", "level"),
    [("DEBUG", "10"), ("info", "20"), (" Warn ", "30"), ("WARNING", "30"), ("FATAL", "50"), ("notset", "0")],
)
def test_the_name_of_a_level_becomes_its_number(given, level):
    made = own_variables({}, {"SM_LOG_LEVEL": given}, {})
    assert made.values["SM_LOG_LEVEL"] == level
    assert made.warnings == (f"SM_LOG_LEVEL={given!r} is the name of a level: the job gets its number, {level}",)


def test_numbers_stay_and_what_is_no_level_is_told():
    assert own_variables({}, {"SM_LOG_LEVEL": "10", "LOG_LEVEL": "DEBUG"}, {}).warnings == ()
    made = own_variables({}, {}, {"SM_LOG_LEVEL": "verbose"})
    assert made.values["SM_LOG_LEVEL"] == "verbose"
    assert "is no level: a number was expected" in made.warnings[0]


def test_invalid_names_and_values_are_reported_together():
    with pytest.raises(OptionError) as caught:
        own_variables({}, {"1a": ""}, {"b-c": "", "d": "e\0f", "G": ""}, reserved=("G",))
    for part in ("'1a'", "'b-c'", "environment d: its value holds a NUL", "environment G: metricscan sets it itself"):
        assert part in caught.value.message


SECRET = "password db_password PASSWORD dbPassword secret client-secret api_key apiKey WANDB_API_KEY aws.access_key MY_SECRET_KEY"
PLAIN = (
    "max_new_tokens pad_token tokenizer secretary api keys key access keyboard passwords apikeys monkey_api hapi_key"
)


def test_whole_words_make_a_name_secret():
    assert [name for name in SECRET.split() if not is_secret(name)] == []
    assert [name for name in PLAIN.split() if is_secret(name)] == []


def test_a_token_is_secret_in_a_variable_alone():
    for name in ("HF_TOKEN", "TOKEN", "GITHUB_TOKEN", "AWS_SESSION_TOKEN"):
        assert is_secret(name, is_variable=True)
        assert not is_secret(name)
    assert not is_secret("TOKENIZERS_PARALLELISM", is_variable=True)


def test_values_are_masked_and_names_are_not():
    assert masked({"password": "a", "lr": "0.1", "hf_token": "b"}) == {"password": "***", "lr": "0.1", "hf_token": "b"}
    assert masked({"HF_TOKEN": "b"}, are_variables=True) == {"HF_TOKEN": "***"}


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a --password b c", "a --password *** c"),
        ("a --password=b=c d", "a --password=*** d"),
        ("a -password b", "a -password ***"),
        ("API_KEY=b a", "API_KEY=*** a"),
        ("HF_TOKEN=b a --pad_token c", "HF_TOKEN=*** a --pad_token c"),
        ("a --secret --lr 0.1", "a --secret --lr 0.1"),
        ("a password b", "a password b"),
        ("a db.password=b", "a db.password=***"),
    ],
)
def test_a_command_is_shown_without_secret_values(words, shown):
    assert masked_command(words.split()) == shown.split()


def test_assignments_are_read_whole():
    assert assignments(["a=", "b= c = d ", "e==f"], "x") == {"a": "", "b": " c = d ", "e": "=f"}
    with pytest.raises(OptionError, match=r"x 'a': NAME=VALUE was expected; x '=b': .*; x 'c' is given twice"):
        assignments(["a", "=b", "c=1", "c=2"], "x")
