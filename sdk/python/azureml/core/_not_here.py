"""What Azure ML has and this server lacks: one error that names it and the way out."""

from __future__ import annotations

from typing import Any


class NotHereError(NotImplementedError, AttributeError):
    """Also an AttributeError, so that ``hasattr`` and ``getattr`` with a default see a name that is not there."""


_ENVIRONMENTS = "environments are not built on the server; use an interpreter that has the packages: environment.python.user_managed_dependencies = True"
_COMPUTE = "there are no compute clusters; runs execute on the server's machine: compute_target='local'"
_STORAGE = "storage at Azure is not reached; give a folder of the server's machine: Datastore.register_folder(workspace, name, path)"
_FILES = "a dataset is its files as they are; choose them by path in Dataset.File.from_files, or in the script"
_OLD = "it belongs to the oldest kind of datasets; use Dataset.File.from_files, Dataset.get_by_name and FileDataset.register"
TABULAR = "tables are kept as files; use Dataset.File and read them in the script, with pandas for example"
_SECRETS = "there is no key vault; give a secret to a run in its environment variables, or in a file on the server's machine"
_SERVICES = "models are not deployed; download them with Model.download"
_NETWORK = "there are no private endpoints; put a proxy in front of the server"

WORKSPACE = {
    "environments": _ENVIRONMENTS,
    "compute_targets": _COMPUTE,
    "get_default_compute_target": _COMPUTE,
    "get_default_keyvault": _SECRETS,
    "webservices": _SERVICES,
    "images": _SERVICES,
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
    "take_snapshot": "a run's snapshot is taken when it begins: Experiment.start_logging(snapshot_directory=...)",
    "clean": "the server removes a run's working folder by itself",
}
ENVIRONMENT = {
    "from_conda_specification": _ENVIRONMENTS,
    "from_pip_requirements": _ENVIRONMENTS,
    "from_existing_conda_environment": _ENVIRONMENTS + ", and python.interpreter_path is the conda environment's bin/python",
    "from_docker_image": _ENVIRONMENTS,
    "from_dockerfile": _ENVIRONMENTS,
    "from_docker_build_context": _ENVIRONMENTS,
    "get": _ENVIRONMENTS,
    "list": _ENVIRONMENTS,
    "register": _ENVIRONMENTS,
    "build": _ENVIRONMENTS,
    "build_local": _ENVIRONMENTS,
}
MODEL = {
    "deploy": _SERVICES,
    "package": _SERVICES,
    "profile": _SERVICES,
    "get_model_path": "models are not mounted; Model(workspace, name).download() gives the path of a copy",
    "get_sas_urls": "models have no signed addresses; download them with Model.download",
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
DATA = {
    "DataType": TABULAR,
    "HDFSOutputDatasetConfig": "there is no HDFS; use OutputFileDatasetConfig",
    "LinkFileOutputDatasetConfig": "an output is files; use OutputFileDatasetConfig",
    "LinkTabularOutputDatasetConfig": "an output is files; use OutputFileDatasetConfig",
}
CORE = {
    "ComputeTarget": _COMPUTE,
    "Keyvault": _SECRETS,
    "Webservice": _SERVICES,
    "Image": _SERVICES,
    "ContainerRegistry": "runs do not execute in containers",
    "LinkedService": "there are no linked services",
    "PrivateEndPoint": _NETWORK,
}


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
