"""``azureml.data.TabularDataset``: the name alone, for scripts that compare types."""

from __future__ import annotations

from typing import Any

from azureml.core._not_here import TABULAR, KnownMissing, not_here


class TabularDataset(KnownMissing):
    """Tables are files here: none of these can be made."""

    def __init__(self) -> None:
        raise not_here("TabularDataset", TABULAR)


class TabularDatasetFactory(KnownMissing):
    """``Dataset.Tabular``: each of its calls says what to use."""

    _missing = dict.fromkeys(["from_delimited_files", "from_json_lines_files", "from_parquet_files", "from_sql_query", "register_dask_dataframe",
                              "register_pandas_dataframe", "register_spark_dataframe"], TABULAR)  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any):
        raise not_here("Dataset.Tabular", TABULAR)
