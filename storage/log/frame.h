// The value under which a frame of records stands in a partition's log.
//
// Purpose: a header with the format and the chain hash in front of a serialized v1::Frame
// (docs/formats.md). Each chain hash covers its frame and, by its seed, all frames before: what is
// damaged, missing or out of order does not go unseen. Thread: plain functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace skein::storage::v1 {
class Frame;
}

namespace skein::storage {

inline constexpr uint8_t kFrameFormat = 1;
inline constexpr size_t kFrameHeaderSize = 9;  // format byte, chain hash

// The chain hash of a frame that follows one with the chain hash `previous`, 0 at the very first.
uint64_t ChainHash(std::string_view serialized_frame, uint64_t previous);

// Replaces *value by the frame's log value; returns its chain hash.
uint64_t EncodeFrame(const v1::Frame& frame, uint64_t previous, std::string* value);

// A log value taken apart. The view is into the value.
struct FrameView {
  uint64_t chain = 0;
  std::string_view serialized;
};

// Splits a value and verifies that it follows a frame with the chain hash `previous`. DataLoss: it
// is damaged, or another frame came before it; Unimplemented: of a format that is not known.
absl::Status OpenFrame(std::string_view value, uint64_t previous, FrameView* view);

// OpenFrame(), and the records in it. *chain is the frame's own.
absl::Status DecodeFrame(std::string_view value, uint64_t previous, v1::Frame* frame,
                         uint64_t* chain);

}  // namespace skein::storage
