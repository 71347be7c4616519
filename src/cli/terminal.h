#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace roost::cli {

// What the program may assume of where its output goes.
bool IsTerminal(int fd);
// Columns of the terminal on stdout; 0 when it is none (nothing is cut then).
std::size_t TerminalWidth();
// Colours are for terminals only, and never with NO_COLOR.
bool UseColor(int fd);

enum class Style { kPlain, kGood, kBad, kBusy, kWarn, kDim, kBold };
std::string Styled(std::string_view text, Style style, bool color);
Style StyleOfStatus(std::string_view status);

// Columns that a terminal needs for the text: 0 for combining marks, 2 for wide characters.
std::size_t DisplayWidth(std::string_view text);
// At most `width` columns, the last one '…' when something was cut.
std::string CutToWidth(std::string_view text, std::size_t width);
// One line without control characters, so that no name can steer the terminal.
std::string OneLine(std::string_view text);

// Writes everything to stdout; an error when the reader is gone.
Status WriteOut(std::string_view text);
// The same to stderr, for what is not the command's own output.
Status WriteErr(std::string_view text);
// "roost: <text>" on stderr.
void Note(std::string_view text);
void PrintError(const Error& error);

// From now on Ctrl-C (or TERM) writes `message` to stderr and ends the program with `exit_code`.
// An empty message gives the signals their usual effect back.
void OnInterrupt(std::string message, int exit_code);

// "sending  [######    ]  61%  12.3 MiB of 20.0 MiB" on stderr, when that is a terminal.
class ProgressBar {
 public:
  explicit ProgressBar(std::string title);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  void Update(std::uint64_t done, std::uint64_t total);
  void Finish();  // removes the bar

 private:
  std::string title_;
  bool active_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace roost::cli
