#include "cli/terminal.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/strings.h"

namespace roost::cli {
namespace {

// Decodes one character of valid UTF-8 and moves `position` behind it.
char32_t NextCharacter(std::string_view text, std::size_t& position) {
  const auto lead = static_cast<unsigned char>(text[position++]);
  int more = 0;
  char32_t character = lead;
  if (lead >= 0xf0) {
    more = 3;
    character = lead & 0x07U;
  } else if (lead >= 0xe0) {
    more = 2;
    character = lead & 0x0fU;
  } else if (lead >= 0xc0) {
    more = 1;
    character = lead & 0x1fU;
  }
  for (; more > 0 && position < text.size(); --more) {
    character = (character << 6U) | (static_cast<unsigned char>(text[position++]) & 0x3fU);
  }
  return character;
}

using Range = std::pair<char32_t, char32_t>;

template <std::size_t N>
bool IsIn(const std::array<Range, N>& ranges, char32_t character) {
  for (const auto& [first, last] : ranges) {
    if (character >= first && character <= last) return true;
  }
  return false;
}

std::size_t WidthOf(char32_t character) {
  static constexpr std::array<Range, 6> kNoWidth{{{0x0300, 0x036f},
                                                  {0x1ab0, 0x1aff},
                                                  {0x200b, 0x200f},
                                                  {0x20d0, 0x20ff},
                                                  {0xfe00, 0xfe0f},
                                                  {0xfeff, 0xfeff}}};
  static constexpr std::array<Range, 9> kWide{{{0x1100, 0x115f},
                                               {0x2e80, 0xa4cf},
                                               {0xac00, 0xd7a3},
                                               {0xf900, 0xfaff},
                                               {0xfe30, 0xfe6f},
                                               {0xff00, 0xff60},
                                               {0xffe0, 0xffe6},
                                               {0x1f300, 0x1faff},
                                               {0x20000, 0x3fffd}}};
  if (IsIn(kNoWidth, character)) return 0;
  return IsIn(kWide, character) ? 2 : 1;
}

const char* CodeOf(Style style) {
  switch (style) {
    case Style::kGood:
      return "\033[32m";
    case Style::kBad:
      return "\033[31m";
    case Style::kBusy:
      return "\033[36m";
    case Style::kWarn:
      return "\033[33m";
    case Style::kDim:
      return "\033[2m";
    case Style::kBold:
      return "\033[1m";
    case Style::kPlain:
      return "";
  }
  return "";
}

Status WriteTo(int fd, std::string_view text, const char* doing) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Fail(ErrnoError(doing, errno));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// Read by the signal handler; written before it is installed.
std::string interrupt_message;
int interrupt_exit_code = 130;

void HandleInterrupt(int) {
  [[maybe_unused]] const ssize_t written =
      ::write(STDERR_FILENO, interrupt_message.data(), interrupt_message.size());
  ::_exit(interrupt_exit_code);
}

}  // namespace

bool IsTerminal(int fd) { return ::isatty(fd) == 1; }

std::size_t TerminalWidth() {
  if (!IsTerminal(STDOUT_FILENO)) return 0;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

bool UseColor(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0') return false;
  const char* term = std::getenv("TERM");
  return IsTerminal(fd) && (term == nullptr || std::strcmp(term, "dumb") != 0);
}

std::string Styled(std::string_view text, Style style, bool color) {
  if (!color || style == Style::kPlain || text.empty()) return std::string(text);
  return CodeOf(style) + std::string(text) + "\033[0m";
}

Style StyleOfStatus(std::string_view status) {
  if (status == "Completed") return Style::kGood;
  if (status == "Failed") return Style::kBad;
  if (status == "Canceled" || status == "CancelRequested") return Style::kWarn;
  if (status == "Running" || status == "Finalizing") return Style::kBusy;
  return Style::kDim;
}

std::size_t DisplayWidth(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < text.size();) width += WidthOf(NextCharacter(text, i));
  return width;
}

std::string CutToWidth(std::string_view text, std::size_t width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width == 0) return "";
  std::size_t used = 0;
  std::size_t end = 0;
  for (std::size_t i = 0; i < text.size(); end = i) {
    used += WidthOf(NextCharacter(text, i));
    if (used > width - 1) break;
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string OneLine(std::string_view text) {
  std::string line = ToValidUtf8(text);
  for (char& c : line) {
    const auto value = static_cast<unsigned char>(c);
    if (c == '\n' || c == '\t' || c == '\r') {
      c = ' ';
    } else if (value < 0x20 || value == 0x7f) {
      c = '?';
    }
  }
  return line;
}

Status WriteOut(std::string_view text) {
  return WriteTo(STDOUT_FILENO, text, "writing to standard output");
}
Status WriteErr(std::string_view text) {
  return WriteTo(STDERR_FILENO, text, "writing to standard error");
}

void Note(std::string_view text) { (void)WriteErr(fmt::format("roost: {}\n", text)); }

void PrintError(const Error& error) {
  const bool color = UseColor(STDERR_FILENO);
  std::string text = Styled("roost:", Style::kBad, color) + " " + error.message + "\n";
  for (const Problem& problem : error.details) {
    // A lone detail is often in the sentence already.
    const bool told = error.message.find(problem.message) != std::string::npos;
    if (told && error.details.size() == 1) continue;
    text += "  " + (problem.field.empty() ? "" : OneLine(problem.field) + ": ") + problem.message +
            "\n";
  }
  (void)WriteErr(text);
}

void OnInterrupt(std::string message, int exit_code) {
  struct sigaction action {};
  sigemptyset(&action.sa_mask);
  if (message.empty()) {
    action.sa_handler = SIG_DFL;
  } else {
    interrupt_message = std::move(message);
    interrupt_exit_code = exit_code;
    action.sa_handler = HandleInterrupt;
  }
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

ProgressBar::ProgressBar(std::string title)
    : title_(std::move(title)),
      active_(IsTerminal(STDERR_FILENO)),
      started_(std::chrono::steady_clock::now()),
      last_(started_) {}

ProgressBar::~ProgressBar() { Finish(); }

void ProgressBar::Update(std::uint64_t done, std::uint64_t total) {
  using std::chrono::milliseconds;
  const auto now = std::chrono::steady_clock::now();
  // Work that is done at once shows no bar at all.
  if (!active_ || now - started_ < milliseconds(300) || now - last_ < milliseconds(100)) return;
  last_ = now;
  drawn_ = true;
  std::string bar;
  if (total > 0) {
    constexpr std::size_t kCells = 24;
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    const auto full = static_cast<std::size_t>(share * kCells);
    bar = fmt::format("[{}{}] {:3.0f}%  {} of {}", std::string(full, '#'),
                      std::string(kCells - full, ' '), share * 100, FormatBytes(done),
                      FormatBytes(total));
  } else {
    bar = FormatBytes(done);
  }
  (void)WriteErr(fmt::format("\r\033[K{}  {}", CutToWidth(OneLine(title_), 40), bar));
}

void ProgressBar::Finish() {
  if (drawn_) (void)WriteErr("\r\033[K");
  drawn_ = false;
}

}  // namespace roost::cli
