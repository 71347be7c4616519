#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "trainer/folders/evaluate.h"

namespace roost::trainer {
namespace {

constexpr std::size_t kMaxLabels = 64;
constexpr std::size_t kLabelLetters = 20;  // longer labels end in "."

using Colour = std::array<std::uint8_t, 3>;
constexpr Colour kBlack = {0, 0, 0};
constexpr Colour kWhite = {255, 255, 255};
constexpr Colour kFull = {8, 48, 107};  // of a cell with all rows of its label

// Letters of 3 x 5 dots, one octal digit for each row from the top. Small letters are shown as
// capitals and unknown ones as '?'.
struct Glyph {
  char letter;
  unsigned dots;
};
constexpr Glyph kGlyphs[] = {
    {'0', 075557}, {'1', 026227}, {'2', 071747}, {'3', 071717}, {'4', 055711},  {'5', 074717},
    {'6', 074757}, {'7', 071111}, {'8', 075757}, {'9', 075717}, {'A', 025755},  {'B', 065656},
    {'C', 034443}, {'D', 065556}, {'E', 074647}, {'F', 074644}, {'G', 034553},  {'H', 055755},
    {'I', 072227}, {'J', 011152}, {'K', 055655}, {'L', 044447}, {'M', 057755},  {'N', 065555},
    {'O', 025552}, {'P', 065644}, {'Q', 025563}, {'R', 065655}, {'S', 034216},  {'T', 072222},
    {'U', 055557}, {'V', 055552}, {'W', 055775}, {'X', 055255}, {'Y', 055222},  {'Z', 071247},
    {'.', 000002}, {',', 000024}, {'-', 000700}, {'_', 000007}, {'%', 051245},  {'/', 011244},
    {'(', 012221}, {')', 042224}, {':', 002020}, {'+', 002720}, {'\'', 022000}, {'&', 025253},
    {' ', 000000}, {'?', 071202}};

unsigned DotsOf(char letter) {
  if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  for (const Glyph& glyph : kGlyphs) {
    if (glyph.letter == letter) return glyph.dots;
  }
  return DotsOf('?');
}

void Fill(Image& image, int left, int top, int width, int height, const Colour& colour) {
  for (int y = std::max(top, 0); y < std::min(top + height, image.height); ++y) {
    for (int x = std::max(left, 0); x < std::min(left + width, image.width); ++x) {
      std::copy(colour.begin(), colour.end(), image.Row(y) + x * 3);
    }
  }
}

constexpr int kAdvance = 4;  // dots from letter to letter

int WidthOf(const std::string& text, int scale) {
  return static_cast<int>(text.size()) * kAdvance * scale;
}

// Writes to the right, or upwards when `upwards`; (x, y) is where the first letter's top left (or,
// upwards, bottom left) corner is.
void Write(Image& image, int x, int y, const std::string& text, int scale, const Colour& colour,
           bool upwards = false) {
  int along = 0;
  for (const char letter : text) {
    const unsigned dots = DotsOf(letter);
    for (int row = 0; row < 5; ++row) {
      for (int column = 0; column < 3; ++column) {
        if ((dots >> static_cast<unsigned>((4 - row) * 3 + 2 - column) & 1U) == 0) continue;
        const int across = row * scale;
        const int ahead = along + column * scale;
        if (upwards) {
          Fill(image, x + across, y - ahead - scale, scale, scale, colour);
        } else {
          Fill(image, x + ahead, y + across, scale, scale, colour);
        }
      }
    }
    along += kAdvance * scale;
  }
}

// One letter for each character, so that "?" stands once for each that cannot be shown.
std::string Letters(const std::string& label) {
  std::string text;
  for (const char c : label) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0U) == 0x80U) continue;
    text += byte < 0x80U ? c : '?';
  }
  if (text.size() > kLabelLetters) text = text.substr(0, kLabelLetters - 1) + ".";
  return text;
}

Colour Shade(double share) {
  Colour colour{};
  for (std::size_t i = 0; i < 3; ++i) {
    colour[i] = static_cast<std::uint8_t>(255.0 + share * (kFull[i] - 255.0) + 0.5);
  }
  return colour;
}

}  // namespace

Image DrawConfusionMatrix(const ConfusionMatrix& confusion) {
  const auto n = static_cast<int>(confusion.labels.size());
  ROOST_CHECK(confusion.labels.size() <= kMaxLabels);
  constexpr int kMargin = 12;
  constexpr int kScale = 2;
  const int cell = std::clamp(480 / std::max(n, 1), 24, 72);
  std::vector<std::string> labels;
  int label_width = 0;
  for (const std::string& label : confusion.labels) {
    labels.push_back(Letters(label));
    label_width = std::max(label_width, WidthOf(labels.back(), kScale));
  }
  // From the left: the axis' name (written upwards), the labels, the cells.
  const int axis = 6 * kScale + kMargin;
  const int left = kMargin + axis + label_width + kMargin;
  const int top = kMargin;
  const int bottom = top + n * cell;
  const int width = std::max(left + n * cell, left + WidthOf("PREDICTED", kScale)) + kMargin;
  Image image = Image::Blank(width, bottom + kMargin + label_width + axis + kMargin, 255);

  for (int row = 0; row < n; ++row) {
    std::uint64_t sum = 0;
    for (int column = 0; column < n; ++column) {
      sum += confusion.At(static_cast<std::size_t>(row), static_cast<std::size_t>(column));
    }
    for (int column = 0; column < n; ++column) {
      const std::uint64_t count =
          confusion.At(static_cast<std::size_t>(row), static_cast<std::size_t>(column));
      const double share = sum == 0 ? 0 : static_cast<double>(count) / static_cast<double>(sum);
      const int x = left + column * cell;
      const int y = top + row * cell;
      Fill(image, x, y, cell, cell, {200, 200, 200});
      Fill(image, x + 1, y + 1, cell - 2, cell - 2, Shade(share));
      const std::string text = fmt::format("{:.2f}", share);
      const int scale = WidthOf(text, 2) + 4 <= cell ? 2 : 1;
      Write(image, x + (cell - WidthOf(text, scale) + scale) / 2, y + (cell - 5 * scale) / 2, text,
            scale, share > 0.5 ? kWhite : kBlack);
    }
    const std::string& label = labels[static_cast<std::size_t>(row)];
    Write(image, left - kMargin / 2 - WidthOf(label, kScale), top + row * cell + cell / 2 - 5,
          label, kScale, kBlack);
    Write(image, left + row * cell + cell / 2 - 5, bottom + kMargin / 2 + WidthOf(label, kScale),
          label, kScale, kBlack, true);
  }
  Write(image, kMargin, (top + bottom + WidthOf("TRUE", kScale)) / 2, "TRUE", kScale, kBlack, true);
  Write(image, left, image.height - kMargin - 5 * kScale, "PREDICTED", kScale, kBlack);
  return image;
}

}  // namespace roost::trainer
