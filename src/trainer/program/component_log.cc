#include "trainer/program/component_log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <nlohmann/json.hpp>

namespace roost::trainer {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::milliseconds kBarInterval(200);
constexpr std::size_t kBarWidth = 24;

std::string Duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

// Names of files and classes may hold line feeds and what moves a terminal's cursor.
std::string InOneLine(const std::string& text) {
  std::string line;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\t' || (byte >= 0x20 && byte != 0x7F)) {
      line += c;
    } else {
      line += fmt::format("\\x{:02x}", byte);
    }
  }
  return line;
}

Json ToJson(const EpochReport& report) {
  return {{"event", "epoch"},
          {"epoch", report.epoch},
          {"learning_rate", report.learning_rate},
          {"train_ips", report.train_rate},
          {"train_loss", report.train_loss},
          {"train_error", report.train_error},
          {"valid_loss", report.valid_loss},
          {"top1_acc", report.top1},
          {"top5_acc", report.top5},
          {"seconds", report.seconds},
          {"wait_seconds", report.wait_seconds},
          {"unreadable_images", report.unreadable},
          {"best", report.best}};
}

}  // namespace

void LogLine(const std::string& text, const char* level) {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", &local);
  const std::string line = fmt::format("{},{:03} {:<20} {:<10} {}\n", stamp, milliseconds, "train",
                                       level, InOneLine(text));
  std::fputs(line.c_str(), stdout);
  std::fflush(stdout);  // a log that is followed
}

TrainLog::TrainLog(std::int64_t print_frequency, std::FILE* report_file, RunReport* run)
    : print_frequency_(print_frequency),
      report_file_(report_file),
      run_(run),
      terminal_(isatty(STDOUT_FILENO) != 0) {}

TrainLog::~TrainLog() {
  HideBar();
  std::fflush(stdout);
}

void TrainLog::OnStart(std::int64_t height, std::int64_t width, std::int64_t batches) {
  LogLine(fmt::format("Start training epochs. Images of {} x {} pixels, {} batches an epoch.",
                      width, height, batches));
  Tell({{"event", "start"}, {"height", height}, {"width", width}, {"batches", batches}});
}

void TrainLog::OnBatch(const BatchReport& report) {
  if (report.batch % print_frequency_ == 0) {
    HideBar();
    LogLine(fmt::format(
        "Epoch: [{}/{}]\tIter: [{}/{}]\tAvg_Time_Batch/Avg_Time_Epoch(s): {:.3f}/{:.3f}\t"
        "Avg_Ips_Batch/Avg_Ips_Epoch(img/s): {:.4f}/{:.4f}\tAvg_Loss_Batch/Avg_Loss_Epoch: "
        "{:.4f}/{:.4f}\tAvg_Error_Batch/Avg_Error_Epoch: {:.4f}/{:.4f}",
        report.epoch, report.epochs, report.batch, report.batches, report.seconds,
        report.mean_seconds, report.rate, report.mean_rate, report.loss, report.mean_loss,
        report.error, report.mean_error));
    Tell({{"event", "batch"},
          {"epoch", report.epoch},
          {"batch", report.batch},
          {"images_per_second", report.rate},
          {"loss", report.loss},
          {"error", report.error}});
  }
  if (terminal_) ShowBar(report);
}

void TrainLog::OnEpoch(const EpochReport& report) {
  HideBar();
  LogLine(
      fmt::format("Epoch {},train_ips: {:.2f},train_loss: {:.6f},train_error: {:.6f},valid_loss: "
                  "{:.5f},top1 acc: {:.5f},top5 acc: {:.5f}",
                  report.epoch, report.train_rate, report.train_loss, report.train_error,
                  report.valid_loss, report.top1, report.top5));
  if (report.best) LogLine("The best checkpoint is updated.");
  if (report.wait_seconds > 0.1 * report.seconds) {
    LogLine(fmt::format("The epoch waited {:.1f} of its {:.1f} s for images.", report.wait_seconds,
                        report.seconds),
            "WARNING");
  }
  Tell(ToJson(report));
  if (run_ == nullptr) return;
  const auto row = [&](const char* name, const char* column, double value) {
    run_->Entry(name, "row", {{"epoch", report.epoch}, {column, value}});
    run_->Point(column, value, report.epoch);
  };
  row("learning rate", "lr", report.learning_rate);
  row("Train images per second", "train_ips", report.train_rate);
  row("Train loss", "train_loss", report.train_loss);
  row("Train error", "train_error", report.train_error);
  row("Valid loss", "valid_loss", report.valid_loss);
  row("Top-1 validation accuracy", "top1_acc", report.top1);
  row("Top-5 validation accuracy", "top5_acc", report.top5);
}

void TrainLog::OnUnreadable(const std::string& sentence) {
  HideBar();
  LogLine("An image is left out: " + sentence, "WARNING");
  Tell({{"event", "unreadable"}, {"message", sentence}});
}

void TrainLog::OnNote(const std::string& sentence) {
  HideBar();
  LogLine(sentence);
  Tell({{"event", "note"}, {"message", sentence}});
}

void TrainLog::ShowBar(const BatchReport& report) {
  const auto now = std::chrono::steady_clock::now();
  if (now - bar_at_ < kBarInterval) return;
  bar_at_ = now;
  bar_ = true;
  const double done = static_cast<double>(report.batch + 1) /
                      static_cast<double>(std::max<std::int64_t>(report.batches, 1));
  const auto filled = static_cast<std::size_t>(done * static_cast<double>(kBarWidth));
  const double left = report.mean_seconds * static_cast<double>(report.batches - report.batch - 1);
  const std::string bar = std::string(filled, '#') + std::string(kBarWidth - filled, '.');
  std::fputs(fmt::format("\r\033[KEpoch {}/{} [{}] {:3.0f} %  {:.1f} img/s  loss {:.4f}  {} left",
                         report.epoch, report.epochs, bar, done * 100, report.mean_rate,
                         report.mean_loss, Duration(left))
                 .c_str(),
             stdout);
  std::fflush(stdout);
}

void TrainLog::HideBar() {
  if (!bar_) return;
  std::fputs("\r\033[K", stdout);
  bar_ = false;
}

void TrainLog::Tell(const Json& event) {
  if (report_file_ == nullptr) return;
  const std::string line = event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  const bool written =
      std::fputs(line.c_str(), report_file_) >= 0 && std::fflush(report_file_) == 0;
  if (written || report_lost_) return;
  report_lost_ = true;
  HideBar();
  LogLine(ErrnoError("writing the report", errno).message + ". Lines of it are missing.",
          "WARNING");
}

}  // namespace roost::trainer
