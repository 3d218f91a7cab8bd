#include "framework/io/tensorboard.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>
#include <optional>
#include <span>

#include "framework/io/files.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

// "tfevents" is what TensorBoard looks for; it reads the files of a folder in the order of their names.
constexpr std::string_view prefix = "events.out.tfevents.";
constexpr std::string_view suffix = ".orbweaver";

// Field numbers of the protobuf messages.
namespace event {
constexpr int wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7;
}
namespace summary {
constexpr int value = 1, tag = 1, simple_value = 2;
}
namespace session_log {
constexpr int status = 1, start = 1;
}
// How a field is laid out.
enum Wire : uint64_t { varint = 0, fixed64 = 1, delimited = 2, fixed32 = 5 };

constexpr std::array<uint32_t, 256> crc_table = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
    table[byte] = crc;
  }
  return table;
}();

uint32_t masked_crc(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8u; }

/// The lowest `bytes` bytes of a number, little-endian.
std::string little_endian(uint64_t number, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(number >> (8 * i) & 0xff);
  return out;
}

std::string as_varint(uint64_t number) {
  std::string out;
  for (; number >= 0x80; number >>= 7) out += static_cast<char>(number | 0x80);
  return out += static_cast<char>(number);
}

std::string key(int field, Wire wire) { return as_varint(static_cast<uint64_t>(field) << 3 | wire); }
std::string number_field(int field, uint64_t number) { return key(field, varint) + as_varint(number); }
std::string double_field(int field, double value) {
  return key(field, fixed64) + little_endian(std::bit_cast<uint64_t>(value), 8);
}
std::string float_field(int field, float value) {
  return key(field, fixed32) + little_endian(std::bit_cast<uint32_t>(value), 4);
}
/// A text or a message.
std::string bytes_field(int field, std::string_view bytes) {
  return key(field, delimited) + as_varint(bytes.size()) + std::string(bytes);
}

std::string record(std::string_view data) {
  const std::string length = little_endian(data.size(), 8);
  return length + little_endian(masked_crc(length), 4) + std::string(data) + little_endian(masked_crc(data), 4);
}

std::string now_field() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return double_field(event::wall_time, std::chrono::duration<double>(now).count());
}

uint64_t from_little_endian(std::string_view bytes) {
  uint64_t number = 0;
  for (size_t i = bytes.size(); i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}

std::optional<uint64_t> take_varint(std::string_view& bytes) {
  uint64_t number = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    number |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return number;
  }
  return std::nullopt;
}

/// The step of an event that holds a summary; none for other events, and for data that is no event.
std::optional<int64_t> summary_step(std::string_view data) {
  int64_t step = 0;
  bool has_summary = false;
  while (!data.empty()) {
    const auto head = take_varint(data);
    if (!head) return std::nullopt;
    size_t size = 0;
    switch (*head & 7) {
      case varint: {
        const auto number = take_varint(data);
        if (!number) return std::nullopt;
        if (*head >> 3 == event::step) step = static_cast<int64_t>(*number);
        break;
      }
      case fixed64: size = 8; break;
      case fixed32: size = 4; break;
      case delimited: size = static_cast<size_t>(take_varint(data).value_or(data.size() + 1)); break;
      default: return std::nullopt;
    }
    if (size > data.size()) return std::nullopt;
    data.remove_prefix(size);
    has_summary = has_summary || *head >> 3 == event::summary;
  }
  return has_summary ? std::optional(step) : std::nullopt;
}

/// The records of an event file with summaries up to `last_step`, as they are; a damaged record ends the file.
std::string summaries_until(std::string_view file, int64_t last_step) {
  constexpr size_t head = 12, tail = 4;  // length and its checksum; the data's checksum
  std::string kept;
  while (file.size() >= head + tail) {
    const uint64_t size = from_little_endian(file.substr(0, 8));
    if (from_little_endian(file.substr(8, 4)) != masked_crc(file.substr(0, 8))) break;
    if (size > file.size() - head - tail) break;
    const std::string_view data = file.substr(head, size);
    if (from_little_endian(file.substr(head + size, tail)) != masked_crc(data)) break;
    const auto step = summary_step(data);
    if (step && *step <= last_step) kept += file.substr(0, head + size + tail);
    file.remove_prefix(head + size + tail);
  }
  return kept;
}

/// Our event files of a folder, oldest first.
std::vector<fs::path> event_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(suffix)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// The seconds of an event file's name.
int64_t stamp(const fs::path& file) {
  const std::string name = file.filename().string();
  int64_t seconds = 0;
  std::from_chars(name.data() + prefix.size(), name.data() + name.size(), seconds);
  return seconds;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char byte : bytes) crc = crc >> 8 ^ crc_table[(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  return ~crc;
}

EventFile::EventFile(const fs::path& folder, int64_t last_step) {
  std::string content = record(now_field() + bytes_field(event::file_version, "brain.Event:2"));
  // Without a step, that is, from step 0 on: what TensorBoard has read of earlier files counts no more.
  content +=
      record(now_field() + bytes_field(event::session_log, number_field(session_log::status, session_log::start)));
  int64_t seconds = static_cast<int64_t>(std::time(nullptr));
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(fmt::format("{}: cannot be made: {}", folder.string(), error.message()));
  const std::vector<fs::path> before = event_files(folder);
  if (!before.empty()) {
    // Each file held all that those before it did; several are left only by a kill just here.
    content += summaries_until(read_file(before.back()), last_step);
    seconds = std::max(seconds, stamp(before.back()) + 1);
  }
  path_ = folder / fmt::format("{}{:010}{}", prefix, seconds, suffix);
  // Not by its own name: TensorBoard would take the temporary file for events, too.
  write_atomically(folder / "next", content);
  fs::rename(folder / "next", path_);
  for (const fs::path& file : before) fs::remove(file);
  descriptor_ = open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor_ < 0) throw Error(fmt::format("{}: cannot be written: {}", path_.string(), std::strerror(errno)));
}

EventFile::~EventFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

void EventFile::append(int64_t step, const Scalars& scalars) {
  std::string values;
  for (const auto& [tag, value] : scalars)
    values += bytes_field(
        summary::value, bytes_field(summary::tag, tag) + float_field(summary::simple_value, static_cast<float>(value)));
  const std::string line = record(now_field() + number_field(event::step, static_cast<uint64_t>(step)) +
                                  bytes_field(event::summary, values));
  try {
    write_all(descriptor_, std::as_bytes(std::span(line)));
  } catch (const Error& cause) {
    throw Error(fmt::format("{}: cannot be written: {}", path_.string(), cause.what()));
  }
}

}  // namespace orbweaver
