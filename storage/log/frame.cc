#include "storage/log/frame.h"

#include "absl/strings/str_cat.h"
#include "skein/storage/v1/record.pb.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace skein::storage {
namespace {

void StoreU64(uint64_t value, char* at) {
  for (int i = 0; i < 8; ++i)
    at[i] = static_cast<char>(value >> (8 * i) & 0xFF);
}

uint64_t LoadU64(const char* at) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i)
    value |= uint64_t{static_cast<uint8_t>(at[i])} << (8 * i);
  return value;
}

}  // namespace

uint64_t ChainHash(std::string_view serialized_frame, uint64_t previous) {
  return XXH3_64bits_withSeed(serialized_frame.data(), serialized_frame.size(), previous);
}

uint64_t EncodeFrame(const v1::Frame& frame, uint64_t previous, std::string* value) {
  value->assign(kFrameHeaderSize, '\0');
  frame.AppendToString(value);
  const std::string_view serialized = std::string_view(*value).substr(kFrameHeaderSize);
  const uint64_t chain = ChainHash(serialized, previous);
  (*value)[0] = static_cast<char>(kFrameFormat);
  StoreU64(chain, value->data() + 1);
  return chain;
}

absl::Status OpenFrame(std::string_view value, uint64_t previous, FrameView* view) {
  if (value.size() < kFrameHeaderSize) return absl::DataLossError("the frame is too short");
  const auto format = static_cast<uint8_t>(value[0]);
  if (format != kFrameFormat) {
    return absl::UnimplementedError(
        absl::StrCat("the frame has format ", format, ", known is ", kFrameFormat));
  }
  view->chain = LoadU64(value.data() + 1);
  view->serialized = value.substr(kFrameHeaderSize);
  if (ChainHash(view->serialized, previous) == view->chain) return absl::OkStatus();
  return absl::DataLossError("the chain hash does not fit");
}

absl::Status DecodeFrame(std::string_view value, uint64_t previous, v1::Frame* frame,
                         uint64_t* chain) {
  FrameView view;
  if (absl::Status status = OpenFrame(value, previous, &view); !status.ok()) return status;
  if (!frame->ParseFromArray(view.serialized.data(), static_cast<int>(view.serialized.size()))) {
    return absl::DataLossError("the frame's records cannot be read");
  }
  *chain = view.chain;
  return absl::OkStatus();
}

}  // namespace skein::storage
