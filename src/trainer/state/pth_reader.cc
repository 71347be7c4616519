#include "trainer/state/pth_reader.h"

#include <utility>

#include "trainer/state/legacy_storages.h"
#include "trainer/state/mapped_file.h"
#include "trainer/state/pickle_tree.h"
#include "trainer/state/zip_reader.h"

namespace roost::trainer {
namespace {

// "ustar" stands here in a tar archive, the format of PyTorch before 0.1.10.
constexpr std::size_t kTarMagicAt = 257;

class ZipStorages : public Storages {
 public:
  ZipStorages(const ZipReader& zip, std::string_view folder) : zip_(zip), folder_(folder) {}
  Result<std::string_view> Find(std::string_view key) const override {
    return zip_.Read(std::string(folder_) + "data/" + std::string(key));
  }

 private:
  const ZipReader& zip_;
  std::string_view folder_;  // "archive/"
};

Result<StateValue> ParseZip(std::string_view bytes, std::shared_ptr<const void> owner) {
  ROOST_ASSIGN(const ZipReader zip, ZipReader::Open(bytes));
  ROOST_ASSIGN(const std::string_view pickle_name, zip.FindPickle());
  const std::string_view folder = pickle_name.substr(0, pickle_name.find('/') + 1);
  if (zip.Has(std::string(folder) + "constants.pkl")) {
    return Fail(ErrorCode::kInvalidArgument,
                "it is a TorchScript archive. Load it in Python with torch.jit.load and save its "
                "weights: torch.save(module.state_dict(), path).");
  }
  bool big_endian = false;
  if (const std::string name = std::string(folder) + "byteorder"; zip.Has(name)) {
    ROOST_ASSIGN(const std::string_view order, zip.Read(name));
    if (order != "little" && order != "big") {
      return Fail(ErrorCode::kInvalidArgument, "its byte order is neither little nor big.");
    }
    big_endian = order == "big";
  }
  ROOST_ASSIGN(const std::string_view content, zip.Read(pickle_name));
  if (content.size() > kMaxPickleBytes) {
    return Fail(ErrorCode::kTooLarge, "its data.pkl is larger than the limit of 256 MiB.");
  }
  std::size_t at = 0;
  ROOST_ASSIGN(const Pickle pickle, ReadPickle(content, &at));
  const ZipStorages storages(zip, folder);
  return BuildTree(pickle, storages,
                   {.owner = std::move(owner),
                    .copy_limit = bytes.size() + kSpareCopyBytes,
                    .text_limit = bytes.size() + kSpareCopyBytes,
                    .big_endian = big_endian});
}

Result<StateValue> ParseLegacy(std::string_view bytes, std::shared_ptr<const void> owner) {
  std::size_t at = 0;
  ROOST_TRY(SkipLegacyHeader(bytes, &at));
  ROOST_ASSIGN(const Pickle pickle, ReadPickle(bytes.substr(0, at + kMaxPickleBytes), &at));
  ROOST_ASSIGN(const LegacyStorages storages, LegacyStorages::Read(bytes, at, pickle));
  return BuildTree(pickle, storages,
                   {.owner = std::move(owner),
                    .copy_limit = bytes.size() + kSpareCopyBytes,
                    .text_limit = bytes.size() + kSpareCopyBytes,
                    .big_endian = false});
}

}  // namespace

Result<StateValue> ParsePth(std::string_view bytes, std::shared_ptr<const void> owner) {
  if (bytes.starts_with("PK\x03\x04")) return ParseZip(bytes, std::move(owner));
  if (IsLegacyPth(bytes)) return ParseLegacy(bytes, std::move(owner));
  if (bytes.size() > kTarMagicAt && bytes.substr(kTarMagicAt).starts_with("ustar")) {
    return Fail(ErrorCode::kInvalidArgument,
                "it is in the tar format of PyTorch before 0.1.10. Load it in Python with "
                "torch.load and save it again with torch.save.");
  }
  return Fail(ErrorCode::kInvalidArgument,
              "it is not what torch.save writes. Save the weights with "
              "torch.save(model.state_dict(), path).");
}

Result<StateValue> ReadPth(const fs::path& path) {
  ROOST_ASSIGN(const std::shared_ptr<const MappedFile> file, MappedFile::Open(path));
  Result<StateValue> value = ParsePth(file->bytes(), file);
  if (!value) {
    value.error().message = "Reading " + path.string() + ": " + value.error().message;
  }
  return value;
}

}  // namespace roost::trainer
