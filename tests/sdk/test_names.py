"""Which names there are, with which parameters, and what an import costs."""

import importlib
import inspect
import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

import azureml.core
import azureml.exceptions
from azureml.core import _not_here
from azureml.core.compute import AmlCompute
from harness import PROJECT, SDK
from sdk.fake_service import FakeService

SIGNATURES = PROJECT.parent / "shared" / "reference" / "azureml-signatures.json"
CLASSES = [
    "azureml.core.Workspace", "azureml.core.Experiment", "azureml.core.Run", "azureml.core.ScriptRun", "azureml.core.ScriptRunConfig",
    "azureml.core.runconfig.RunConfiguration", "azureml.core.run._OfflineRun", "azureml.core.Model", "azureml.core.Environment", "azureml.core.run.RunStatus",
    "azureml.core.runconfig.MpiConfiguration", "azureml.core.runconfig.PyTorchConfiguration", "azureml.core.runconfig.TensorflowConfiguration",
    "azureml.core.runconfig.DockerConfiguration", "azureml.core.runconfig.AmlComputeConfiguration", "azureml.core.runconfig.HistoryConfiguration", "azureml.core.environment.PythonSection",
    "azureml.core.environment.DockerSection", "azureml.core.authentication.InteractiveLoginAuthentication",
    "azureml.core.authentication.AzureCliAuthentication", "azureml.core.authentication.MsiAuthentication",
    "azureml.core.authentication.ServicePrincipalAuthentication", "azureml.core.authentication.TokenAuthentication",
    "azureml.core.resource_configuration.ResourceConfiguration", "azureml.core.compute_target.AbstractComputeTarget",
    "azureml.core.compute_target.LocalTarget", "azureml.core.compute_target.ComputeTargetException", "azureml.core.ComputeTarget",
    "azureml.core.compute.ComputeTarget", "azureml.core.compute.AmlCompute", "azureml.core.compute.amlcompute.AmlComputeProvisioningConfiguration",
    "azureml.core.compute.amlcompute.AmlComputeStatus", "azureml.core.compute.amlcompute.AmlComputeNodeStateCounts", "azureml.core.compute.amlcompute.ScaleSettings",
    "azureml.core.compute.compute.ComputeTargetProvisioningConfiguration", "azureml.core.conda_dependencies.CondaDependencies",
    "azureml.core.environment.ImageBuildDetails", "azureml.core.container_registry.ContainerRegistry", "azureml.train.estimator.Estimator",
    "azureml.train.estimator.MMLBaseEstimator", "azureml.train.dnn.PyTorch", "azureml.train.dnn.Mpi", "azureml.train.dnn.Gloo", "azureml.train.dnn.Nccl",
    "azureml.core.Datastore", "azureml.core.Dataset", "azureml.core.runconfig.Data", "azureml.core.runconfig.DataLocation", "azureml.core.runconfig.DataPath",
    "azureml.core.runconfig.DataReferenceConfiguration", "azureml.core.runconfig.Dataset", "azureml.core.runconfig.GlobsOptions",
    "azureml.core.runconfig.OutputData", "azureml.core.runconfig.OutputOptions", "azureml.core.runconfig.UploadOptions",
    "azureml.data.FileDataset", "azureml.data.OutputFileDatasetConfig", "azureml.data.abstract_dataset.AbstractDataset",
    "azureml.data.azure_storage_datastore.AbstractAzureStorageDatastore", "azureml.data.azure_storage_datastore.AzureBlobDatastore",
    "azureml.data.azure_storage_datastore.AzureFileDatastore", "azureml.data.data_reference.DataReference", "azureml.data.datapath.DataPath",
    "azureml.data.datapath.DataPathComputeBinding", "azureml.data.dataset_consumption_config.DatasetConsumptionConfig",
    "azureml.data.dataset_factory.FileDatasetFactory", "azureml.data.dataset_factory.TabularDatasetFactory",
    "azureml.data.output_dataset_config.OutputDatasetConfig", "azureml.data.output_dataset_config.OutputFileDatasetConfig",
]  # fmt: skip
_WORKSPACE = SimpleNamespace(name="w", location="here", _scope=lambda: "", _client=SimpleNamespace(url="http://127.0.0.1"))
_CLUSTER = AmlCompute._of(_WORKSPACE, FakeService.target(None, {"name": "c", "max_nodes": 1}))
_MODEL = {"name": "m", "version": 1, "description": "", "tags": {}, "properties": {}, "run_id": None, "experiment": None, "framework": None,
          "framework_version": None, "created_at": "2026-11-21T07:35:28.123456Z", "submitter": "owner"}  # fmt: skip
SAMPLES = {  # objects, for what they have beside their class
    "azureml.core.Environment": lambda cls: cls("e"),
    "azureml.core.Model": lambda cls: cls._of(_WORKSPACE, _MODEL),
    "azureml.core.ScriptRunConfig": lambda cls: cls("."),
    "azureml.core.compute.AmlCompute": lambda cls: _CLUSTER,
    "azureml.core.compute.amlcompute.AmlComputeStatus": lambda cls: _CLUSTER.status,
    "azureml.core.compute.amlcompute.AmlComputeNodeStateCounts": lambda cls: _CLUSTER.status.node_state_counts,
    "azureml.core.compute.amlcompute.ScaleSettings": lambda cls: _CLUSTER.scale_settings,
}
for _each in ("azureml.core.container_registry.ContainerRegistry", "azureml.core.environment.DockerSection", "azureml.core.environment.PythonSection",
              "azureml.core.runconfig.DockerConfiguration", "azureml.core.runconfig.MpiConfiguration", "azureml.core.runconfig.PyTorchConfiguration",
              "azureml.core.runconfig.RunConfiguration", "azureml.core.runconfig.TensorflowConfiguration"):  # fmt: skip
    SAMPLES[_each] = lambda cls: cls()
_STORE = "azureml.data.azure_storage_datastore"
for _each in ("AbstractAzureStorageDatastore", "AzureBlobDatastore", "AzureFileDatastore"):
    SAMPLES[f"{_STORE}.{_each}"] = lambda cls: cls._of(SimpleNamespace(name="w"), {"name": "n", "type": "store", "path": None})
# There, with other parameters or another binding: one class serves all kinds of datastores, Dataset has no objects, and an offline run
# takes the step and the patience that a run on the server does.
OTHERWISE = {
    "azureml.core.run._OfflineRun": {"flush", "log"},
    "azureml.core.Dataset": {"get_all", "get_by_id", "get_by_name"},
    **dict.fromkeys([f"{_STORE}.AbstractAzureStorageDatastore", f"{_STORE}.AzureBlobDatastore", f"{_STORE}.AzureFileDatastore"], {"__init__"}),
}
FUNCTIONS = ["azureml.core.run.get_run", "azureml.core.script_run_config.get_run_config_from_script_run"]
# Names of these classes that are not delivered, beside those whose use says so (_not_here.py); docs/azureml.md has the reasons.
LEFT_OUT = {
    "azureml.core.Workspace": {"delete_connection", "delete_private_endpoint_connection", "diagnose_workspace", "discovery_url", "get_connection", "list",
                               "list_connections", "service_context", "set_connection", "setup", "tags", "update_dependencies"},
    "azureml.core.Experiment": {"from_directory"},
    "azureml.core.Run": {"add_type_provider", "list_by_compute"},
    "azureml.core.ScriptRun": {"add_type_provider", "list_by_compute"},
    "azureml.core.runconfig.RunConfiguration": {"auto_prepare_environment"},
    "azureml.core.Model": {"add_dataset_references", "deserialize", "print_configuration"},
    "azureml.core.environment.DockerSection": {"build_context", "gpu_support"},
    "azureml.core.conda_dependencies.CondaDependencies": {"add_cntk_package", "get_default_number_of_packages", "merge_requirements", "sdk_origin_url"},
    "azureml.core.compute_target.AbstractComputeTarget": {"deserialize_from_dict"},
    "azureml.core.compute_target.LocalTarget": {"deserialize_from_dict"},
}  # fmt: skip
EMPTY = inspect.Parameter.empty


def find(path):
    module, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


@pytest.fixture(scope="module")
def signatures():
    if not SIGNATURES.is_file():
        pytest.skip("the table of signatures is not here")
    return json.loads(SIGNATURES.read_text())


def parameters_of(function, bound):
    found = [p for p in inspect.signature(function).parameters.values()]
    return [(p.name, p.kind.name, None if p.default is EMPTY else repr(p.default)) for p in (found[1:] if bound else found)]


def wanted_parameters(entry):
    return [(p["name"], p["kind"], p["default_repr_or_null"]) for p in entry["params"]]


@pytest.mark.parametrize("path", CLASSES)
def test_members_are_azures(signatures, path):
    cls, problems, checked = find(path), [], 0
    sample = SAMPLES[path](cls) if path in SAMPLES else None
    own = {} if sample is None else vars(sample)
    missing = getattr(cls, "_missing", {})
    left_out = LEFT_OUT.get(path, set())
    for key, entry in signatures.items():
        name = key[len(path) + 1 :]
        if not key.startswith(path + ".") or "." in name:
            continue
        if name in OTHERWISE.get(path, ()):
            assert name in vars(cls)
            continue
        if name in left_out or name in missing:
            if name in vars(cls) or name in own:
                problems.append(f"{name} is there, but listed as left out")
            elif name in missing and sample is not None:
                with pytest.raises(NotImplementedError, match=f"{name} is not here: "):
                    getattr(sample, name)
            continue
        ours = inspect.getattr_static(cls, name, None)
        checked += 1
        if name in own and entry["binding"] in ("attribute", "property"):
            pass
        elif name not in dir(cls):
            problems.append(f"{name} is not there" + (" (is there a sample of the class?)" if entry["binding"] == "attribute" and sample is None else ""))
        elif entry["binding"] == "property":
            settable = isinstance(ours, property) and ours.fset is not None
            if entry.get("settable") and isinstance(ours, property) and not settable:
                problems.append(f"{name} cannot be set")
        elif entry["binding"] in ("method", "constructor", "classmethod", "staticmethod"):
            is_static, is_class = isinstance(ours, staticmethod), isinstance(ours, classmethod)
            if (entry["binding"] == "staticmethod") != is_static or (entry["binding"] == "classmethod") != is_class:
                problems.append(f"{name} is no {entry['binding']}")
                continue
            got = parameters_of(ours.__func__ if is_static or is_class else ours, bound=not is_static)
            if got != wanted_parameters(entry):
                problems.append(f"{name}{got} instead of {wanted_parameters(entry)}")
    assert checked and not problems, "\n".join(problems)


@pytest.mark.parametrize("path", FUNCTIONS)
def test_parameters_of_functions(signatures, path):
    assert parameters_of(find(path), bound=False) == wanted_parameters(signatures[path])


def test_exceptions_have_azures_family():
    children = {"ActivityFailed", "ComputeTarget", "DiscoveryUrlNotFound", "ExperimentExecution", "ModelNotFound", "ModelPathNotFound", "ProjectSystem",
                "RunConfiguration", "RunEnvironment", "Snapshot", "Training", "UserError", "Webservice", "Workspace", "WorkspacePrivateEndpoint", "ParallelRun",
                "AzureMLAggregated", "HyperDrive"}  # fmt: skip
    base = azureml.exceptions.AzureMLException
    assert children == {name[: -len("Exception")] for name, cls in vars(azureml.exceptions).items() if getattr(cls, "__bases__", None) == (base,)}
    assert azureml.exceptions.AuthenticationException.__bases__ == (azureml.exceptions.UserErrorException,)
    assert azureml.exceptions.HyperDriveConfigException.__bases__ == (azureml.exceptions.HyperDriveException,)
    assert not issubclass(azureml.exceptions.ServiceException, base)
    from azureml.core.compute_target import ComputeTargetException

    assert ComputeTargetException is azureml.exceptions.ComputeTargetException
    error = azureml.exceptions.UserErrorException("no", inner_exception=ValueError("x"))
    assert error.message == "no" and str(error.inner_exception) == "x" and '"code": "UserError"' in str(error) and "Message: no" in str(error)
    assert azureml.exceptions.AzureMLAggregatedException([error, ValueError("y")]).message == "no\ny"


# Modules whose names can be imported; their first use says what to do instead.
UNUSABLE = {"azureml.pipeline.core": "submit the steps one after the other", "azureml.pipeline.steps": "submit the steps one after the other",
            "azureml.train.hyperdrive": "submit one run for each combination", "azureml.core.webservice": "download them with Model.download"}  # fmt: skip


@pytest.mark.parametrize("module, said", UNUSABLE.items())
def test_what_has_no_counterpart_can_be_imported_but_not_used(signatures, module, said):
    wanted = {key[len(module) + 1 :].split(".")[0] for key in signatures if key.startswith(module + ".")} - {"graph"}
    found = importlib.import_module(module)
    assert wanted <= set(found.__all__)
    for name in wanted:
        with pytest.raises(NotImplementedError, match=f"{name} is not here: .*{said}"):
            getattr(found, name)("anything", some=1)
        if name[0].isupper():
            with pytest.raises(NotImplementedError, match=said):
                getattr(found, name).anything
        assert getattr(found, name).__module__ == module


def test_deployment_says_what_to_do():
    from azureml.core import Model, Webservice
    from azureml.core.model import InferenceConfig

    for use in (lambda: Model.deploy(None, "name", []), lambda: Webservice(None, "name"), lambda: InferenceConfig("score.py")):
        with pytest.raises(NotImplementedError, match="download them with Model.download"):
            use()


def test_names_that_are_not_here_say_why():
    with pytest.raises(ImportError, match="azureml.core.Keyvault is not here: there is no key vault"):
        from azureml.core import Keyvault  # noqa: F401
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        azureml.core.nonsense
    assert azureml.core.VERSION == azureml.core.__version__
    from azureml.core.runconfig import DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE

    assert DEFAULT_CPU_IMAGE.startswith("mcr.microsoft.com/azureml/") and DEFAULT_GPU_IMAGE != DEFAULT_CPU_IMAGE


ABSENT_NAMES = {
    "azureml.core": _not_here.CORE, "azureml.core.environment": _not_here.ENVIRONMENT_MODULE, "azureml.core.runconfig": _not_here.RUNCONFIG,
    "azureml.core.compute.compute": _not_here.COMPUTE_MODULE, "azureml.core.compute_target": _not_here.COMPUTE_TARGET, "azureml.data": _not_here.DATA,
    "azureml.data.dataset_factory": _not_here.DATASET_FACTORY,
}  # fmt: skip
ABSENT_MODULES = {"azureml.core.keyvault", "azureml.core.image", "azureml.core.profile", "azureml.core.databricks", "azureml.train.sklearn",
                  "azureml.pipeline.core.graph", "azureml.mlflow", "azureml.telemetry"}  # fmt: skip


def table_rows(heading):
    """The cells of the table behind a sentence of docs/azureml.md."""
    text = (PROJECT / "docs" / "azureml.md").read_text()
    rows = text[text.index(heading) :].split("\n\n")[1].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_every_member_that_is_left_out_has_its_reason_in_the_documentation():
    told, classes = {}, []
    for where, names, reason in table_rows("It finds these members absent"):
        classes = re.findall(r"`(\w+)`", where) or classes
        assert reason, names
        for each in classes:
            told.setdefault(each, set()).update(re.findall(r"`(\w+)`", names))
    assert told == {path.rpartition(".")[2]: names for path, names in LEFT_OUT.items()}


def test_every_name_of_a_module_is_there_or_says_why(signatures):
    """Beside the modules that the documentation names."""
    assert {name for row in table_rows("Modules that do not exist") for name in re.findall(r"`(azureml[\w.]+)`", row[0])} == ABSENT_MODULES
    documented = {row[0].strip("`"): row[1] for row in table_rows("Names of submodules whose import")}
    for module, reasons in ABSENT_NAMES.items():
        row = documented.get(module) or documented[module.rpartition(".")[0]]
        assert all(f"`{name}`" in row for name in reasons), module
    for key in signatures:
        parts = key.split(".")
        capital = next((i for i, part in enumerate(parts) if part[0].isupper()), len(parts) - 1)
        module, name = ".".join(parts[:capital]), parts[capital]
        if module in ABSENT_MODULES:
            with pytest.raises(ModuleNotFoundError):
                importlib.import_module(module)
        elif not module.startswith("azureml.core.run._"):
            try:
                getattr(importlib.import_module(module), name)
            except ImportError as error:
                assert str(error).startswith(f"{module}.{name} is not here: ")


def test_submodules_are_there_without_an_import_of_their_own():
    code = "import azureml.core; azureml.core.runconfig.RunConfiguration; azureml.core.authentication.TokenAuthentication; azureml.core.Workspace; print(dir(azureml.core))"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SDK)}, capture_output=True, text=True)
    assert done.returncode == 0 and "'Experiment'" in done.stdout, done.stderr


def test_an_import_pays_for_nothing_that_is_not_used():
    code = "import azureml.core, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SDK)}, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"http.client", "ssl", "email", "multiprocessing", "subprocess", "dataclasses", "azureml.core.run", "roost"}
