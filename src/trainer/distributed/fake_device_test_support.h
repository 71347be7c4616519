#pragma once

#include <ATen/ops/zeros.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "trainer/cuda/device_collectives.h"

namespace roost::trainer {

// What the fake devices of two ranks, in one process, know of each other.
class FakeBoard {
 public:
  // Puts a rank's values down; the sum, or rank 0's, once both are there.
  void Put(int number, int rank, const at::Tensor& values) {
    const std::lock_guard lock(mutex_);
    works_[number][static_cast<std::size_t>(rank)] = values.clone();
  }
  at::Tensor Take(int number, bool sum) {
    const std::lock_guard lock(mutex_);
    const auto& [first, second] = works_[number];
    if (!first.defined() || !second.defined()) return {};
    return sum ? first.add(second) : first;
  }

 private:
  std::mutex mutex_;
  std::map<int, std::array<at::Tensor, 2>> works_;
};

// Takes the tensors of 32-bit floats, as if they lay on it. A work is ended by a later question
// than the one that finds the other rank's values.
class FakeDevice : public DeviceCollectives {
 public:
  FakeDevice(std::shared_ptr<FakeBoard> board, int rank) : board_(std::move(board)), rank_(rank) {}

  bool Takes(const at::Tensor& tensor) const override { return tensor.scalar_type() == at::kFloat; }
  std::unique_ptr<Work> Connect() override { return Begin(at::zeros({1}), true); }
  std::unique_ptr<Work> Sum(const at::Tensor& tensor) override { return Begin(tensor, true); }
  std::unique_ptr<Work> GiveFirst(const at::Tensor& tensor) override {
    return Begin(tensor, false);
  }
  void Abort() override { aborted_ = true; }

  int begun() const { return begun_; }
  bool aborted() const { return aborted_; }
  void Break() { broken_ = true; }  // what is under way and what comes fails

 private:
  class FakeWork : public Work {
   public:
    FakeWork(FakeDevice& device, int number, at::Tensor tensor, bool sum)
        : device_(device), number_(number), tensor_(std::move(tensor)), sum_(sum) {}
    Stage Ask() override {
      if (device_.aborted_ || device_.broken_) return Stage::kFailed;
      if (done_) return Stage::kDone;
      const at::Tensor result = device_.board_->Take(number_, sum_);
      if (result.defined()) {
        tensor_.copy_(result);
        done_ = true;
      }
      return Stage::kRunning;
    }
    std::string failure() const override { return "The link is down."; }
    void Abort() override { device_.Abort(); }

   private:
    FakeDevice& device_;
    const int number_;
    const at::Tensor tensor_;
    const bool sum_;
    bool done_ = false;
  };

  std::unique_ptr<Work> Begin(const at::Tensor& tensor, bool sum) {
    board_->Put(begun_, rank_, tensor);
    return std::make_unique<FakeWork>(*this, begun_++, tensor, sum);
  }

  const std::shared_ptr<FakeBoard> board_;
  const int rank_;
  int begun_ = 0;
  bool broken_ = false;
  bool aborted_ = false;
};

}  // namespace roost::trainer
