"""How the numbers of a group were made."""

from experiments.results.boards import boards
from experiments.results.page.origins import origin
from tests.experiments.results.recorded import recorded

TAGS = {
    "mlflow.source.git.commit": "0123456789abcdef",
    "git.dirty": "true",
    "command": "python -m experiments.run seed=1",
    "device": "cpu: a processor",
    "version.tensorflow": "2.21.0",
    "version.numpy": "2.4.6",
    "data.source": "cache",
    "data.digest": "fedcba98765432100",
}


def test_what_runs_have_in_common_is_told_once() -> None:
    first = recorded(0.6, seed=1, tags=TAGS, compute__threads=1, compute__backend="tensorflow")
    second = recorded(0.6, seed=2, tags=TAGS | {"git.dirty": "false"}, compute__backend="tensorflow")
    found = origin(boards([first, second])[0].groups[0])
    assert found.commits == ("0123456789 with changes", "0123456789")
    assert found.commands == ("python -m experiments.run seed=1",)
    assert found.machines == ("cpu: a processor, threads=1", "cpu: a processor")
    assert found.versions == ("on tensorflow, tensorflow 2.21.0, numpy 2.4.6",)
    assert found.images == ("cache, digest fedcba9876",)


def test_runs_of_older_versions_say_what_they_did_not_record() -> None:
    found = origin(boards([recorded(0.6)])[0].groups[0])
    told = (found.commits, found.commands, found.machines, found.versions, found.images)
    assert {item for part in told for item in part} == {"not recorded"}


def test_passwords_in_commands_are_left_out() -> None:
    run = recorded(0.6, tags={"command": "python -m experiments.run tracking.uri=http://me:secret@host"})
    assert "secret" not in origin(boards([run])[0].groups[0]).commands[0]
