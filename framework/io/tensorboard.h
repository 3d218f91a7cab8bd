// Event files of TensorBoard, written without its libraries: scalars over steps, as its "Scalars" page draws them.
//
// A file is a sequence of TFRecords: the data's length (8 bytes, little-endian), the masked CRC32C of those 8 bytes,
// the data, its masked CRC32C, with mask(c) = (c rotated right by 15) + 0xa282ead8. The data is a protobuf message
// `Event` (TensorFlow, core/lib/io/record_writer.h and core/util/event.proto), of which four fields are used: the first
// event names the format ("brain.Event:2"), the second is a SessionLog START, the others are summaries.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace orbweaver {

/// CRC-32C (Castagnoli, polynomial 0x1EDC6F41, reflected), not masked.
uint32_t crc32c(std::string_view bytes);

/// Tags and values. TensorBoard groups tags by what stands before the first slash.
using Scalars = std::vector<std::pair<std::string, double>>;

/// The one event file of a run. Every append is one write, so that a kill leaves at most a last record cut short, which
/// readers ignore.
class EventFile {
 public:
  /// Starts a new file in `folder`, which is made if need be. It begins with the events of the folder's file so far
  /// whose step is at most `last_step` (0: none), with the times they had; that file is then removed. So a resumed
  /// run shows no step twice, and a TensorBoard that is watching forgets at the START what it had read.
  /// @throws Error where it cannot be written.
  EventFile(const std::filesystem::path& folder, int64_t last_step);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// Adds an event at `step` (from 1; steps must not fall) and the time of day. TensorBoard keeps values as float32.
  void append(int64_t step, const Scalars& scalars);

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace orbweaver
