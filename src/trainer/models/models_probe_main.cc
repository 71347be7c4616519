// Runs a model on a request in a .pth file and writes what came out to another, for the comparison
// with Python in tests/trainer/test_models.py:  models_probe REQUEST.pth ANSWER.pth
//
// Request: {"model", "classes", "seed"}: the answer has the fresh weights ("state"). Or {"model",
// "classes", "state", "images" (steps x N x 3 x H x W), "labels" (steps x N), "lr", "momentum",
// "weight_decay"}, with "fast" through the fused and Winograd paths: logits on the first batch in
// both modes, gradients and moved buffers of one step in float32, then the state after all steps of
// SGD with Nesterov momentum in float64.
#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include <cstdio>
#include <string>

#include "trainer/models/export.h"
#include "trainer/models/layers.h"
#include "trainer/models/model.h"
#include "trainer/models/pth.h"
#include "trainer/state/pth_reader.h"
#include "trainer/state/pth_writer.h"

namespace roost::trainer {
namespace {

template <class T>
Result<T> Get(const StateValue& request, const char* key) {
  const StateValue* value = request.Find(key);
  const T* found = value == nullptr ? nullptr : value->As<T>();
  if (found == nullptr) return Fail(ErrorCode::kInvalidArgument, std::string("No ") + key);
  return *found;
}

Status AddState(StateDict& answer, const char* key, const ModelState& state) {
  ROOST_ASSIGN(StateDict dict, FromTorch(state));
  answer.Set(key, std::move(dict));
  return {};
}

Status AddTensor(StateDict& answer, const char* key, const at::Tensor& tensor) {
  ROOST_ASSIGN(StateTensor converted, FromTorch(tensor));
  answer.Set(key, std::move(converted));
  return {};
}

struct Sgd {
  double rate, momentum, weight_decay;
  std::vector<at::Tensor> velocities{};

  // Nesterov's form as torch.optim.SGD has it.
  void Step(const ModelState& parameters) {
    const at::NoGradGuard no_history;
    velocities.resize(parameters.size());
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      at::Tensor weight = parameters[i].second;
      const at::Tensor gradient = weight.grad().add(weight, weight_decay);
      at::Tensor& velocity = velocities[i];
      velocity = velocity.defined() ? velocity.mul_(momentum).add_(gradient) : gradient.clone();
      weight.add_(gradient.add(velocity, momentum), -rate);
      weight.mutable_grad().reset();
    }
  }
};

Status Train(Classifier& model, const StateValue& request, StateDict& answer) {
  ROOST_ASSIGN(const StateDict dict, Get<StateDict>(request, "state"));
  ROOST_ASSIGN(const auto tensors, FindStateDict(dict));
  const ModelState start = ToTorch(tensors);
  ROOST_TRY(model.LoadState(start, "the request"));
  ROOST_ASSIGN(const StateTensor image_tensor, Get<StateTensor>(request, "images"));
  ROOST_ASSIGN(const StateTensor label_tensor, Get<StateTensor>(request, "labels"));
  at::Tensor images = ToTorch(image_tensor);
  const at::Tensor labels = ToTorch(label_tensor);
  if (request.Find("fast") != nullptr) {  // the layout that the fused and Winograd paths take
    model.ToChannelsLast();
    images = images.transpose(2, 3).transpose(3, 4).contiguous().transpose(3, 4).transpose(2, 3);
    UseWinograd(Winograd::kWhereverItFits);
  }

  model.SetTraining(false);
  {
    const at::NoGradGuard no_history;
    ROOST_TRY(AddTensor(answer, "eval_logits", model.Forward(images[0])));
  }
  model.SetTraining(true);
  const at::Tensor logits = model.Forward(images[0]);
  ROOST_TRY(AddTensor(answer, "train_logits", logits));
  at::cross_entropy_loss(logits, labels[0]).backward();
  ModelState gradients;
  for (const auto& [name, weight] : model.Parameters()) {
    gradients.emplace_back(name, weight.grad());
    weight.mutable_grad().reset();
  }
  ROOST_TRY(AddState(answer, "gradients", gradients));
  ModelState buffers;
  for (const auto& [name, tensor] : model.CopiedState()) {
    if (name.find("running_") != std::string::npos || name.ends_with("tracked")) {
      buffers.emplace_back(name, tensor);
    }
  }
  ROOST_TRY(AddState(answer, "buffers", buffers));

  ROOST_TRY(model.LoadState(start, "the request"));
  model.ToDtype(at::kDouble);
  ROOST_ASSIGN(const double rate, Get<double>(request, "lr"));
  ROOST_ASSIGN(const double momentum, Get<double>(request, "momentum"));
  ROOST_ASSIGN(const double weight_decay, Get<double>(request, "weight_decay"));
  Sgd sgd{rate, momentum, weight_decay};
  std::vector<double> losses;
  for (std::int64_t step = 0; step < images.size(0); ++step) {
    const at::Tensor loss =
        at::cross_entropy_loss(model.Forward(images[step].to(at::kDouble)), labels[step]);
    losses.push_back(loss.item<double>());
    loss.backward();
    sgd.Step(model.Parameters());
  }
  ROOST_TRY(AddTensor(answer, "losses", at::tensor(losses)));
  return AddState(answer, "after", model.State());
}

Status Export(Classifier& model, const StateValue& request, StateDict& answer) {
  ROOST_ASSIGN(const StateDict dict, Get<StateDict>(request, "state"));
  ROOST_ASSIGN(const auto tensors, FindStateDict(dict));
  ROOST_TRY(model.LoadState(ToTorch(tensors), "the request"));
  ROOST_ASSIGN(const StateTensor image_tensor, Get<StateTensor>(request, "images"));
  const at::Tensor images = ToTorch(image_tensor);
  ROOST_ASSIGN(const std::string path, Get<std::string>(request, "onnx"));
  ROOST_TRY(ExportOnnx(
      model, path,
      {.height = images.size(2), .width = images.size(3), .metadata = {{"classes", "a,b"}}}));
  model.SetTraining(false);
  const at::NoGradGuard no_history;
  return AddTensor(answer, "logits", model.Forward(images));
}

Status Run(const char* request_path, const char* answer_path) {
  ROOST_ASSIGN(const StateValue request, ReadPth(request_path));
  ROOST_ASSIGN(const std::string name, Get<std::string>(request, "model"));
  ROOST_ASSIGN(const std::int64_t classes, Get<std::int64_t>(request, "classes"));
  const StateValue* seed = request.Find("seed");
  if (seed != nullptr) at::manual_seed(static_cast<std::uint64_t>(*seed->As<std::int64_t>()));
  ROOST_ASSIGN(const auto model, Classifier::Make({.name = name, .num_classes = classes}));
  StateDict answer;
  if (seed != nullptr) {
    ROOST_TRY(AddState(answer, "state", model->State()));
  } else if (request.Find("onnx") != nullptr) {
    ROOST_TRY(Export(*model, request, answer));
  } else {
    ROOST_TRY(Train(*model, request, answer));
  }
  return WritePth(answer_path, std::move(answer));
}

}  // namespace
}  // namespace roost::trainer

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: models_probe REQUEST.pth ANSWER.pth\n");
    return 2;
  }
  const roost::Status status = roost::trainer::Run(argv[1], argv[2]);
  if (status) return 0;
  std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return 1;
}
