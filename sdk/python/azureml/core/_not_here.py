"""What Azure ML has and this server lacks: one error that names it and the way out."""

from __future__ import annotations

from typing import Any


class NotHereError(NotImplementedError, AttributeError):
    """Also an AttributeError, so that ``hasattr`` and ``getattr`` with a default see a name that is not there."""


_COMPUTE = "runs have the target that they name: compute_target='local', or a cluster's name"
_ATTACHED = "the clusters are the server's own; make one with ComputeTarget.create"
_SPARK = "there is no Spark; a script may start its own, with pyspark among the environment's packages"
_STORAGE = "storage at Azure is not reached; give a folder of the server's machine: Datastore.register_folder(workspace, name, path)"
_FILES = "a dataset is its files as they are; choose them by path in Dataset.File.from_files, or in the script"
_OLD = "it belongs to the oldest kind of datasets; use Dataset.File.from_files, Dataset.get_by_name and FileDataset.register"
TABULAR = "tables are kept as files; use Dataset.File and read them in the script, with pandas for example"
_SECRETS = "there is no key vault; give a secret to a run in its environment variables, or in a file on the server's machine"
SERVICES = "models are not deployed; download them with Model.download, and serve them with a program of your choice"
PIPELINES = "there are no pipelines; submit the steps one after the other with ScriptRunConfig, each after wait_for_completion of the one before"
SEARCH = "there is no hyperparameter search; submit one run for each combination with ScriptRunConfig, or children of a run with Run.submit_child"
_NETWORK = "there are no private endpoints; put a proxy in front of the server"

WORKSPACE = {
    "get_default_compute_target": _COMPUTE,
    "get_default_keyvault": _SECRETS,
    "webservices": SERVICES,
    "images": SERVICES,
    "delete": "the workspace is the server itself; stop it and remove its data folder",
    "update": "a workspace has no settings of its own; its options are those of `roost serve`",
    "list_keys": "there are no storage keys; `roost tokens` makes and lists tokens",
    "sync_keys": "there are no storage keys; `roost tokens` makes and lists tokens",
    "private_endpoints": _NETWORK,
    "add_private_endpoint": _NETWORK,
    "linked_services": "there are no linked services",
}
RUN = {
    "get_secret": _SECRETS,
    "get_secrets": _SECRETS,
    "clean": "the server removes a run's working folder by itself",
}
ENVIRONMENT = {
    "from_docker_build_context": "a build is given a Dockerfile alone; use Environment.from_dockerfile",
    "add_private_pip_wheel": "the server keeps no wheels; name a file of the server's machine or an index in the requirements",
    "label": "environments have versions, and the label Latest for the newest",
    "spark": _SPARK,
    "databricks": _SPARK,
    "r": "there is no R section; name r-base among the conda packages and start Rscript with `command`",
}
COMPUTE = {
    "attach": _ATTACHED,
    "detach": _ATTACHED,
    "deserialize": "a cluster is read from the server: ComputeTarget(workspace, name)",
    "add_identity": "there are no managed identities; a run has what the server's user may do",
    "remove_identity": "there are no managed identities; a run has what the server's user may do",
    "list_quotas": "there are no quotas; the machine's size is the limit",
    "list_usages": "there are no quotas; the machine's size is the limit",
    "update_quotas": "there are no quotas; the machine's size is the limit",
}
MODEL = {
    "deploy": SERVICES,
    "package": SERVICES,
    "profile": SERVICES,
    "get_model_path": "models are not mounted; Model(workspace, name).download() gives the path of a copy",
    "get_sas_urls": "models have no signed addresses; download them with Model.download",
    "mime_type": "a model is files of any kind; see their names in what Model.download gives",
    **dict.fromkeys(["sample_input_dataset", "sample_output_dataset", "resource_configuration"], "models are not deployed, so what serves that is not kept; properties keep any text"),
}
DATASTORE = {
    "register_azure_data_lake": _STORAGE,
    "register_azure_data_lake_gen2": _STORAGE,
    "register_azure_my_sql": _STORAGE,
    "register_azure_postgre_sql": _STORAGE,
    "register_azure_sql_database": _STORAGE,
    "register_dbfs": _STORAGE,
    "register_hdfs": _STORAGE,
    "sas_token": "datastores have no credentials of their own; the server's tokens are those of `roost tokens`",
    "account_key": "datastores have no credentials of their own; the server's tokens are those of `roost tokens`",
    "blob_service": _STORAGE,
    "file_service": _STORAGE,
}
DATASET = {
    **dict.fromkeys(["archive", "auto_read_files", "compare_profiles", "create_snapshot", "definition", "definition_version", "delete_snapshot", "deprecate",
                     "description", "diff", "from_binary_files", "generate_profile", "get", "get_all_snapshots", "get_definition", "get_definitions",
                     "get_profile", "get_snapshot", "head", "id", "is_visible", "list", "name", "reactivate", "register", "sample", "state", "tags",
                     "update", "update_definition", "workspace", "Scenario"], _OLD),
    **dict.fromkeys(["from_delimited_files", "from_excel_files", "from_json_files", "from_pandas_dataframe", "from_parquet_files", "from_sql_query",
                     "to_pandas_dataframe", "to_spark_dataframe"], TABULAR),
}  # fmt: skip
ANY_DATASET = {"get_partition_key_values": _FILES}
FILE_DATASET = {
    **ANY_DATASET,
    **dict.fromkeys(["file_metadata", "filter", "random_split", "skip", "take", "take_sample"], _FILES),
    "as_cache": "there is no data cache; use as_mount or as_download",
    "hydrate": "there is no data cache; use as_mount or as_download",
    "as_hdfs": "there is no HDFS; use as_mount or as_download",
}
CONSUMPTION = {"as_hdfs": "there is no HDFS; use as_mount or as_download"}
OUTPUT = {"read_delimited_files": TABULAR, "read_parquet_files": TABULAR}
DATASET_FACTORY = {"DataType": TABULAR}
DATA = {
    "DataType": TABULAR,
    "HDFSOutputDatasetConfig": "there is no HDFS; use OutputFileDatasetConfig",
    "LinkFileOutputDatasetConfig": "an output is files; use OutputFileDatasetConfig",
    "LinkTabularOutputDatasetConfig": "an output is files; use OutputFileDatasetConfig",
}
CORE = {
    "Keyvault": _SECRETS,
    "Image": SERVICES,
    "LinkedService": "there are no linked services",
    "PrivateEndPoint": _NETWORK,
}


# Names of submodules.
RUNCONFIG = {
    "ApplicationEndpointConfiguration": "nobody logs in to a run; read its log, and its files with Run.download_file",
    "EnvironmentDefinition": "it is the old name of azureml.core.Environment; use that",
    "HdiConfiguration": _SPARK,
    "ParallelTaskConfiguration": "a run is one task; submit one run for each, also as children with Run.submit_child",
    "SparkConfiguration": _SPARK,
}
ENVIRONMENT_MODULE = {
    "DockerBuildContext": "a build is given a Dockerfile alone; use Environment.from_dockerfile",
    "DockerImagePlatform": "images are those of the server's own system and processor",
    "EnvironmentReference": "use the environment itself: Environment.get(workspace, name, version)",
    "RSection": ENVIRONMENT["r"],
    "SparkSection": _SPARK,
}
RUN_CONFIGURATION = {
    **dict.fromkeys(["auto_cluster_compute_specification", "kubernetescompute"], "runs are on the server's machine; its clusters are made with ComputeTarget.create"),
    "credential_passthrough": "there are no identities of Azure; a run has what the server's user may do",
    "datacaches": FILE_DATASET["as_cache"],
    "hdi": _SPARK,
    "paralleltask": RUNCONFIG["ParallelTaskConfiguration"],
    "services": RUNCONFIG["ApplicationEndpointConfiguration"],
    "source_directory_data_store": "the server keeps the source folder itself",
    "spark": _SPARK,
}
DOCKER_SECTION = {"platform": ENVIRONMENT_MODULE["DockerImagePlatform"]}
COMPUTE_MODULE = {
    "ComputeTargetAttachConfiguration": _ATTACHED,
    "ComputeTargetUpdateConfiguration": "AmlCompute.update takes the settings themselves",
}
COMPUTE_TARGET = dict.fromkeys(["is_compute_target_prepared", "prepare_compute_target"], "environments are prepared by the submit; Environment.build does it before")


def no_such_name(module: str, name: str, reasons: dict[str, str]) -> Exception:
    """What a module's ``__getattr__`` raises. For a known name it is no AttributeError, of which `from module import X` would keep the
    name alone."""
    if name in reasons:
        return ImportError(f"{module}.{name} is not here: {reasons[name]}.")
    return AttributeError(f"module '{module}' has no attribute '{name}'")


def not_here(what: str, why: str) -> NotHereError:
    return NotHereError(f"{what} is not here: {why}.")


class _Names(type):
    def __getattr__(cls, name: str) -> Any:
        for base in cls.__mro__:
            missing = base.__dict__.get("_missing", {})
            if name in missing:
                raise not_here(f"{base.__name__}.{name}", missing[name])
        raise AttributeError(f"{cls.__name__} has no attribute '{name}'")


class KnownMissing(metaclass=_Names):
    """Names in a class's ``_missing`` get the error that says so, on the class and on its objects."""

    _missing: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        for base in type(self).__mro__:
            missing = base.__dict__.get("_missing", {})
            if name in missing:
                raise not_here(f"{base.__name__}.{name}", missing[name])
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


class _Unusable(type):
    """A class that can be imported and named; everything else says what to use instead."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise not_here(cls.__name__, cls.__dict__["_why"])

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise not_here(f"{cls.__name__}.{name}", cls.__dict__["_why"])


def unusable_class(module: str, name: str, why: str) -> type:
    return _Unusable(name, (), {"__module__": module, "__doc__": f"Not here: {why}.", "_why": why})


def unusable_function(module: str, name: str, why: str) -> Any:
    def function(*args: Any, **kwargs: Any) -> Any:
        raise not_here(name, why)

    function.__name__ = function.__qualname__ = name
    function.__module__, function.__doc__ = module, f"Not here: {why}."
    return function
