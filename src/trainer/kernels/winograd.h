#pragma once

#include <cstddef>

namespace roost::trainer {

// Convolutions with 3x3 windows, stride 1 and padding 1 by Winograd's method F(4x4, 3x3) (Lavin and
// Gray, arXiv:1509.09308): 16 results of a tile take 36 products instead of 144. Images are stored
// N x H x W x C.
//
// The points of interpolation are 0, 2/3, -2/3, 3/2, -3/2 and infinity. With the customary 0, 1,
// -1, 2, -2 rounding errors are twice as large (compare Barabasz et al., arXiv:1803.10986).

inline constexpr std::size_t kWinogradPoints = 36;
// Numbers of channels are multiples of it.
inline constexpr std::size_t kWinogradChannels = 16;

// True where the processor has what makes it pay: AVX-512.
bool HasFastWinograd();

struct WinogradShape {
  std::size_t images = 0;
  std::size_t height = 0;
  std::size_t width = 0;
  std::size_t in = 0;  // channels
  std::size_t out = 0;
  std::size_t TileRows() const { return (height + 3) / 4; }
  std::size_t TileColumns() const { return (width + 3) / 4; }
  std::size_t Tiles() const { return images * TileRows() * TileColumns(); }
};

// Nine matrices in x out, one for each place of the window from the upper left.
struct WinogradTaps {
  const float* data = nullptr;
  std::size_t tap_stride = 0;  // floats from one matrix to the next
  std::size_t row_stride = 0;  // from one input channel to the next
  bool turned = false;         // by 180 degrees: for the gradient of the input
};

// Turns weights into what WinogradConvolve multiplies with, 36 x in x out floats, for the input
// channels [first, last). Computed in double and rounded once.
void WinogradWeights(const WinogradTaps& taps, std::size_t in, std::size_t out, std::size_t first,
                     std::size_t last, float* points);

// Tiles that are worked on together, and the floats of scratch memory that this takes.
std::size_t WinogradBlock(const WinogradShape& shape);
std::size_t WinogradScratch(const WinogradShape& shape);

// y = the convolution of x, at at most WinogradBlock tiles from `first` on. Tiles are counted along
// rows, then columns, then images.
void WinogradConvolve(const WinogradShape& shape, const float* x, const float* points,
                      std::size_t first, std::size_t count, float* scratch, float* y);

// The gradient of the weights is a sum over tiles that is taken among the points: adds those of
// tiles [first, first + count) to `sums`, 36 x in x out floats. At most WinogradGradientBlock
// tiles.
std::size_t WinogradGradientBlock(const WinogradShape& shape);
std::size_t WinogradGradientScratch(const WinogradShape& shape);
void WinogradAddGradient(const WinogradShape& shape, const float* x, const float* gradient,
                         std::size_t first, std::size_t count, float* scratch, float* sums);
// Brings the sums back to weights, out x 3 x 3 x in (as channels-last weights lie), for output
// channels [first, last).
void WinogradGradient(const float* sums, std::size_t in, std::size_t out, std::size_t first,
                      std::size_t last, float* weight_gradient);

}  // namespace roost::trainer
