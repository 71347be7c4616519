"""config.json, the workspace that it names, and whose token is used."""

import json
import os
import urllib.request

import pytest

from sdk.support import config_of, write_config

from azureml.core import Workspace
from azureml.core._config import find_config
from azureml.core.authentication import InteractiveLoginAuthentication, TokenAuthentication
from azureml.exceptions import AuthenticationException, UserErrorException, WorkspaceException


def test_the_search_goes_by_kind_of_folder_first_and_then_upwards(tmp_path):
    here = tmp_path / "a" / "b"
    (here / "aml_config").mkdir(parents=True)
    order = [tmp_path / ".azureml/config.json", here / ".azureml/project.json", tmp_path / "a/.azureml/project.json", here / "aml_config/config.json",
             here / "config.json", tmp_path / "config.json", here / "project.json"]  # fmt: skip
    for file in order:
        file.parent.mkdir(exist_ok=True)
        file.write_text("{}")
    for file in order:
        assert find_config(here) == file
        file.unlink()
    (here / "other.json").write_text("{}")
    assert find_config(here / "other.json") == here / "other.json" and find_config(here, "other.json") == here / "other.json"
    with pytest.raises(UserErrorException, match=r"configuration file config\.json, could not be found in .*/a/b or its parent directories"):
        find_config(here)


@pytest.mark.parametrize("text, said", [
    ("{", "cannot be read"), ("[]", "an object is needed"), ('{"subscription_id": "s"}', "resource_group, workspace_name not there"),
    ('{"subscription_id": 1, "resource_group": "g", "workspace_name": "w"}', "subscription_id not a text"),
    ('{"subscription_id": "s", "resource_group": "g", "workspace_name": "w", "roost_token": "t", "roost_token_env": "T"}', "one source"),
    ('{"Id": null, "Scope": "/somewhere"}', "Scope"),
])  # fmt: skip
def test_rubbish_is_named(tmp_path, text, said):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserErrorException, match=said):
        Workspace.from_config(tmp_path)


def test_every_source_of_the_token(shared_server, tmp_path, monkeypatch):
    token = shared_server.token
    base = {key: value for key, value in config_of(shared_server).items() if key != "roost_token_file"}
    (tmp_path / "my token").write_text(token + "\n")
    monkeypatch.setenv("MY_TOKEN", token)
    file = tmp_path / "config.json"
    for source in ({"roost_token": token}, {"roost_token_env": "MY_TOKEN"}, {"roost_token_file": "my token"}):
        file.write_text(json.dumps({**base, **source}))
        ws = Workspace.from_config(tmp_path)
        assert (ws.name, ws.resource_group, ws.subscription_id, ws.location) == ("mine", "group", "sub", shared_server.url)

    file.write_text(json.dumps(base))
    assert Workspace.from_config(file, auth=TokenAuthentication(lambda audience: token)).get_details()["server"]["user"] == "owner"
    monkeypatch.setenv("ROOST_TOKEN", token)
    assert Workspace.from_config(file).get_details()["name"] == "mine"
    monkeypatch.delenv("ROOST_TOKEN")
    monkeypatch.setenv("ROOST_DATA", str(shared_server.folder))  # the server of this machine
    assert Workspace.from_config(file).get_details()["id"].endswith("/resourceGroups/group/providers/Microsoft.MachineLearningServices/workspaces/mine")

    # The form with Scope, which has no server: the environment's.
    file.write_text(json.dumps({"Id": None, "Scope": "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"}))
    monkeypatch.setenv("ROOST_URL", shared_server.url)
    monkeypatch.setenv("ROOST_TOKEN", token)
    ws = Workspace.from_config(file)
    assert (ws.subscription_id, ws.resource_group, ws.name) == ("s", "g", "w")


def test_a_token_goes_to_its_own_server_only(shared_server, tmp_path, monkeypatch):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"subscription_id": "s", "resource_group": "g", "workspace_name": "w", "roost_url": "http://127.0.0.1:9"}))
    monkeypatch.setenv("ROOST_URL", shared_server.url)
    monkeypatch.setenv("ROOST_TOKEN", shared_server.token)
    monkeypatch.setenv("ROOST_DATA", str(shared_server.folder))
    with pytest.raises(AuthenticationException, match="no token for http://127.0.0.1:9"):
        Workspace.from_config(file)


def test_a_wrong_token_a_missing_one_and_no_server(shared_server, tmp_path, monkeypatch):
    file = write_config(tmp_path, shared_server, roost_token_file=str(tmp_path / "nowhere"))
    with pytest.raises(AuthenticationException, match="nowhere"):
        Workspace.from_config(file)
    (tmp_path / "nowhere").write_text("wrong")
    with pytest.raises(AuthenticationException, match="does not accept the token"):
        Workspace.from_config(file)
    with pytest.raises(WorkspaceException, match="roost serve"):
        Workspace.get("any")


def test_get_and_create(shared_server, monkeypatch):
    monkeypatch.setenv("ROOST_URL", shared_server.url)
    monkeypatch.setenv("ROOST_TOKEN", shared_server.token)
    assert Workspace.get("any", subscription_id="s").subscription_id == "s"
    with pytest.raises(WorkspaceException, match="already exists.*exist_ok=True"):
        Workspace.create("any")
    with pytest.warns(UserWarning, match="location, storage_account have no meaning") as warned:
        assert Workspace.create("any", location="eastus2", storage_account="x", exist_ok=True).name == "any"
    assert [w.category for w in warned].count(UserWarning) == 1
    with pytest.warns(UserWarning, match="Workspace.get: location has no meaning"):
        Workspace.get("any", location="eastus2")
    for name in ("a", "-ab", "x" * 33, "with blank"):
        with pytest.raises(UserErrorException, match="no workspace name"):
            Workspace.create(name)
    with pytest.warns(UserWarning, match="InteractiveLoginAuthentication logs in to Azure"):
        login = InteractiveLoginAuthentication()
    Workspace.get("any", auth=login)
    assert login.get_authentication_header() == {"Authorization": f"Bearer {shared_server.token}"}


def test_what_is_written_is_found_again(ws, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    ws.write_config("elsewhere")
    written = json.loads((tmp_path / "elsewhere/.azureml/config.json").read_text())
    assert written == {"subscription_id": "sub", "resource_group": "group", "workspace_name": "mine", "roost_url": ws.location,
                       "roost_token_file": written["roost_token_file"]}  # fmt: skip
    (tmp_path / "elsewhere/deep").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere/deep")
    again = Workspace.from_config()
    first, second = ws.get_details(), again.get_details()
    assert first.pop("server")["epoch"] == second.pop("server")["epoch"] and first == second
    ws.write_config(".", "other.json")
    assert Workspace.from_config(".azureml/other.json").name == "mine"


def test_the_token_that_a_login_brought_is_not_written(shared_server, tmp_path):
    file = write_config(tmp_path, shared_server)
    Workspace.from_config(file, auth=TokenAuthentication(lambda audience: shared_server.token)).write_config(tmp_path / "copy")
    assert "roost_token" not in (tmp_path / "copy/.azureml/config.json").read_text()


@pytest.mark.parametrize("name", ["get_default_compute_target", "get_default_keyvault"])
def test_what_is_not_here_says_so(ws, name):
    with pytest.raises(NotImplementedError, match=f"Workspace.{name} is not here"):
        getattr(ws, name)
    assert not hasattr(ws, name)


def test_mlflow_speaks_with_the_same_server(ws, monkeypatch):
    for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    uri = ws.get_mlflow_tracking_uri()
    request = urllib.request.Request(f"{uri}/api/2.0/mlflow/experiments/get?experiment_id=0", headers={"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"})
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["experiment"]["name"] == "Default"


def test_a_login_for_mlflow_stays_the_users(ws, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "mine")
    ws.get_mlflow_tracking_uri()
    assert os.environ["MLFLOW_TRACKING_TOKEN"] == "mine"


def test_a_file_with_the_token_itself_is_its_owners_alone(tmp_path):
    from azureml.core import _config

    file = tmp_path / "config.json"
    file.write_text("old")
    file.chmod(0o644)
    _config.write_config(_config.WorkspaceConfig("s", "g", "w", "http://127.0.0.1:9", "roost_token", "secret"), file)
    assert file.stat().st_mode & 0o777 == 0o600 and json.loads(file.read_text())["roost_token"] == "secret"
    assert [each.name for each in tmp_path.iterdir()] == ["config.json"]
