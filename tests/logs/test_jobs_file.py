"""The jobs file: statuses and hyperparameters that a user gives."""

import json

import pytest
from support.folders import tree

from metricscan import SourceError
from metricscan.logs.statuses import STATUSES
from metricscan.logs.survey import survey


@pytest.fixture
def trials(tmp_path):
    return tree(tmp_path / "logs", ["trial_1/stdout", "trial_1/stderr", "trial_2/stdout", "trial_10/stdout"])


def known(folder, text, name="jobs.csv", **options):
    path = folder.parent / name
    path.write_text(text)
    return {job.name: (job.status, job.hyperparameters) for job in survey([folder], jobs_file=path, **options).jobs}


def test_a_jobs_file_in_csv(trials):
    text = 'job,status,hyperparameters\r\ntrial_10,completed,"{""lr"": 3e-4, ""n"": 64}"\r\ntrial_2,,\r\n\r\n'
    expected = {"trial_1": (None, {}), "trial_2": (None, {}), "trial_10": ("Completed", {"lr": "3e-4", "n": "64"})}
    assert known(trials, text) == expected


def test_a_jobs_file_in_json_lines(trials):
    text = (
        '{"job": "trial_10", "status": "failed", "hyperparameters": {"lr": 3e-4, "x": [1]}}\n\n'
        '{"hyperparameters": "{\\"lr\\": 1e-5}", "job": "trial_2"}\n{"job": "trial_1", "hyperparameters": null}'
    )
    expected = {"trial_1": (None, {}), "trial_2": (None, {"lr": "1e-5"})}
    expected["trial_10"] = ("Failed", {"lr": "3e-4", "x": "[1]"})
    assert known(trials, text, "jobs.jsonl") == expected


def test_a_byte_order_mark_is_no_part_of_a_column(trials):
    assert known(trials, "\ufeffjob,status\ntrial_1,done\n")["trial_1"] == ("Completed", {})


def test_a_path_says_which_job_is_meant(trials):
    text = "path,status\nlogs/trial_1,failed\nlogs/trial_2/stdout,stopped\n"
    found = known(trials, text)
    assert {name: status for name, (status, _) in found.items()} == {
        "trial_1": "Failed",
        "trial_2": "Stopped",
        "trial_10": None,
    }


def test_a_path_with_a_job_names_it(trials):
    text = "path,job,status\nlogs/trial_1,best,done\nlogs/trial_2/stdout,other,failed\n"
    found = known(trials, text)
    assert found == {"best": ("Completed", {}), "other": ("Failed", {}), "trial_10": (None, {})}


def test_the_longest_path_decides(trials):
    text = "path,job\nlogs,rest\nlogs/trial_1,one\n"
    assert list(known(trials, text)) == ["one", "rest"]


def test_a_name_that_the_file_gives_is_no_other_jobs(trials):
    text = '{"path": "logs/trial_2", "job": "trial_1", "status": "failed"}\n'
    path = trials.parent / "jobs.jsonl"
    path.write_text(text)
    jobs = {job.name: job for job in survey([trials], jobs_file=path).jobs}
    assert jobs["trial_1"].logs[0].path == str(trials / "trial_2" / "stdout")
    assert [name for name, job in jobs.items() if job.status == "Failed"] == ["trial_1"]


def test_a_path_is_absolute_or_relative_to_the_file(trials, monkeypatch):
    monkeypatch.chdir(trials / "trial_1")
    text = f"path,status\n{trials}/trial_1,failed\n./logs//trial_2/../trial_2,failed\n"
    assert [status for status, _ in known(trials, text).values()] == ["Failed", "Failed", None]


def test_a_file_says_more_than_what_lies_beside_the_logs(trials):
    tree(trials, {"trial_1/params.json": '{"lr": 1, "n": 2}'})
    text = 'job,hyperparameters\ntrial_1,"{""lr"": 1.5}"\n'
    assert known(trials, text)["trial_1"] == (None, {"lr": "1.5", "n": "2"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task,status\n", "line 1: the columns are task, status; one called job, name, id or path was expected"),
        ("trial_1\n", "line 1: the columns are trial_1; one called job, name, id or path was expected"),
        ('["trial_1", 3]', "[0]: an object was expected"),
        ('{"status": "done"}', "line 1: job or path is missing"),
        ('{\n"jobs": {"lr": 1}\n}', "line 1: job or path is missing"),
        ("", "the file is empty; a table or JSON was expected"),
    ],
)
def test_what_is_no_jobs_file_is_not_taken_for_an_empty_one(trials, text, message):
    with pytest.raises(SourceError, match="errors in the jobs file") as caught:
        known(trials, text)
    assert str(caught.value).splitlines()[1:2] == [f"  {message}"]


@pytest.mark.parametrize("status", STATUSES)
def test_statuses_are_known_in_other_spellings(trials, status):
    for word in [status, *STATUSES[status], status.upper(), f" {status} "]:
        text = json.dumps({"job": "trial_1", "status": word})
        assert known(trials, text, "jobs.jsonl")["trial_1"][0] == status
    assert known(trials, "job,status\ntrial_1,In Progress\n")["trial_1"][0] == "InProgress"
    assert known(trials, "job,status\ntrial_1,in-progress\n")["trial_1"][0] == "InProgress"


def test_a_job_may_be_a_number(tmp_path):
    folder = tree(tmp_path / "logs", ["0/std.out", "1/std.out"])
    text = '{"job": 1, "status": "done"}\n{"job": 0, "status": "failed"}\n'
    assert known(folder, text, "jobs.jsonl") == {"0": ("Failed", {}), "1": ("Completed", {})}


def test_a_line_of_json_ends_at_a_newline_alone(tmp_path):
    name = "a\u2028b\x85c"
    folder = tree(tmp_path / "logs", [f"{name}/stdout", "d/stdout"])
    text = json.dumps({"job": name, "status": "done"}, ensure_ascii=False) + "\n"
    assert known(folder, text, "jobs.jsonl")[name] == ("Completed", {})


def faults(trials, text, name="jobs.csv"):
    with pytest.raises(SourceError) as caught:
        known(trials, text, name)
    assert caught.value.path == str(trials.parent / name)
    return str(caught.value)


def test_all_errors_of_a_jobs_file_come_together(trials):
    text = (
        '{"job": "trial_1", "status": 3}\n'
        '{"job": "trial_2"}\n'
        "[1]\n"
        '{"job": \n'
        '{"status": "done"}\n'
        '{"job": "trial_2", "status": "done"}\n'
        '{"job": "trial_10", "lr": 1, "lr": 2}\n'
        '{"job": "trial_10", "hyperparameters": [1]}\n'
        '{"job": "trial_10", "hyperparameters": "{"}\n'
        '{"job": "trial_10", "Job": "a"}\n'
    )
    message = faults(trials, text, "jobs.jsonl")
    reason = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    lines = [line.strip() for line in message.splitlines()]
    assert lines[0] == f"errors in the jobs file {trials.parent}/jobs.jsonl"
    assert lines[1:] == [
        "line 1: status is 3; a word was expected, as Completed, Failed, Stopped, InProgress",
        "line 3: an object was expected",
        "line 4: not JSON: Expecting value, column 9",
        "line 5: job or path is missing",
        "line 7: the key 'lr' is already at column 21",
        "line 8: hyperparameters is a list; a JSON object was expected",
        f"line 9: hyperparameters is not a JSON object: {reason}",
        "line 10: Job and job both name the same",
        "line 6: trial_2 is already in line 2",
    ]


def test_errors_of_csv_have_their_lines(trials):
    text = 'job,status\ntrial_1,"done"\ntrial_2\ntrial_2,done,more\n,done\n'
    assert faults(trials, text).splitlines()[1:] == [
        "  line 3: 1 cells; 2 were expected, one per column",
        "  line 4: 3 cells; 2 were expected, one per column",
        "  line 5: job or path is missing",
    ]
    assert faults(trials, "job,lr,lr\n").splitlines()[1:] == ["  line 1: the column lr stands twice"]
    assert faults(trials, "job,,\ntrial_1,a,\n").splitlines()[1:] == [
        "  line 2: a cell stands in a column without a name"
    ]


def test_a_quote_that_is_never_closed_is_an_error(trials):
    message = faults(trials, 'job,status\ntrial_1,"done\n' + "trial_2,done\n" * 20_000)
    assert "errors in the jobs file" in message


# ---- tables and documents of tools

PLAIN = {
    "trial_1": ("Completed", {"lr": "1e-3", "opt": "adam"}),
    "trial_2": ("Failed", {"lr": "0.10", "opt": "sgd"}),
    "trial_10": (None, {}),
}
TABLES = {
    "plain.csv": "job,status,lr,opt\ntrial_1,Completed,1e-3,adam\ntrial_2,failed,0.10,sgd\n",
    "tabs.tsv": "Trial Name\tState\tlr\topt\ntrial_1\tDONE\t1e-3\tadam\ntrial_2\tERROR\t0.10\tsgd\n",
    "semicolons.csv": "run;Status;lr;opt\ntrial_1;finished;1e-3;adam\ntrial_2;crashed;0.10;sgd\n",
    "an-index.csv": ",trial_id,status,lr,opt\n0,trial_1,SUCCEEDED,1e-3,adam\n1,trial_2,FAILED,0.10,sgd\n",
    "numbers.csv": "id,status,lr,opt\n1,complete,1e-3,adam\n2,fail,0.10,sgd\n",
    "list.json": '[{"job": "trial_1", "status": "done", "lr": 1e-3, "opt": "adam"},\n'
    ' {"job": "trial_2", "status": "fail", "hyperparameters": {"lr": 0.10}, "opt": "sgd"},]',
    "lines.jsonl": '{"name": "trial_1", "state": "done", "config": {"lr": 1e-3, "opt": "adam"}}\n'
    '{"name": "trial_2", "state": "fail", "params": "{\\"lr\\": 0.10}", "opt": "sgd", "depth": null}\n',
    "within.json": '{"meta": {"n": 2}, "trials": [{"number": 1, "state": "COMPLETE", "params": {"lr": 1e-3, "opt": "adam"}},'
    '{"number": 2, "state": "FAIL", "params": {"lr": 0.10, "opt": "sgd"}}]}',
    "optuna.csv": ",number,value,datetime_start,datetime_complete,duration,params_lr,params_opt,user_attrs_gpu,state\n"
    "0,1,0.5,2026-03-01 10:00:00,2026-03-01 10:01:00,0 days,1e-3,adam,3,COMPLETE\n"
    "1,2,,2026-03-01 10:00:00,2026-03-01 10:01:00,0 days,0.10,sgd,3,FAIL\n",
    "mlflow.csv": "run_id,experiment_id,status,metrics.loss,params.lr,params.opt,tags.mlflow.user\n"
    "trial_1,0,FINISHED,0.5,1e-3,adam,me\ntrial_2,0,FAILED,,0.10,sgd,me\n",
    "sdk.csv": ",lr,opt,TrainingJobName,TrainingJobStatus,FinalObjectiveValue,TrainingStartTime,TrainingEndTime,"
    "TrainingElapsedTimeSeconds\n0,1e-3,adam,trial_1,Completed,0.5,2026-03-01 10:00:00+00:00,2026-03-01 10:01:00+00:00,60.0\n"
    "1,0.10,sgd,trial_2,Failed,,2026-03-01 10:00:00+00:00,2026-03-01 10:01:00+00:00,60.0\n",
    "sacct.txt": "JobID|JobName|State|lr|opt\n1|train|COMPLETED|1e-3|adam\n1.batch|batch|COMPLETED||\n"
    "1.0|python|COMPLETED||\n2|train|OUT_OF_ME+|0.10|sgd\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_tools(trials, name):
    assert known(trials, TABLES[name], name) == PLAIN


def summary(job, status, **parameters):
    return {
        "TrainingJobDefinitionName": "d",
        "TrainingJobName": job,
        "TrainingJobArn": f"arn:aws:sagemaker:eu-west-1:000000000000:training-job/{job}",
        "CreationTime": 1767225600.5,
        "TrainingJobStatus": status,
        "TunedHyperParameters": parameters,
        "FinalHyperParameterTuningJobObjectiveMetric": {"MetricName": "loss", "Value": 0.5},
        "ObjectiveStatus": "Succeeded",
    }


def described(job, status, **parameters):
    answer = summary(job, status)
    del answer["TunedHyperParameters"]
    specification = {"TrainingImage": "i", "MetricDefinitions": [{"Name": "loss", "Regex": "x"}]}
    return answer | {
        "AlgorithmSpecification": specification,
        "HyperParameters": parameters,
        "SecondaryStatus": status,
        "Environment": {"JOB": "no"},
    }


ANSWERS = [summary("trial_1", "Completed", lr="1e-3", opt="adam"), summary("trial_2", "Failed", lr="0.10", opt="sgd")]
DESCRIBED = [
    described("trial_1", "Completed", lr="1e-3", opt="adam"),
    described("trial_2", "Failed", lr="0.10", opt="sgd"),
]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"TrainingJobSummaries": ANSWERS, "NextToken": "x"}),
        json.dumps({"TrainingJobSummaries": ANSWERS}, indent=2),
        json.dumps([{"TrainingJobSummaries": ANSWERS[:1]}, {"TrainingJobSummaries": ANSWERS[1:]}]),
        json.dumps({"data": {"trainingJobSummaries": ANSWERS}}),
        json.dumps(DESCRIBED),
        "\n".join(json.dumps(one, indent=1) for one in DESCRIBED),
        "\n".join(map(json.dumps, DESCRIBED)),
        json.dumps(ANSWERS) + json.dumps(DESCRIBED),
        repr({"TrainingJobSummaries": ANSWERS}),
    ],
)
def test_documents_of_the_tuning_service(trials, text):
    assert known(trials, text, "jobs.json") == PLAIN


def test_a_tuning_job_names_its_best_job_alone(trials):
    ranges = {"ContinuousParameterRanges": [{"Name": "lr", "MinValue": "0", "MaxValue": "1"}]}
    document = {
        "HyperParameterTuningJobName": "t",
        "HyperParameterTuningJobConfig": {"ParameterRanges": ranges},
        "BestTrainingJob": ANSWERS[0],
    }
    assert known(trials, json.dumps(document), "jobs.json") == PLAIN | {"trial_2": (None, {})}
    del document["BestTrainingJob"]
    assert "job or path is missing" in faults(trials, json.dumps(document), "jobs.json")


def test_the_frame_of_ray_finds_its_trials_by_their_folders(tmp_path):
    trials = [f"train_7f3a2_0000{number}_{number}_lr=0.{number}_2026-03-01_10-00-00" for number in (1, 2)]
    folder = tree(tmp_path / "logs", [f"{trial}/stdout" for trial in trials])
    header = "loss,trial_id,pid,config/lr,config/opt,logdir\n"
    for at in (folder, "/home/other/ray_results/train"):
        rows = "".join(f"0.5,7f3a2_0000{n},12,0.{n}0,adam,{at}/{trial}\n" for n, trial in enumerate(trials, 1))
        found = known(folder, header + rows)
        assert found == {trial: (None, {"lr": f"0.{n}0", "opt": "adam"}) for n, trial in enumerate(trials, 1)}


def test_the_column_that_fits_the_most_jobs_names_them(tmp_path):
    folder = tree(tmp_path / "logs", ["run-a1/out.log", "run-b2/out.log"])
    text = "Name,ID,State\nbrave-sun-1,run-a1,finished\nquiet-sea-2,run-b2,crashed\n"
    found = known(folder, text, job="dir")
    assert {name: status for name, (status, _) in found.items()} == {"run-a1": "Completed", "run-b2": "Failed"}


def test_a_name_may_be_the_last_part_of_a_jobs_name_but_of_one_alone(tmp_path):
    folder = tree(tmp_path / "logs", ["x/a/stdout", "y/b/stdout", "z/c_7/stdout"])
    text = "job,status\na,failed\n7,stopped\n"
    found = known(folder, text)
    assert [status for status, _ in found.values()] == ["Failed", None, "Stopped"]
    tree(folder, ["y/a/stdout", "z/d_7/stdout"])
    assert faults(folder, text).splitlines()[1:] == [
        "  line 2: a fits 2 jobs, x/a, y/a",
        "  line 3: 7 fits 2 jobs, z/c_7, z/d_7",
    ]


def test_a_name_may_be_a_folder_with_one_job(tmp_path):
    folder = tree(tmp_path / "logs", ["run_a/train.log", "run_b/x/train.log", "run_b/x/eval.log", "c/train.log"])
    assert known(folder, "job,status\nrun_a,failed\nc/,stopped\n") == {
        "c/train": ("Stopped", {}),
        "run_a/train": ("Failed", {}),
        "run_b/x/eval": (None, {}),
        "run_b/x/train": (None, {}),
    }
    for name in ("run_b", "run_b/x"):
        assert faults(folder, f"job,status\n{name},failed\n").splitlines()[1:] == [
            f"  line 2: {name} fits 2 jobs, run_b/x/eval, run_b/x/train"
        ]
    # the job itself, and what other rows name in full, come first
    text = "job,status\nrun_b,failed\nrun_b/x/eval,stopped\n"
    assert [status for status, _ in known(folder, text).values()] == [None, None, "Stopped", "Failed"]
    assert known(folder, "job,status\nrun,failed\n")["run"] == ("Failed", {})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "utf-16-be"])
def test_a_table_as_excel_and_powershell_write_it(trials, encoding):
    text = "job\tstatus\tgröße\r\ntrial_10\tcompleted\t3\r\n"
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    path = trials.parent / "jobs.txt"
    path.write_bytes((mark + text).encode(encoding))
    found = {job.name: (job.status, job.hyperparameters) for job in survey([trials], jobs_file=path).jobs}
    assert found["trial_10"] == ("Completed", {"größe": "3"})
    path.write_bytes((mark + text).encode(encoding)[:-1])
    if encoding != "utf-8-sig":
        with pytest.raises(SourceError, match=r"cannot read the jobs file .*truncated data"):
            survey([trials], jobs_file=path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"job": true}]', "job is True; a word or a whole number was expected"),
        ('[{"job": {"x": 1}, "status": "failed"}]', "job is {'x': 1}; a word or a whole number was expected"),
        (
            '[{"job": "a", "status": "failed"}, {"path": [1]}]',
            "[1]: path is [1]; a word or a whole number was expected",
        ),
        ('[{"job": null}]', "[0]: job or path is missing"),
    ],
)
def test_names_of_the_wrong_kind(trials, text, reason):
    assert reason in faults(trials, text, "jobs.json")


@pytest.mark.parametrize(("text", "name"), [("[]", "jobs.json"), ("job,status\n", "jobs.csv")])
def test_a_file_that_names_no_job_is_said(trials, text, name):
    path = trials.parent / name
    path.write_text(text)
    (notice,) = survey([trials], jobs_file=path).notices
    assert notice.message == f"{path} names no job"


# ---- statuses that are not known, jobs without a log


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("CANCELLED by 1000", "Stopped"),
        ("CANCELLED+", "Stopped"),
        ("TIMEOUT", "Stopped"),
        ("PREEMPTED", "Stopped"),
        ("PRUNED", "Stopped"),
        ("EarlyStopped", "Stopped"),
        ("NODE_FAIL", "Failed"),
        ("MetricsUnavailable", "Failed"),
        ("TERMINATED", "Completed"),
        ("WAITING", "InProgress"),
    ],
)
def test_words_of_tools(trials, word, status):
    assert known(trials, f"job,status\ntrial_1,{word}\n")["trial_1"][0] == status


def test_a_word_that_is_not_known_is_kept_and_told(trials):
    path = trials.parent / "jobs.csv"
    path.write_text("job,status\ntrial_1, Odd one \ntrial_2,odd\ntrial_10,done\n")
    found = survey([trials], jobs_file=path)
    assert [job.status for job in found.jobs] == ["Odd one", "odd", "Completed"]
    (notice,) = found.notices
    assert notice.path == str(path)
    assert notice.message == (
        f"2 jobs have a status in {path} that is not known, 'Odd one', 'odd' (line 2, trial_1); no such job wins"
    )


def test_jobs_without_a_log_are_jobs(trials):
    path = trials.parent / "jobs.csv"
    path.write_text("job,path,status,lr\ntrial_3,,done,1\n,logs/trial_4,failed,2\ntrial_1,,done,3\n")
    found = survey([trials], jobs_file=path)
    assert [(job.name, len(job.logs), job.status, job.hyperparameters) for job in found.jobs] == [
        ("trial_1", 2, "Completed", {"lr": "3"}),
        ("trial_2", 1, None, {}),
        ("trial_3", 0, "Completed", {"lr": "1"}),
        ("trial_4", 0, "Failed", {"lr": "2"}),
        ("trial_10", 1, None, {}),
    ]
    assert [notice.message for notice in found.notices] == [
        f"2 jobs in {path} without a log, ranked as missing: trial_3, trial_4"
    ]


def test_a_file_about_other_jobs_is_told(trials):
    path = trials.parent / "jobs.csv"
    path.write_text("job,status\na,failed\nb,done\n")
    (notice,) = survey([trials], jobs_file=path).notices
    assert notice.message == (
        f"no job in {path} has a log: it names a, b; the logs are those of trial_1, trial_2, trial_10, of which it says nothing"
    )


# ---- text that is none


def test_half_of_a_surrogate_pair_is_spelled(trials):
    text = '{"job": "trial_1", "hyperparameters": {"a\\ud800": "b\\udfff", "c": ["\\ud800"]}, "d": "\\udce9"}\n'
    text += '{"job": "trial_2", "status": "\\ud800"}\n'
    found = known(trials, text, "jobs.jsonl")
    assert found["trial_1"][1] == {"a\\ud800": "b\\udfff", "c": '["\\ud800"]', "d": "\\xe9"}
    assert found["trial_2"][0] == "\\ud800"


def test_what_a_row_holds_is_no_row(trials):
    row = {"name": "trial_1", "status": "done", "data": {"path": "x", "id": 3}, "params": {"job": "a"}}
    for text in (
        json.dumps(row),
        json.dumps([row]),
        json.dumps({"jobs": [row]}),
        json.dumps({"name": "study", "jobs": [row]}),
    ):
        found = known(trials, text, "jobs.json")
        assert set(found) == {"trial_1", "trial_2", "trial_10"}
        assert found["trial_1"] == ("Completed", {"job": "a", "data": '{"path": "x", "id": 3}'})


@pytest.mark.parametrize("depth", [100, 400, 900])
def test_values_that_are_nested_deeply(trials, depth):
    deep = "[" * depth + "]" * depth
    within = '{"a": ' * depth + "1" + "}" * depth
    for text in (f'{{"job": "trial_1", "x": {deep}}}', f'{{"x": {within}}}', f'[{{"job": "trial_1", "x": {within}}}]'):
        error = readable(trials, text, "jobs.json")
        assert error is None or "nested too deeply" in error or "job or path is missing" in error


def readable(folder, text, name):
    try:
        known(folder, text, name)
    except SourceError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", [*TABLES, "answers.json", "pretty.json"])
def test_a_jobs_file_that_is_cut_anywhere_is_read_or_gives_one_error(trials, name):
    answers = {"TrainingJobSummaries": [{"TrainingJobName": "trial_1", "TrainingJobStatus": "Completed"}]}
    text = {"answers.json": json.dumps(answers), "pretty.json": json.dumps(answers, indent=1)}.get(name) or TABLES[name]
    refused = 0
    for cut in range(len(text)):
        error = readable(trials, text[:cut], name)
        if error is not None:
            refused += 1
            assert error.startswith("errors in the jobs file")
            assert "line" in error or "[" in error or "empty" in error
    assert refused > 5


@pytest.mark.parametrize(
    "text", ["null", "3", '"a"', "[[]]", "[null]", '{"a": [1]}', "\0", "[" * 100_000, '{"job": ' * 100_000]
)
@pytest.mark.parametrize("name", ["jobs.json", "jobs.csv", "jobs"])
def test_documents_of_another_kind(trials, text, name):
    assert "errors in the jobs file" in faults(trials, text, name)


def test_documents_one_behind_the_other_may_differ_in_their_lines(trials):
    first = json.dumps({"TrainingJobName": "trial_1", "TrainingJobStatus": "Failed"})
    second = json.dumps({"TrainingJobName": "trial_2", "TrainingJobStatus": "Completed"}, indent=1)
    found = known(trials, f"{first}\n{second}\n", "jobs.json")
    assert [found[name][0] for name in ("trial_1", "trial_2")] == ["Failed", "Completed"]
    assert "trial_1 is already in line 1" in faults(trials, f"{first} {first}\n{second}", "jobs.json")
    cut = faults(trials, f"{first}\n{second[:-2]}", "jobs.json")
    assert "line 2: not JSON" in cut


def test_of_many_errors_the_first_are_told(trials):
    for more, end in ((19, "line 20: not JSON: Expecting value, column 1"), (3000, "and 2,980 more errors")):
        error = faults(trials, '{"job": 1}\n' + "x\n" * more, "jobs.jsonl")
        assert error.endswith(end)
        assert len(error.splitlines()) <= 22


def test_a_jobs_file_that_cannot_be_read(trials):
    with pytest.raises(SourceError, match=r"cannot read the jobs file .*: No such file") as caught:
        survey([trials], jobs_file=trials.parent / "none.csv")
    assert caught.value.path == str(trials.parent / "none.csv")
    (trials.parent / "jobs.csv").write_bytes(b"job\n\xff\n")
    with pytest.raises(SourceError, match="can't decode byte 0xff"):
        survey([trials], jobs_file=trials.parent / "jobs.csv")
