"""Folders as the SDK takes them: as the command line does, with git's ignore rules."""

import os
import random
import subprocess

import pytest

from roost.git import strip_credentials
from roost.ignore import IgnoreRules
from roost.snapshot import SnapshotError, read_folder, send_files


def test_sdk_and_command_line_take_the_same_snapshot(shared_server, project):
    source = project({"a.py": "print(1)", "deep/b.py": "2", "deep/er/c.txt": "3", "skipped.log": "x", "kept.log": "y", "build/x": "z", ".git/config": "no",
                      "\u00fc.txt": "umlaut", "empty": "", ".amlignore": "*.log\n!kept.log\nbuild/\n"})  # fmt: skip
    (source / "deep/b.py").chmod(0o755)
    (source / "link").symlink_to("deep")
    files = read_folder(source)
    assert [file.path for file in files] == [".amlignore", "a.py", "deep/b.py", "deep/er/c.txt", "empty", "kept.log", "link/b.py", "link/er/c.txt", "\u00fc.txt"]
    by_command = shared_server.run(shared_server.submit(source, "a.py"))["snapshot"]
    assert send_files(shared_server.client, files) == by_command


def test_only_what_is_unknown_travels(shared_server, project):
    client, sent = shared_server.client, []
    original = client.send_stream
    client.send_stream = lambda path, pieces, size, kind: sent.append(size) or original(path, pieces, size, kind)
    source = project({"a": "first" * 1000, "b": "second" * 1000, "same as b": "second" * 1000})
    send_files(client, read_folder(source))
    assert sent == [40 + 5000 + 40 + 6000]
    (source / "a").write_text("third")
    send_files(client, read_folder(source))
    assert sent[1:] == [40 + 5]


def test_what_cannot_be_taken_is_named(project, tmp_path):
    source = project({"a": ""})
    (source / "broken").symlink_to("nowhere")
    (source / "outside").symlink_to(tmp_path)
    (source / "round").symlink_to(".")
    (source / "new\nline").touch()
    with pytest.raises(SnapshotError) as caught:
        read_folder(source)
    for said in ("broken: the link's target does not exist", "outside: the link leaves the folder", "round: the link leads back", "'new\\nline': the name has control"):
        assert said in str(caught.value)
    with pytest.raises(SnapshotError, match="is a file"):
        read_folder(source / "a")
    with pytest.raises(SnapshotError, match="cannot be read"):
        read_folder(source / "nowhere")


PIECES = ["a", "b", "ab", "*", "**", "?", "/", "/", "[ab]", "[!a]", "[^b-z]", "[[:alpha:]]", "[]a]", "\\*", "\\a", "[", " ", "\\ ", "!", "#", ".", "**/", "/**", "log", "[a-", "[[:no:]]", "[z-a]", "-"]
NAMES = ["a", "b", "ab", "log", "a b", "*", "]", "-", "a*", "logs.txt", "#x", "!x"]


def test_patterns_decide_as_git_does(tmp_path):
    rng = random.Random(7)
    git = lambda *arguments, **options: subprocess.run(["git", "-C", str(tmp_path), *arguments], capture_output=True, text=True, **options)
    git("init", "-q")
    paths = sorted({"/".join(rng.choice(NAMES) for _ in range(rng.randint(1, 3))) for _ in range(120)})
    for trial in range(120):
        text = "\n".join("".join(rng.choice(PIECES) for _ in range(rng.randint(1, 5))) for _ in range(rng.randint(1, 3)))
        (tmp_path / ".gitignore").write_text(text)
        done = git("check-ignore", "--no-index", "-z", "--stdin", input="\0".join(paths))
        assert done.returncode in (0, 1), done.stderr
        expected = set(filter(None, done.stdout.split("\0")))
        rules = IgnoreRules(text)

        def ignored(path):
            parts = path.split("/")
            return any(rules.ignores("/".join(parts[: n + 1]), n + 1 < len(parts)) for n in range(len(parts)))

        assert {path for path in paths if ignored(path)} == expected, repr(text)


@pytest.mark.parametrize("uri, shown", [
    ("https://user:secret@host/x.git?token=1", "https://host/x.git"), ("ssh://git:pw@host:22/x", "ssh://git@host:22/x"), ("git@host:x/y", "git@host:x/y"),
    ("/some/path", "/some/path"), ("https://token@host", "https://host"),
])  # fmt: skip
def test_no_password_of_a_remote_is_kept(uri, shown):
    assert strip_credentials(uri) == shown


def test_the_environment_overrules_git(project, monkeypatch):
    from roost.git import git_properties

    source = project({"a": ""})
    assert git_properties(source) == {}
    monkeypatch.setenv("AZUREML_GIT_BRANCH", "theirs")
    assert git_properties(source) == {"azureml.git.branch": "theirs", "mlflow.source.git.branch": "theirs"}


def test_a_file_that_vanishes_is_no_dead_server(project):
    from roost.snapshot import _blobs

    files = read_folder(project({"a.py": "a"}))
    os.unlink(files[0].source)
    with pytest.raises(SnapshotError, match="a.py cannot be read any more: No such file"):
        list(_blobs(files))
