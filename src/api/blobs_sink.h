#pragma once

#include <memory>

#include "api/http_types.h"
#include "store/blobs.h"

namespace roost::api {

// Takes the body of POST /blobs: for each blob 32 bytes of digest, 8 bytes of length (little
// endian) and the content. Small blobs are gathered and made durable with one sync at the end;
// large ones go to disk as they come. A blob whose content has another digest refuses the stream.
std::unique_ptr<BodySink> MakeBlobsSink(store::Blobs& blobs);
// Takes the rest of one content behind its first `offset` bytes.
Result<std::unique_ptr<BodySink>> MakeContentSink(store::Blobs& blobs, const Digest& digest,
                                                  std::uint64_t offset);

}  // namespace roost::api
