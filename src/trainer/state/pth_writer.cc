#include "trainer/state/pth_writer.h"

#include <string>

#include "trainer/state/pickle_writer.h"
#include "trainer/state/zip_writer.h"

namespace roost::trainer {

Status WritePth(const fs::path& path, const StateValue& root) {
  Result<WrittenPickle> pickle = WritePickle(root);
  if (!pickle) {
    pickle.error().message = "Writing " + path.string() + ": " + pickle.error().message;
    return Fail(std::move(pickle.error()));
  }
  ROOST_ASSIGN(AtomicFile file, AtomicFile::Create(path));
  ZipWriter zip(&file);
  ROOST_TRY(zip.Add("archive/data.pkl", pickle->bytes));
  ROOST_TRY(zip.Add("archive/byteorder", "little"));
  for (std::size_t i = 0; i < pickle->storages.size(); ++i) {
    const std::span<const std::byte> bytes = pickle->storages[i];
    ROOST_TRY(zip.Add("archive/data/" + std::to_string(i),
                      {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  }
  ROOST_TRY(zip.Add("archive/version", "3\n"));  // of the format; torch.save writes 3
  ROOST_TRY(zip.Finish());
  return file.Commit();
}

}  // namespace roost::trainer
