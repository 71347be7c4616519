#include "api/dataset_json.h"

namespace roost::api {

Json DatasetJson(const store::Dataset& dataset) {
  Json paths = Json::array();
  for (const store::DatasetPath& path : dataset.paths) paths.push_back(spec::ToJson(path.place));
  return {{"dataset_id", dataset.id},
          {"name", TextOrNull(dataset.name)},
          {"version", dataset.version == 0 ? Json(nullptr) : Json(dataset.version)},
          {"type", "file"},
          {"description", dataset.description},
          {"tags", dataset.tags},
          {"paths", std::move(paths)},
          {"file_count", dataset.file_count},
          {"bytes", dataset.bytes},
          {"single_file", dataset.single_file},
          {"created_at", TimeJson(dataset.created_at)}};
}

void AddRunData(const std::vector<store::RunDataItem>& items, Json* run) {
  Json inputs = Json::array();
  Json outputs = Json::array();
  for (const store::RunDataItem& item : items) {
    (item.is_output ? outputs : inputs)
        .push_back({{"name", item.name},
                    {"dataset_id", TextOrNull(item.dataset_id)},
                    {"dataset_name", TextOrNull(item.dataset_name)},
                    {"version", item.version == 0 ? Json(nullptr) : Json(item.version)},
                    {"mode", item.mode},
                    {"mechanism", TextOrNull(item.mechanism)},
                    {"path_on_compute", TextOrNull(item.path_on_compute)},
                    {"datastore", TextOrNull(item.datastore)},
                    {"path", item.datastore.empty() ? Json(nullptr) : Json(item.path)}});
  }
  (*run)["inputs"] = std::move(inputs);
  (*run)["outputs"] = std::move(outputs);
}

void AddDatasetDetails(const std::vector<store::RunDataItem>& items, Json* details) {
  Json inputs = Json::array();
  Json outputs = Json::array();
  for (const store::RunDataItem& item : items) {
    if (item.dataset_id.empty()) continue;
    const Json dataset = {{"id", item.dataset_id},
                          {"name", TextOrNull(item.dataset_name)},
                          {"version", item.version == 0 ? Json(nullptr) : Json(item.version)}};
    if (item.is_output) {
      outputs.push_back({{"dataset", dataset},
                         {"outputType", "RunOutput"},
                         {"outputDetails", {{"outputName", item.name}}}});
    } else {
      const char* mechanism = item.mode == "download" ? "Download"
                              : item.mode == "direct" ? "Direct"
                                                      : "Mount";
      inputs.push_back({{"dataset", dataset},
                        {"consumptionDetails",
                         {{"type", "RunInput"},
                          {"inputName", item.name},
                          {"mechanism", mechanism},
                          {"pathOnCompute", TextOrNull(item.path_on_compute)}}}});
    }
  }
  (*details)["inputDatasets"] = std::move(inputs);
  (*details)["outputDatasets"] = std::move(outputs);
}

}  // namespace roost::api
