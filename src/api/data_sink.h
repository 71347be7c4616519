#pragma once

#include <memory>
#include <string>

#include "api/http_types.h"
#include "api/services.h"
#include "base/files.h"
#include "store/datastores.h"

namespace roost::api {

// Takes the body of PUT /datastores/{name}/files/{path} as it comes: into a blob and its row, or
// into a file beside its place, which is renamed when it is complete.
Result<std::unique_ptr<BodySink>> MakeDatastoreSink(Services& services,
                                                    const store::Datastore& datastore,
                                                    const std::string& path,
                                                    store::Datastores::Overwrite overwrite);

// The answer with a file of a folder. Its tag is made of size and time, since its content is not
// known.
Result<Response> AnswerFolderFile(const Request& request, const fs::path& file,
                                  const std::string& name);

}  // namespace roost::api
