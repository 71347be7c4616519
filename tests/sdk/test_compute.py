"""Clusters: found, created, waited for, changed, deleted."""

import time
import warnings

import pytest

from harness import AT_MOST

from azureml.core import ComputeTarget, Experiment, ScriptRunConfig
from azureml.core.compute import AmlCompute
from azureml.core.compute.amlcompute import AmlComputeStatus, ScaleSettings
from azureml.core.compute_target import ComputeTargetException, LocalTarget
from azureml.exceptions import ServiceException


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("azureml.core.compute._waiting._Console.rest", lambda self: None)


def article(workspace, name="gpu-cluster", max_nodes=4):
    try:
        target = ComputeTarget(workspace=workspace, name=name)
        print("Found existing compute target")
    except ComputeTargetException:
        print("Creating a new compute target...")
        config = AmlCompute.provisioning_configuration(vm_size="STANDARD_NC6", max_nodes=max_nodes)
        target = ComputeTarget.create(workspace, name, config)
        target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
    return target


def test_a_script_as_the_article_has_it(fake, fake_ws, capsys):
    target = article(fake_ws)
    assert isinstance(target, AmlCompute) and (target.name, target.type, target.vm_size, target.provisioning_state) == ("gpu-cluster", "AmlCompute", "STANDARD_NC6", "Succeeded")
    assert capsys.readouterr().out == (
        "Creating a new compute target...\nCreating\nSucceeded\nAmlCompute wait for completion finished\n\nMinimum number of nodes requested have been provisioned\n"
    )
    assert fake.bodies("POST", "/compute") == [{"name": "gpu-cluster", "vm_size": "STANDARD_NC6", "vm_priority": "dedicated", "min_nodes": 0, "max_nodes": 4,
                                                "idle_seconds_before_scaledown": 1800, "description": "", "tags": {}}]  # fmt: skip
    assert article(fake_ws).name == "gpu-cluster" and capsys.readouterr().out == "Found existing compute target\n"
    assert list(fake_ws.compute_targets) == ["gpu-cluster"] == [each.name for each in ComputeTarget.list(fake_ws)]
    assert fake_ws.compute_targets["gpu-cluster"].vm_priority == "dedicated"


def test_what_is_missing_or_in_the_way(fake_ws):
    with pytest.raises(ComputeTargetException) as caught:
        ComputeTarget(fake_ws, "nothing")
    assert caught.value.message == "ComputeTargetNotFound: Compute Target with name nothing not found in provided workspace"
    article(fake_ws)
    same = AmlCompute.provisioning_configuration(vm_size="STANDARD_NC6", max_nodes=4)
    assert ComputeTarget.create(fake_ws, "gpu-cluster", same).name == "gpu-cluster"
    with pytest.raises(ComputeTargetException, match="is there with other settings"):
        AmlCompute.create(fake_ws, "gpu-cluster", AmlCompute.provisioning_configuration(max_nodes=2))
    with pytest.raises(ComputeTargetException, match="the name is not valid"):
        ComputeTarget.create(fake_ws, "1", same)
    with pytest.raises(ComputeTargetException, match="must be made by"):
        ComputeTarget.create(fake_ws, "c", {"max_nodes": 1})
    assert isinstance(ComputeTarget(fake_ws, "local"), LocalTarget)
    with pytest.raises(ComputeTargetException, match="no cluster"):
        AmlCompute(fake_ws, "local")


@pytest.mark.parametrize("settings, said", [
    ({}, "max nodes must be given"), ({"max_nodes": -1}, "whole numbers"), ({"max_nodes": 1, "min_nodes": 2}, "less than or equal to max nodes"),
    ({"max_nodes": 0}, "at least 1"), ({"max_nodes": True}, "whole numbers"), ({"max_nodes": 4, "min_nodes": "x"}, "whole numbers"),
])  # fmt: skip
def test_limits_are_checked_at_once(settings, said):
    with pytest.raises(ComputeTargetException, match=f"Invalid provisioning configuration, .*{said}"):
        AmlCompute.provisioning_configuration(**settings)


def test_settings(fake, fake_ws):
    with pytest.warns(UserWarning, match="admin_username, vnet_name have no meaning here") as caught:
        config = AmlCompute.provisioning_configuration("", "lowpriority", "1", "3", "1200", admin_username="a", vnet_name="b", tags={"k": 1}, description="d")
    assert len(caught) == 1
    target = ComputeTarget.create(fake_ws, "cpu-cluster", config)
    body = fake.bodies("POST", "/compute")[0]
    assert (body["vm_size"], body["vm_priority"], body["min_nodes"], body["max_nodes"], body["idle_seconds_before_scaledown"]) == ("", "lowpriority", 1, 3, 1200)
    assert target.tags == {"k": "1"} and target.description == "d" and target.created_on.year == 2026
    target.update(max_nodes=5, idle_seconds_before_scaledown="600")
    assert fake.bodies("PATCH", "/compute/cpu-cluster") == [{"max_nodes": 5, "idle_seconds_before_scaledown": 600}]
    assert (target.scale_settings.minimum_node_count, target.scale_settings.maximum_node_count, target.scale_settings.idle_seconds_before_scaledown) == (1, 5, 600)
    with pytest.raises(ComputeTargetException, match="min_nodes must be a whole number"):
        target.update(min_nodes=1.5)
    config = AmlCompute.provisioning_configuration(max_nodes=1, vm_priority="cheap")
    with pytest.raises(ComputeTargetException, match="dedicated or lowpriority"):
        ComputeTarget.create(fake_ws, "other", config)
    assert AmlCompute.supported_vmsizes(fake_ws) == [{"name": "STANDARD_NC6", "vCPUs": 6, "gpus": 1, "memoryGB": 56.0}]


def test_status(fake, fake_ws):
    target = article(fake_ws)
    status = target.get_status()
    assert status.serialize() == {
        "currentNodeCount": 0, "targetNodeCount": 0, "allocationState": "Steady", "allocationStateTransitionTime": "2026-11-21T07:35:28.123456+00:00", "errors": None,
        "nodeStateCounts": {"preparingNodeCount": 0, "runningNodeCount": 1, "idleNodeCount": 0, "unusableNodeCount": 0, "leavingNodeCount": 0, "preemptedNodeCount": 0},
        "creationTime": "2026-11-21T07:35:28.123456+00:00", "modifiedTime": "2026-11-21T07:35:28.123456+00:00", "provisioningState": "Succeeded",
        "provisioningStateTransitionTime": "2026-11-21T07:35:28.123456+00:00", "vmPriority": "dedicated", "vmSize": "STANDARD_NC6",
        "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 4, "nodeIdleTimeBeforeScaleDown": "PT1800S"}}  # fmt: skip
    assert AmlComputeStatus.deserialize(status.serialize()).serialize() == status.serialize() and ScaleSettings.deserialize(None) is None
    assert target.serialize()["properties"]["status"] == status.serialize() and target.get()["wanted"]["gpus"] == 1
    assert target.list_nodes() == [{"nodeId": "n0", "port": None, "publicIpAddress": None, "privateIpAddress": None, "nodeState": "running", "runId": "r1"}]


def test_active_runs(fake, fake_ws):
    target = article(fake_ws, "cpu-cluster")
    assert [run.id for run in target.get_active_runs()] == ["r0"] and list(target.get_active_runs(status="Queued")) == []


def test_waiting_for_nodes(fake, fake_ws, capsys):
    config = AmlCompute.provisioning_configuration(min_nodes=2, max_nodes=4)
    target = ComputeTarget.create(fake_ws, "cpu-cluster", config)
    target.wait_for_completion(show_output=True)
    assert capsys.readouterr().out == (
        "Creating\nSucceeded\nWaiting for cluster to scale. 1 out of 2 nodes ready.\nAmlCompute wait for completion finished\n\n"
        "Minimum number of nodes requested have been provisioned\n"
    )
    target.wait_for_completion(show_output=True, min_node_count=3, timeout_in_minutes=0)
    assert capsys.readouterr().out == (
        "Succeeded\nWaiting for cluster to scale. 2 out of 3 nodes ready.\nAmlCompute wait for completion finished\n\nWait timeout has been reached\n"
    )
    target.wait_for_completion(min_node_count=3, timeout_in_minutes=0)
    assert capsys.readouterr().out == ""
    fake.compute["cpu-cluster"].update(provisioning_state="Failed", warnings=["no slot is left"])
    with pytest.raises(ComputeTargetException, match="cpu-cluster is not provisioned: no slot is left"):
        target.wait_for_completion()


def test_waiting_outlives_the_server(fake, fake_ws, impatient, capsys):
    target = ComputeTarget.create(fake_ws, "cpu-cluster", AmlCompute.provisioning_configuration(min_nodes=2, max_nodes=4))
    fake.away = 3
    target.wait_for_completion(show_output=True)
    printed = capsys.readouterr()
    assert fake.away == 0 and "Minimum number of nodes requested have been provisioned" in printed.out
    assert printed.err.count("the server is going down; waiting goes on") == 1
    fake.away = 3
    with pytest.raises(ServiceException, match="going down"):  # the time is up while nobody answers
        target.wait_for_completion(timeout_in_minutes=0)
    fake.away = 0
    target.delete()
    fake.away = 2
    target.wait_for_completion(is_delete_operation=True)
    assert fake.away == 0 and list(fake_ws.compute_targets) == []


def test_deleting(fake_ws, capsys):
    target = article(fake_ws)
    capsys.readouterr()
    target.delete()
    assert target.provisioning_state == "Deleting"
    target.wait_for_completion(show_output=True, is_delete_operation=True)
    assert capsys.readouterr().out == "Deleting\nDelete operation finished\n"
    assert fake_ws.compute_targets == {}
    with pytest.raises(ComputeTargetException, match="ComputeTargetNotFound"):
        target.get_status()


def test_submitting_to_a_cluster(fake, fake_ws, project):
    source = project({"a.py": ""})
    target = article(fake_ws)
    Experiment(fake_ws, "e").submit(ScriptRunConfig(source, "a.py", compute_target=target))
    assert fake.runs[-1]["compute_target"] == "gpu-cluster" and "resources" not in fake.runs[-1]
    fake.substituted = "STANDARD_NC6 promises 1 GPU; this machine has none, so the run has CPUs only"
    with pytest.warns(UserWarning, match="STANDARD_NC6 promises 1 GPU") as caught:
        Experiment(fake_ws, "e").submit(ScriptRunConfig(source, "a.py", compute_target=target))
    assert len(caught) == 1 and caught[0].filename == __file__
    with pytest.raises(ComputeTargetException, match="ComputeTargetNotFound: there is no compute target 'nothing'"):
        Experiment(fake_ws, "e").submit(ScriptRunConfig(source, "a.py", compute_target="nothing"))


def test_other_kinds_of_compute_say_what_to_use(fake_ws):
    with pytest.raises(ImportError, match="ComputeInstance is not here: .* create an AmlCompute"):
        from azureml.core.compute import ComputeInstance  # noqa: F401
    with pytest.raises(ImportError, match="AksCompute is not here"):
        from azureml.core.compute import AksCompute  # noqa: F401
    with pytest.raises(NotImplementedError, match="attach is not here"):
        ComputeTarget.attach(fake_ws, "c", None)
    with pytest.raises(NotImplementedError, match="add_identity is not here"):
        article(fake_ws).add_identity("SystemAssigned")


def test_a_server_in_trouble_is_no_missing_target(fake, fake_ws):
    fake.GET_compute = lambda *_: (500, {"error": {"code": "internal", "message": "the disk is full", "details": []}})
    with pytest.raises(ServiceException, match="the disk is full"):
        ComputeTarget(fake_ws, "gpu-cluster")
    with pytest.raises(ServiceException):
        fake_ws.compute_targets


def test_the_server_itself(ws, project):
    """The whole life of a cluster on the real server."""
    target = article(ws, "of-the-tests", max_nodes=2)
    assert target.get_status().provisioning_state == "Succeeded" and "of-the-tests" in ws.compute_targets
    with pytest.raises(ComputeTargetException):
        ComputeTarget.create(ws, "of-the-tests", AmlCompute.provisioning_configuration(vm_size="STANDARD_NC6", max_nodes=1))
    with pytest.raises(ComputeTargetException):
        ComputeTarget.create(ws, "local", AmlCompute.provisioning_configuration(max_nodes=1))
    target.update(max_nodes=3)
    assert target.scale_settings.maximum_node_count == 3 and len(target.list_nodes()) <= 3
    assert any(size["name"].upper() == "STANDARD_NC6" for size in AmlCompute.supported_vmsizes(ws))
    assert list(target.get_active_runs()) == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the GPU that this machine may not have
        run = Experiment(ws, "e").submit(ScriptRunConfig(project({"a.py": "import time; time.sleep(600)"}), "a.py", compute_target=target))
    assert [each.id for each in target.get_active_runs()] == [run.id] and run.get_details()["target"] == "of-the-tests"
    deadline = time.monotonic() + AT_MOST
    while not any(node["runId"] == run.id for node in target.list_nodes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [(node["nodeState"], node["runId"]) for node in target.list_nodes()] == [("running", run.id)]
    run.cancel()
    assert run.wait_for_completion(wait_post_processing=True)["status"] == "Canceled"
    target.delete()
    target.wait_for_completion(is_delete_operation=True, timeout_in_minutes=4)
    with pytest.raises(ComputeTargetException, match="ComputeTargetNotFound"):
        ComputeTarget(ws, "of-the-tests")
