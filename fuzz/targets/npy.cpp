// A .npy file. Bytes that begin with '{' are its header and, after a line "%%", its numbers: signature, version and
// length are then put in front, so that a header can be changed without them.
#include "framework/io/npy.h"

#include "fuzz/target.h"

namespace {

std::string with_signature(std::string_view bytes) {
  const std::vector<std::string_view> parts = orbweaver::fuzz::parts_of(bytes);
  const std::string_view header = parts[0];
  std::string file("\x93NUMPY\1\0", 8);
  file += {static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8 & 0xff)};
  file += header;
  if (parts.size() > 1) file += bytes.substr(static_cast<size_t>(parts[1].data() - bytes.data()));
  return file;
}

}  // namespace

void orbweaver::fuzz::npy(std::string_view bytes) {
  const NpyMatrix matrix =
      read_npy(input_file("input.npy", bytes.starts_with('{') ? with_signature(bytes) : std::string(bytes)));
  std::visit(
      [&](const auto& numbers) {
        const auto size = static_cast<uint64_t>(numbers.rows()) * static_cast<uint64_t>(numbers.cols());
        demand(size <= bytes.size(), "a matrix holds no more numbers than its file");
      },
      matrix);
}
