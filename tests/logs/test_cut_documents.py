"""Documents about jobs and metrics, cut at every byte: one error that names the file and the place, or what is whole so far."""

import json
import re

import pytest

from metricscan import DefinitionError, SourceError, load_definitions
from metricscan.logs.jobs_file import read_jobs_file

JOBS = {
    "a.csv": 'job,status,lr\nj1,Completed,0.1\n"j 2",Failed,"0,2"\n',
    "a.tsv": "job\tstatus\tlr\nj1\tCompleted\t0.1\nj2\tFailed\t0.2\n",
    "a.jsonl": '{"job": "j1", "status": "Completed"}\n{"job": "j2", "hyperparameters": {"lr": "0.2"}}\n',
    "a.json": json.dumps([{"job": "j1", "status": "Completed", "lr": 0.1}, {"job": "j2"}], indent=1),
    "service.json": json.dumps({"TrainingJobSummaries": [{"TrainingJobName": "j1", "TrainingJobStatus": "Failed"}]}),
    "job.json": json.dumps({"TrainingJobName": "j1", "HyperParameters": {"lr": "0.1"}}),
    "printed.json": repr({"TrainingJobSummaries": [{"TrainingJobName": "j1", "TrainingJobStatus": "Failed"}]}),
    "slurm.txt": "JobID|JobName|State|ExitCode\n1|j1|COMPLETED|0:0\n2|j2|OUT_OF_MEMORY|0:125\n",
    "ray.csv": "trial_id,config/lr,logdir\nj1,0.1,logs/j1\nj2,0.2,logs/j2\n",
    "optuna.csv": "number,value,params_lr,state\n0,0.1,0.1,COMPLETE\n1,0.2,0.2,FAIL\n",
}
DEFINITIONS = {
    "list.json": json.dumps([{"Name": "loss", "Regex": "loss=(.*?);"}, {"Name": "acc", "Regex": "acc: (.)"}], indent=1),
    "map.json": json.dumps({"loss": "loss=(.*?);", "acc": "acc: ([0-9.]+)"}),
    "job.json": json.dumps(
        {"AlgorithmSpecification": {"MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}]}}
    ),
    "list.yaml": "- Name: loss\n  Regex: \"loss=(.*?);\"\n- Name: acc\n  Regex: 'acc: ([0-9.]+)'\n",
    "list.py": 'metrics = [\n    {"Name": "loss", "Regex": r"loss=(.*?);"},\n]\n',
    "one.py": 'import os\nmetric_definitions = MetricDefinition(name="loss", regex=r"loss=(.*?);")\n',
    "call.py": 'trainer = Trainer(role, metric_definitions=[{"Name": "loss", "Regex": r"loss=(.*?);"}])\n',
    "notebook.ipynb": json.dumps(
        {"cells": [{"cell_type": "code", "source": ["metric_definitions = [\n", "  {'Name': 'a', 'Regex': 'a'}]"]}]}
    ),
    "spec.yaml": "metricDefinitions:\n- name: loss\n  regex: 'loss=(.*?);'\nimage: x\n",
    "map.yaml": "loss: 'loss=(.*?);'\nacc: 'acc: ([0-9.]+)'\n",
    "list.txt": "[{'Name': 'loss', 'Regex': 'loss=(.*?);'}]\n",
    "table.tsv": "metric_name\tmetric_regex\nloss\tloss=(.*?);\nacc\tacc: (.*?);\n",
}
# JSON says where within a line, too; a table's row is a line. What is no list has no place but the document
PLACE = re.compile(
    r"line \d+(?:, column \d+)?: |definition \d+|is empty; .* was expected|list is empty; one definition at least"
    r"|where a (?:list of .*|regex) was expected|assigns no list and no dictionary; one was expected"
)


# what is one value gives nothing before its end
ONE_VALUE = (".json", ".ipynb")


def checked(path, text, read, error, names_of):
    path.write_text(text)
    whole = names_of(read(str(path)))
    lengths = set()
    for cut in range(len(text)):
        path.write_text(text[:cut])
        told, found = None, []
        try:
            found = names_of(read(str(path)))
            lengths.add(len(found))
        except error as caught:
            told = str(caught)
        assert told is None or (str(path) in told and PLACE.search(told)), told
        assert found == whole[: len(found)], text[:cut]
    return lengths, len(whole)


@pytest.mark.parametrize("name", JOBS)
def test_a_jobs_file(tmp_path, name):
    def names_of(facts):
        return [fact.name for fact in facts]

    lengths, whole = checked(tmp_path / name, JOBS[name], read_jobs_file, SourceError, names_of)
    # of JSON in one value nothing is whole before its end
    assert lengths == set() if name.endswith(ONE_VALUE) else whole in lengths


@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.filterwarnings("ignore")
def test_metric_definitions(tmp_path, name):
    def names_of(definitions):
        return [one.name for one in definitions]

    lengths, whole = checked(
        tmp_path / name, DEFINITIONS[name], load_definitions, (DefinitionError, SourceError), names_of
    )
    assert lengths == set() if name.endswith(ONE_VALUE) else whole in lengths
