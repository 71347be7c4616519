#include <webp/decode.h>

#include "trainer/images/codecs.h"

// https://developers.google.com/speed/webp/docs/riff_container
namespace roost::trainer {
namespace {

constexpr std::size_t kRiffHeader = 12;
constexpr std::size_t kChunkHeader = 8;
constexpr std::size_t kFrameHeader = 16;

struct Chunk {
  std::string_view name;
  std::string_view content;
  std::string_view whole;  // with its header and padding
};

// Takes the next chunk off `rest`; false when it is not all there.
bool NextChunk(std::string_view& rest, Chunk& chunk) {
  if (rest.size() < kChunkHeader) return false;
  const std::size_t size = Little32(rest, 4);
  if (size > rest.size() - kChunkHeader) return false;
  chunk.name = rest.substr(0, 4);
  chunk.content = rest.substr(kChunkHeader, size);
  chunk.whole = rest.substr(0, kChunkHeader + size + size % 2);
  rest.remove_prefix(chunk.whole.size());
  return true;
}

int Little24(std::string_view bytes, std::size_t at) {
  return static_cast<int>(Little16(bytes, at) | ByteAt(bytes, at + 2) << 16);
}

std::string LittleText(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xFF);
  return text;
}

// The first frame of an animation: where it stands on the canvas, and the same picture as a file of
// its own, which libwebp's plain decoder reads.
struct Frame {
  int left = 0;
  int top = 0;
  std::string file;
};

Result<Frame> FirstFrame(std::string_view bytes) {
  std::string_view rest = bytes.substr(kRiffHeader);
  Chunk chunk;
  while (NextChunk(rest, chunk)) {
    if (chunk.name != "ANMF") continue;
    if (chunk.content.size() < kFrameHeader) break;
    Frame frame{2 * Little24(chunk.content, 0), 2 * Little24(chunk.content, 3), {}};
    std::string_view parts = chunk.content.substr(kFrameHeader);
    std::string alpha;
    Chunk part;
    while (NextChunk(parts, part)) {
      if (part.name == "ALPH") alpha = part.whole;
      if (part.name != "VP8 " && part.name != "VP8L") continue;
      // With an alpha chunk the extended header has to announce it (flag 0x10) and the size.
      std::string body = "WEBP";
      if (!alpha.empty()) {
        body += "VP8X" + LittleText(10, 4) + LittleText(0x10, 4);
        body += std::string(chunk.content.substr(6, 6)) + alpha;
      }
      body += part.whole;
      frame.file = "RIFF" + LittleText(static_cast<std::uint32_t>(body.size()), 4) + body;
      return frame;
    }
    break;
  }
  return BadImage(ImageFormat::kWebp, "its animation has no first frame");
}

Result<WebPBitstreamFeatures> ReadFeatures(std::string_view bytes) {
  WebPBitstreamFeatures features;
  switch (WebPGetFeatures(Unsigned(bytes), bytes.size(), &features)) {
    case VP8_STATUS_OK:
      return features;
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return BadImage(ImageFormat::kWebp, "its data end early");
    default:
      return BadImage(ImageFormat::kWebp, "its header is damaged");
  }
}

Status DecodePicture(std::string_view bytes, std::uint8_t* to, std::size_t size, int stride) {
  if (WebPDecodeRGBInto(Unsigned(bytes), bytes.size(), to, size, stride) != nullptr) return {};
  return BadImage(ImageFormat::kWebp, "its data end early or are damaged");
}

}  // namespace

Result<ImageInfo> ProbeWebp(std::string_view bytes) {
  ROOST_ASSIGN(const WebPBitstreamFeatures features, ReadFeatures(bytes));
  return ImageInfo{features.width, features.height, ImageFormat::kWebp};
}

Result<DecodedImage> DecodeWebp(std::string_view bytes, const DecodeOptions& options) {
  ROOST_ASSIGN(const WebPBitstreamFeatures features, ReadFeatures(bytes));
  ROOST_TRY(CheckSize(features.width, features.height, ImageFormat::kWebp, options.limits));
  DecodedImage decoded;
  decoded.format = ImageFormat::kWebp;
  Image& image = decoded.image;
  image = Image::Blank(features.width, features.height);
  if (features.has_animation == 0) {
    ROOST_TRY(DecodePicture(bytes, image.pixels.data(), image.pixels.size(), image.width * 3));
    return decoded;
  }
  ROOST_ASSIGN(const Frame frame, FirstFrame(bytes));
  ROOST_ASSIGN(const WebPBitstreamFeatures part, ReadFeatures(frame.file));
  if (part.has_animation != 0 || frame.left > image.width - part.width ||
      frame.top > image.height - part.height) {
    return BadImage(ImageFormat::kWebp, "its first frame is outside the picture");
  }
  std::uint8_t* at = image.Row(frame.top) + static_cast<std::size_t>(frame.left) * 3;
  const std::size_t room = static_cast<std::size_t>(image.pixels.data() + image.pixels.size() - at);
  ROOST_TRY(DecodePicture(frame.file, at, room, image.width * 3));
  return decoded;
}

}  // namespace roost::trainer
