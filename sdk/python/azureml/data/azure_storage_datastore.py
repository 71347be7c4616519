"""Azure ML's names of the kinds of datastores. One class serves all of them here."""

from __future__ import annotations

from azureml.core.datastore import Datastore

AbstractAzureStorageDatastore = AzureBlobDatastore = AzureFileDatastore = Datastore
