#include "trainer/state/legacy_storages.h"

#include "trainer/state/byte_reader.h"
#include "trainer/state/printable.h"

namespace roost::trainer {
namespace {

// LONG1 of torch's magic number 0x1950a86a20f9469cfc6c, behind the byte of the pickle protocol.
constexpr std::string_view kMagic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 13);
constexpr std::int64_t kVersion = 1001;

// Where the magic number stands: behind the byte pair of the protocol and, from protocol 4 on, the
// nine bytes of a frame.
std::size_t MagicAt(std::string_view bytes) {
  return bytes.size() > 2 && bytes[2] == '\x95' ? 11 : 2;
}

tl::unexpected<Error> Damaged(std::string what) {
  return Fail(ErrorCode::kInvalidArgument, "the file is damaged or cut short: " + what);
}

}  // namespace

bool IsLegacyPth(std::string_view bytes) {
  const std::size_t at = MagicAt(bytes);
  return bytes.size() > at && bytes[0] == '\x80' && bytes.substr(at).starts_with(kMagic);
}

Status SkipLegacyHeader(std::string_view bytes, std::size_t* at) {
  *at = MagicAt(bytes) + kMagic.size();
  ROOST_ASSIGN(const Pickle version, ReadPickle(bytes, at));
  if (version.nodes[version.root].kind != NodeKind::kInt ||
      version.nodes[version.root].number != kVersion) {
    return Damaged("its version is not 1001.");
  }
  ROOST_ASSIGN(const Pickle machine, ReadPickle(bytes, at));
  const PickleNode& facts = machine.nodes[machine.root];
  if (facts.kind != NodeKind::kDict) return Damaged("its header is missing.");
  for (std::size_t i = 0; i + 1 < facts.items.size(); i += 2) {
    if (machine.nodes[facts.items[i]].text == "little_endian" &&
        machine.nodes[facts.items[i + 1]].number == 0) {
      return Fail(ErrorCode::kInvalidArgument,
                  "it was written on a big-endian machine in the legacy format. Load it in Python "
                  "with torch.load and save it again with torch.save.");
    }
  }
  return {};
}

Result<LegacyStorages> LegacyStorages::Read(std::string_view bytes, std::size_t at,
                                            const Pickle& pickle) {
  std::unordered_map<std::string_view, std::size_t> element_bytes;
  for (const PickledStorage& storage : pickle.storages) {
    element_bytes.emplace(storage.key, storage.dtype ? DTypeSize(*storage.dtype) : 1);
  }
  ROOST_ASSIGN(const Pickle keys, ReadPickle(bytes, &at));
  if (keys.nodes[keys.root].kind != NodeKind::kList) return Damaged("its storages are not listed.");
  LegacyStorages found;
  ByteReader reader(bytes, at);
  for (const NodeId id : keys.nodes[keys.root].items) {
    // The key's text is found again in the pickle of the object, whose bytes last.
    const auto known = element_bytes.find(keys.nodes[id].text);
    if (known == element_bytes.end()) return Damaged("it lists a storage that no tensor has.");
    const std::uint64_t elements = reader.Get<std::uint64_t>();
    if (elements > reader.left() / known->second) return Damaged("its storages end too early.");
    const std::string_view content = reader.Take(elements * known->second);
    if (!reader.ok()) return Damaged("its storages end too early.");
    found.storages_.emplace(known->first, content);
  }
  return found;
}

Result<std::string_view> LegacyStorages::Find(std::string_view key) const {
  const auto found = storages_.find(key);
  if (found == storages_.end()) return Damaged("the storage " + Printable(key) + " is missing.");
  return found->second;
}

}  // namespace roost::trainer
