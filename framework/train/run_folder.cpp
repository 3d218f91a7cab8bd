#include "framework/train/run_folder.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <span>

#include "framework/io/files.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

void append(const std::filesystem::path& file, const std::string& text) {
  const int descriptor = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor < 0) throw Error(fmt::format("{}: cannot be written: {}", file.string(), std::strerror(errno)));
  try {
    write_all(descriptor, std::as_bytes(std::span(text)));
  } catch (const Error& cause) {
    close(descriptor);
    throw Error(fmt::format("{}: cannot be written: {}", file.string(), cause.what()));
  }
  close(descriptor);
}

}  // namespace

bool RunFolder::started() const { return std::filesystem::exists(config()); }

void RunFolder::append_log(const std::string& line) const {
  append(log(), fmt::format("{:%Y-%m-%d %H:%M:%S} {}\n", fmt::localtime(std::time(nullptr)), line));
}

void RunFolder::append_metrics(const Value& line) const { append(metrics(), to_json(line, -1) + "\n"); }

void RunFolder::keep_metrics_until(int64_t epoch) const {
  if (!std::filesystem::exists(metrics())) return;
  std::string kept;
  for (const std::string& line : read_lines(metrics())) {
    try {
      const Value entry = parse_json(line, metrics().string());
      if (const Value* at = entry.find("epoch"); at && at->as_int() <= epoch) kept += line + "\n";
    } catch (const InputError&) {
      continue;  // a line cut short by the kill; its epoch is run again
    }
  }
  write_atomically(metrics(), kept);
}

UnsavedRun::UnsavedRun(const RunFolder& folder) : folder_(folder), started_before_(folder.started()) {
  for (const fs::path& path : {folder.config(), folder.log(), folder.tensorboard()})
    if (!fs::exists(path)) made_.push_back(path);
  for (fs::path path = folder.path(); !path.empty() && !fs::exists(path); path = path.parent_path())
    made_.push_back(path);
}

void UnsavedRun::take_back() const {
  if (started_before_) return;
  for (const fs::path& file :
       {folder_.last(), folder_.best(), folder_.metrics(), folder_.record(), folder_.bad_batch()})
    if (fs::exists(file)) return;
  std::error_code ignored;  // what cannot be removed was told by the error that ended the run
  for (const fs::path& path : made_) {
    if (path == folder_.tensorboard())
      fs::remove_all(path, ignored);
    else
      fs::remove(path, ignored);  // a folder only where it is empty
  }
}

Scalars epoch_scalars(const Value& line) {
  Scalars out{{"loss/total", line.at("loss").as_double()}};
  if (const Value* parts = line.find("parts"))
    for (const auto& [name, value] : parts->as_object()) out.emplace_back("loss/" + name, value.as_double());
  for (const char* name : {"lr", "pairs_per_second"})
    out.emplace_back(fmt::format("train/{}", name), line.at(name).as_double());
  const Value* val = line.find("val");
  if (!val) return out;
  out.emplace_back("val/mR", val->at("mR").as_double());
  for (const char* direction : {"i2t", "t2i"})
    for (const char* metric : {"R@1", "R@5", "R@10"})
      out.emplace_back(fmt::format("val/{} {}", direction, metric), val->at(direction).at(metric).as_double());
  return out;
}

}  // namespace orbweaver
