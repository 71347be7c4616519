#include "spec/vm_sizes.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "spec/json_reader.h"

namespace roost::spec {
namespace {

struct Row {
  const char* name;
  int cpus;
  int gpus;
  double memory_gib;
};

constexpr Row kRows[] = {
    // A, D and E: for general use; v1 and v2 of D have 3.5 GiB a core.
    {"STANDARD_A1_V2", 1, 0, 2},
    {"STANDARD_A2_V2", 2, 0, 4},
    {"STANDARD_A4_V2", 4, 0, 8},
    {"STANDARD_A8_V2", 8, 0, 16},
    {"STANDARD_D1", 1, 0, 3.5},
    {"STANDARD_D2", 2, 0, 7},
    {"STANDARD_D3", 4, 0, 14},
    {"STANDARD_D4", 8, 0, 28},
    {"STANDARD_D11", 2, 0, 14},
    {"STANDARD_D12", 4, 0, 28},
    {"STANDARD_D13", 8, 0, 56},
    {"STANDARD_D14", 16, 0, 112},
    {"STANDARD_D1_V2", 1, 0, 3.5},
    {"STANDARD_D2_V2", 2, 0, 7},
    {"STANDARD_D3_V2", 4, 0, 14},
    {"STANDARD_D4_V2", 8, 0, 28},
    {"STANDARD_D5_V2", 16, 0, 56},
    {"STANDARD_D11_V2", 2, 0, 14},
    {"STANDARD_D12_V2", 4, 0, 28},
    {"STANDARD_D13_V2", 8, 0, 56},
    {"STANDARD_D14_V2", 16, 0, 112},
    {"STANDARD_D15_V2", 20, 0, 140},
    {"STANDARD_DS1_V2", 1, 0, 3.5},
    {"STANDARD_DS2_V2", 2, 0, 7},
    {"STANDARD_DS3_V2", 4, 0, 14},
    {"STANDARD_DS4_V2", 8, 0, 28},
    {"STANDARD_DS5_V2", 16, 0, 56},
    {"STANDARD_DS11_V2", 2, 0, 14},
    {"STANDARD_DS12_V2", 4, 0, 28},
    {"STANDARD_DS13_V2", 8, 0, 56},
    {"STANDARD_DS14_V2", 16, 0, 112},
    {"STANDARD_DS15_V2", 20, 0, 140},
    {"STANDARD_D2_V3", 2, 0, 8},
    {"STANDARD_D4_V3", 4, 0, 16},
    {"STANDARD_D8_V3", 8, 0, 32},
    {"STANDARD_D16_V3", 16, 0, 64},
    {"STANDARD_D32_V3", 32, 0, 128},
    {"STANDARD_D64_V3", 64, 0, 256},
    {"STANDARD_D2S_V3", 2, 0, 8},
    {"STANDARD_D4S_V3", 4, 0, 16},
    {"STANDARD_D8S_V3", 8, 0, 32},
    {"STANDARD_D16S_V3", 16, 0, 64},
    {"STANDARD_D32S_V3", 32, 0, 128},
    {"STANDARD_D64S_V3", 64, 0, 256},
    {"STANDARD_E2_V3", 2, 0, 16},
    {"STANDARD_E4_V3", 4, 0, 32},
    {"STANDARD_E8_V3", 8, 0, 64},
    {"STANDARD_E16_V3", 16, 0, 128},
    {"STANDARD_E32_V3", 32, 0, 256},
    {"STANDARD_E64_V3", 64, 0, 432},
    {"STANDARD_E2S_V3", 2, 0, 16},
    {"STANDARD_E4S_V3", 4, 0, 32},
    {"STANDARD_E8S_V3", 8, 0, 64},
    {"STANDARD_E16S_V3", 16, 0, 128},
    {"STANDARD_E32S_V3", 32, 0, 256},
    {"STANDARD_E64S_V3", 64, 0, 432},
    // F: fast cores, little memory.
    {"STANDARD_F2S_V2", 2, 0, 4},
    {"STANDARD_F4S_V2", 4, 0, 8},
    {"STANDARD_F8S_V2", 8, 0, 16},
    {"STANDARD_F16S_V2", 16, 0, 32},
    {"STANDARD_F32S_V2", 32, 0, 64},
    {"STANDARD_F64S_V2", 64, 0, 128},
    {"STANDARD_F72S_V2", 72, 0, 144},
    // NC, ND, NV: with GPUs.
    {"STANDARD_NC6", 6, 1, 56},
    {"STANDARD_NC12", 12, 2, 112},
    {"STANDARD_NC24", 24, 4, 224},
    {"STANDARD_NC24R", 24, 4, 224},
    {"STANDARD_NC6S_V2", 6, 1, 112},
    {"STANDARD_NC12S_V2", 12, 2, 224},
    {"STANDARD_NC24S_V2", 24, 4, 448},
    {"STANDARD_NC24RS_V2", 24, 4, 448},
    {"STANDARD_NC6S_V3", 6, 1, 112},
    {"STANDARD_NC12S_V3", 12, 2, 224},
    {"STANDARD_NC24S_V3", 24, 4, 448},
    {"STANDARD_NC24RS_V3", 24, 4, 448},
    {"STANDARD_NC4AS_T4_V3", 4, 1, 28},
    {"STANDARD_NC8AS_T4_V3", 8, 1, 56},
    {"STANDARD_NC16AS_T4_V3", 16, 1, 110},
    {"STANDARD_NC64AS_T4_V3", 64, 4, 440},
    {"STANDARD_NC24ADS_A100_V4", 24, 1, 220},
    {"STANDARD_NC48ADS_A100_V4", 48, 2, 440},
    {"STANDARD_NC96ADS_A100_V4", 96, 4, 880},
    {"STANDARD_ND6S", 6, 1, 112},
    {"STANDARD_ND12S", 12, 2, 224},
    {"STANDARD_ND24S", 24, 4, 448},
    {"STANDARD_ND24RS", 24, 4, 448},
    {"STANDARD_ND40RS_V2", 40, 8, 672},
    {"STANDARD_ND96ASR_V4", 96, 8, 900},
    {"STANDARD_ND96AMSR_A100_V4", 96, 8, 1900},
    {"STANDARD_ND96ISR_H100_V5", 96, 8, 1900},
    {"STANDARD_NV6", 6, 1, 56},
    {"STANDARD_NV12", 12, 2, 112},
    {"STANDARD_NV24", 24, 4, 224},
    {"STANDARD_NV12S_V3", 12, 1, 112},
    {"STANDARD_NV24S_V3", 24, 2, 224},
    {"STANDARD_NV48S_V3", 48, 4, 448},
};

std::string UpperCase(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

bool IsSizeName(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
}

VmSize ReadSize(JsonReader& reader) {
  VmSize size;
  std::int64_t cpus = 0, gpus = 0;
  if (reader.String("name", &size.name, {.required = true})) {
    size.name = UpperCase(size.name);
    if (!IsSizeName(size.name)) {
      reader.AddProblem("name", "must be 1 to 64 letters, digits, '_', '-' and '.'");
    }
  }
  for (const char* field : {"cpus", "memory_mb"}) {
    if (!reader.Has(field)) reader.AddProblem(field, "is required");
  }
  if (reader.Integer("cpus", &cpus, 1, 1'000'000)) size.cpus = static_cast<int>(cpus);
  if (reader.Integer("gpus", &gpus, 0, 1'000'000)) size.gpus = static_cast<int>(gpus);
  reader.Integer("memory_mb", &size.memory_mb, 1, 1'000'000'000'000);
  return size;
}

void SortByName(std::vector<VmSize>& sizes) {
  std::sort(sizes.begin(), sizes.end(),
            [](const VmSize& a, const VmSize& b) { return a.name < b.name; });
}

}  // namespace

std::vector<VmSize> ShippedVmSizes() {
  std::vector<VmSize> sizes;
  for (const Row& row : kRows) {
    sizes.push_back(
        {row.name, row.cpus, row.gpus, static_cast<std::int64_t>(row.memory_gib * 1024)});
  }
  SortByName(sizes);
  return sizes;
}

Result<std::vector<VmSize>> ParseVmSizes(const nlohmann::json& body) {
  std::vector<VmSize> sizes = ShippedVmSizes();
  JsonReader reader(body);
  if (!reader.Objects("items", [&](JsonReader& item) {
        const VmSize size = ReadSize(item);
        std::erase_if(sizes, [&](const VmSize& old) { return old.name == size.name; });
        sizes.push_back(size);
      })) {
    if (!reader.Has("items")) reader.AddProblem("items", "is required: the list of sizes");
  }
  ROOST_TRY(reader.Finish("The table of sizes is not valid"));
  SortByName(sizes);
  return sizes;
}

const VmSize* FindVmSize(const std::vector<VmSize>& sizes, std::string_view name) {
  const std::string wanted = UpperCase(name.empty() ? kDefaultVmSize : name);
  const auto found = std::find_if(sizes.begin(), sizes.end(),
                                  [&](const VmSize& size) { return size.name == wanted; });
  return found == sizes.end() ? nullptr : &*found;
}

}  // namespace roost::spec
