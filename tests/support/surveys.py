"""What a survey of logs found, in short forms to compare."""


def told(found):
    """The streams of each job; nothing went wrong."""
    assert [str(error) for error in found.errors] == []
    names = [job.name for job in found.jobs]
    assert len(set(names)) == len(names)
    return {job.name: [log.stream for log in job.logs] for job in found.jobs}


def parameters(found):
    return {job.name: job.hyperparameters for job in found.jobs}


def messages(found):
    return [str(error) for error in found.errors]


def notices(found):
    return [notice.message for notice in found.notices]
