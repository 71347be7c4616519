#pragma once

#include "api/services.h"
#include "store/models.h"

// The source of a new version of a registered model: what clients may name, and what it leads to.
namespace roost::api::mlflow {

// INVALID_PARAMETER_VALUE for addresses with relative parts, and for paths of the machine that do
// not lie below the artifacts of the run that is named.
Status CheckSource(Services& services, const store::NewModelVersion& version);

// Requires: CheckSource. Fills in what the source leads to: the files that are here, which the
// version pins; for models:/ the place of that model's files, and its run. RESOURCE_DOES_NOT_EXIST
// for a logged model that is not there.
Status ResolveSource(Services& services, store::NewModelVersion* version);

// The logged model that the version was made of has its versions as a tag.
Status TellLoggedModel(Services& services, const store::ModelVersion& version);

}  // namespace roost::api::mlflow
