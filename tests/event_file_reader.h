// A reader of TensorBoard event files that shares nothing with their writer: it follows the formats' descriptions.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "framework/io/files.h"

namespace orbweaver::testing {

struct ReadEvent {
  double wall_time = 0;
  int64_t step = 0;
  std::string file_version;
  int session_status = 0;
  std::map<std::string, float> scalars;
};

/// CRC-32C by division, most significant bit first, as the polynomial is written.
inline uint32_t crc32c_by_division(const std::string& bytes) {
  const auto reversed = [](uint32_t number, int bits) {
    uint32_t out = 0;
    for (int i = 0; i < bits; ++i) out |= (number >> i & 1) << (bits - 1 - i);
    return out;
  };
  uint32_t remainder = 0xffffffff;
  for (const char byte : bytes) {
    remainder ^= reversed(static_cast<unsigned char>(byte), 8) << 24;
    for (int i = 0; i < 8; ++i) remainder = remainder << 1 ^ (remainder >> 31 ? 0x1EDC6F41u : 0u);
  }
  return reversed(~remainder, 32);
}

/// A protobuf message taken apart: field number and content; numbers as their eight bytes.
class ProtobufFields {
 public:
  explicit ProtobufFields(std::string bytes) : bytes_(std::move(bytes)) {
    while (at_ < bytes_.size()) {
      const uint64_t key = varint();
      std::string content;
      if (key % 8 == 0) {
        const uint64_t number = varint();
        content.assign(reinterpret_cast<const char*>(&number), 8);
      } else {
        const uint64_t size = key % 8 == 1 ? 8 : key % 8 == 5 ? 4 : varint();
        content = bytes_.substr(at_, size);
        if (content.size() != size) throw std::runtime_error("a field is longer than its message");
        at_ += size;
      }
      fields.emplace_back(static_cast<int>(key / 8), content);
    }
  }
  std::vector<std::pair<int, std::string>> fields;

 private:
  uint64_t varint() {
    uint64_t number = 0, scale = 1;
    for (;; scale *= 128) {
      const unsigned byte = static_cast<unsigned char>(bytes_.at(at_++));
      number += byte % 128 * scale;
      if (byte < 128) return number;
    }
  }
  std::string bytes_;
  size_t at_ = 0;
};

/// The content of a field as a number of this machine, which is little-endian as the file is.
template <typename T>
T number_of(const std::string& content) {
  T number{};
  if (content.size() < sizeof number) throw std::runtime_error("a number is too short");
  std::memcpy(&number, content.data(), sizeof number);
  return number;
}

inline ReadEvent parse_event(const std::string& data) {
  ReadEvent out;
  for (const auto& [field, content] : ProtobufFields(data).fields) {
    if (field == 1) out.wall_time = number_of<double>(content);
    if (field == 2) out.step = number_of<int64_t>(content);
    if (field == 3) out.file_version = content;
    if (field == 5) {
      for (const auto& [one, value] : ProtobufFields(content).fields) {
        if (one != 1) throw std::runtime_error("a summary holds something else than values");
        std::string tag;
        float number = 0;
        for (const auto& [part, bytes] : ProtobufFields(value).fields) {
          if (part == 1) tag = bytes;
          if (part == 2) number = number_of<float>(bytes);
        }
        out.scalars[tag] = number;
      }
    }
    if (field == 7)
      out.session_status = static_cast<int>(number_of<int64_t>(ProtobufFields(content).fields.at(0).second));
  }
  return out;
}

/// The events of a file; a last record cut short is left out. @throws std::runtime_error on a wrong checksum.
inline std::vector<ReadEvent> read_event_file(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  const auto check = [](const std::string& content, uint32_t masked) {
    const uint32_t crc = crc32c_by_division(content);
    if ((crc / 0x8000u + crc * 0x20000u) + 0xa282ead8u != masked) throw std::runtime_error("a checksum is wrong");
  };
  std::vector<ReadEvent> events;
  size_t at = 0;
  while (bytes.size() - at >= 12) {
    const std::string length = bytes.substr(at, 8);
    check(length, number_of<uint32_t>(bytes.substr(at + 8, 4)));
    const auto size = number_of<uint64_t>(length);
    if (bytes.size() - at < 12 + size + 4) break;
    const std::string data = bytes.substr(at + 12, size);
    check(data, number_of<uint32_t>(bytes.substr(at + 12 + size, 4)));
    events.push_back(parse_event(data));
    at += 12 + size + 4;
  }
  return events;
}

/// The files of a folder that TensorBoard would read.
inline std::vector<std::filesystem::path> event_files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().find("tfevents") != std::string::npos) files.push_back(entry.path());
  return files;
}

}  // namespace orbweaver::testing
