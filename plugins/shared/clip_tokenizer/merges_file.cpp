// Apart from the module code because it needs zlib and a JSON parser and no LibTorch.
#include "merges_file.h"

#include <zlib.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "orbweaver/error.h"

namespace orbweaver_clip {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file, const std::string& what) {
  throw orbweaver::InputError(file.string() + ": " + what);
}

// CLIP's merges have 3 MiB. A packed file can hold a thousand times its size.
constexpr size_t most_unpacked = size_t{8} << 20;

/// The content of a file, unpacked where it is gzip.
std::string read_packed(const fs::path& file) {
  // A pipe or a device may have no end.
  std::error_code none;
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> stream(
      fs::is_regular_file(file, none) ? gzopen(file.c_str(), "rb") : nullptr, gzclose);
  if (!stream)
    fail(file,
         "cannot be read; expected CLIP's merges (bpe_simple_vocab_16e6.txt.gz, merges.txt or "
         "tokenizer.json)");
  std::string content;
  char block[1 << 16];
  int size = 0;
  while ((size = gzread(stream.get(), block, sizeof block)) > 0) {
    content.append(block, static_cast<size_t>(size));
    if (content.size() > most_unpacked)
      fail(file, "holds more than " + std::to_string(most_unpacked >> 20) +
                     " MiB (unpacked, if it is packed), and CLIP's merges hold 3; it is another file, or damaged");
  }
  int code = Z_OK;
  const char* reason = gzerror(stream.get(), &code);
  if (size < 0 || (code != Z_OK && code != Z_STREAM_END)) fail(file, std::string("is damaged or truncated: ") + reason);
  return content;
}

/// A merge is a string "left right", or in newer files a list ["left", "right"].
std::string merge_line(const nlohmann::json& merge) {
  if (merge.is_string()) return merge.get<std::string>();
  return merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>();
}

std::string merges_of_json(const std::string& content, const fs::path& file) {
  try {
    const nlohmann::json tokenizer = nlohmann::json::parse(content);
    const nlohmann::json& model = tokenizer.at("model");
    if (model.value("end_of_word_suffix", nlohmann::json()) != "</w>")
      fail(file, "is a tokenizer without CLIP's word ending </w>");
    std::string merges;
    for (const nlohmann::json& merge : model.at("merges")) merges += merge_line(merge) + "\n";
    const size_t end = 513 + model.at("merges").size();
    if (model.at("vocab").value("<|endoftext|>", nlohmann::json()) != end)
      fail(file, "its <|endoftext|> is not id " + std::to_string(end) +
                     ", the one after its merges; it is no CLIP "
                     "tokenizer");
    return merges;
  } catch (const nlohmann::json::exception& error) {
    fail(file, std::string("is no tokenizer.json: ") + error.what());
  }
}

}  // namespace

std::string read_merges(const fs::path& file) {
  std::string content = read_packed(file);
  if (content.starts_with('{')) return merges_of_json(content, file);
  const size_t end = content.find('\n');
  if (end == std::string::npos) fail(file, "holds no merges, a line \"left right\" each");
  if (content.find("#version") < end) content.erase(0, end + 1);
  content.erase(std::remove(content.begin(), content.end(), '\r'), content.end());
  return content;
}

}  // namespace orbweaver_clip
