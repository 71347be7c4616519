#include "trainer/models/model.h"

#include <ATen/core/grad_mode.h>

#include <utility>

#include "trainer/models/densenet.h"
#include "trainer/models/layers.h"
#include "trainer/models/network.h"
#include "trainer/models/resnet.h"

namespace roost::trainer {
namespace {

constexpr std::string_view kBackbonePrefix = "model.";
constexpr const char* kAddedLayer = "out_linear_model";

std::shared_ptr<Network> MakeNetwork(const ModelOptions& options, ModelFamily family,
                                     std::int64_t outputs) {
  if (family == ModelFamily::kResNet) {
    return MakeResNet(options.name, outputs, options.zero_init_residual);
  }
  return MakeDenseNet(options.name, outputs, options.memory_efficient);
}

// Python's order: the module's own tensors before its children's.
void Collect(const torch::nn::Module& module, const std::string& prefix, bool buffers,
             ModelState& into) {
  for (const auto& item : module.named_parameters(/*recurse=*/false)) {
    into.emplace_back(prefix + item.key(), item.value());
  }
  if (buffers) {
    for (const auto& item : module.named_buffers(/*recurse=*/false)) {
      into.emplace_back(prefix + item.key(), item.value());
    }
  }
  for (const auto& child : module.named_children()) {
    Collect(*child.value(), prefix + child.key() + ".", buffers, into);
  }
}

ModelState WithNames(ModelState state, StateNames names) {
  if (names == StateNames::kDesigner) return state;
  for (auto& [name, tensor] : state) {
    if (name.starts_with(kBackbonePrefix)) name.erase(0, kBackbonePrefix.size());
  }
  return state;
}

}  // namespace

class Classifier::Wrapper : public Network {
 public:
  Wrapper(std::shared_ptr<Network> backbone, std::int64_t outputs, bool add_layer)
      : backbone_(register_module("model", std::move(backbone))), outputs_(outputs) {
    if (add_layer) {
      added_ = register_module(kAddedLayer, torch::nn::Linear(kImageNetClasses, outputs));
    }
  }

  at::Tensor forward(const at::Tensor& images) override {
    at::Tensor logits = backbone_->forward(images);
    return added_ ? added_->forward(logits) : logits;
  }
  int Describe(GraphBuilder& graph, int input, const std::string& prefix) const override {
    const int logits = backbone_->Describe(graph, input, prefix);
    return added_ ? DescribeLinear(graph, logits, prefix + kAddedLayer, added_) : logits;
  }

  const Network& backbone() const { return *backbone_; }
  bool has_added_layer() const { return !added_.is_empty(); }
  std::int64_t outputs() const { return outputs_; }

 private:
  std::shared_ptr<Network> backbone_;
  torch::nn::Linear added_{nullptr};
  std::int64_t outputs_;
};

Classifier::Classifier(ModelOptions options, std::shared_ptr<Wrapper> wrapper)
    : options_(std::move(options)), wrapper_(std::move(wrapper)) {}
Classifier::~Classifier() = default;

Result<std::unique_ptr<Classifier>> Classifier::Make(const ModelOptions& options) {
  ROOST_TRY(CheckModelOptions(options));
  ROOST_ASSIGN(const ModelFamily family, FamilyOf(options.name));
  const bool known = options.num_classes > 0;
  const std::int64_t outputs = known ? options.num_classes : kImageNetClasses;
  try {
    auto backbone = MakeNetwork(options, family, options.pretrained ? kImageNetClasses : outputs);
    auto wrapper =
        std::make_shared<Wrapper>(std::move(backbone), outputs, options.pretrained && known);
    return std::unique_ptr<Classifier>(new Classifier(options, std::move(wrapper)));
  } catch (const std::exception& error) {
    return Fail(ErrorCode::kExhausted,
                "Building " + options.name + " failed: " + std::string(error.what()));
  }
}

at::Tensor Classifier::Forward(const at::Tensor& images) { return wrapper_->forward(images); }

void Classifier::SetTraining(bool training) { wrapper_->train(training); }
bool Classifier::training() const { return wrapper_->is_training(); }

void Classifier::ToDtype(at::ScalarType dtype) { wrapper_->to(dtype); }
void Classifier::ToDevice(const at::Device& device) { wrapper_->to(device); }

void Classifier::ToChannelsLast() {
  for (auto& [name, tensor] : Parameters()) {
    if (tensor.dim() == 4) {
      tensor.set_data(tensor.detach().contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
}

std::int64_t Classifier::num_outputs() const { return wrapper_->outputs(); }

std::vector<std::pair<std::string, at::Tensor>> Classifier::Parameters() const {
  ModelState found;
  Collect(*wrapper_, "", /*buffers=*/false, found);
  return WithNames(std::move(found), StateNames::kTorchvision);
}

ModelState Classifier::State(StateNames names) const {
  ModelState found;
  Collect(*wrapper_, "", /*buffers=*/true, found);
  return WithNames(std::move(found), names);
}

ModelState Classifier::CopiedState(StateNames names) const {
  const at::NoGradGuard no_history;
  ModelState state = State(names);
  for (auto& [name, tensor] : state) {
    at::Tensor copy = at::empty(tensor.sizes(), tensor.options().device(at::kCPU));
    copy.copy_(tensor.detach());
    tensor = std::move(copy);
  }
  return state;
}

Status Classifier::LoadState(const ModelState& state, std::string_view source) {
  return CopyState(WithTorchvisionNames(state), State(), source, options_.name);
}

Status Classifier::LoadBackbone(const ModelState& state, std::string_view source) {
  ModelState own;
  Collect(wrapper_->backbone(), "", /*buffers=*/true, own);
  return CopyState(WithTorchvisionNames(state), own, source,
                   options_.name + " with ImageNet's classes");
}

bool Classifier::has_added_layer() const { return wrapper_->has_added_layer(); }

Result<Graph> Classifier::Describe(std::int64_t height, std::int64_t width) const {
  GraphBuilder graph(3, height, width);
  wrapper_->Describe(graph, GraphBuilder::kInput, "");
  return graph.Finish();
}

torch::nn::Module& Classifier::module() { return *wrapper_; }

}  // namespace roost::trainer
