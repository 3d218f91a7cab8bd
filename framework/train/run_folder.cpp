#include "framework/train/run_folder.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
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

bool RunFolder::started() const { return fs::exists(config()); }

bool RunFolder::saved() const {
  for (const fs::path& file : {last(), best(), metrics(), record(), bad_batch()})
    if (fs::exists(file)) return true;
  return false;
}

void RunFolder::append_log(const std::string& line, std::time_t at) const {
  append(log(), fmt::format("{:%Y-%m-%d %H:%M:%S} {}\n", fmt::localtime(at), line));
}

void RunFolder::append_metrics(const Value& line) const { append(metrics(), to_json(line, -1) + "\n"); }

int64_t RunFolder::epochs() const { return fs::exists(metrics()) ? std::ssize(read_lines(metrics())) : 0; }

void RunFolder::keep_metrics_until(int64_t epoch) const {
  if (!fs::exists(metrics())) return;
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

void RunFolder::remove_results() const {
  std::vector<fs::path> files{last(), record(), best(), metrics(), bad_batch()};
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    if ((name.starts_with("ranks.") && name.ends_with(".safetensors")) ||
        (name.starts_with("scores.") && name.ends_with(".npy")))
      files.push_back(entry.path());
  }
  for (const fs::path& file : files) fs::remove(file);
}

RunClaim::RunClaim(const RunFolder& folder, bool locked) : folder_(folder), lock_(folder.lock()) {
  for (fs::path path = folder.path(); !path.empty() && !fs::exists(path); path = path.parent_path())
    made_folders_.push_back(path);
  if (!locked) take_lock();
  // Under the lock: until then they may have been another's.
  started_before_ = folder.started();
  for (const fs::path& path : {folder.config(), folder.log(), folder.tensorboard()})
    if (!fs::exists(path)) made_files_.push_back(path);
}

void RunClaim::take_lock() {
  const bool there_before = fs::exists(lock_.file());
  std::error_code ignored;  // the first file that is written tells why
  fs::create_directories(folder_.path(), ignored);
  switch (lock_.try_take()) {
    case FileLock::State::taken: return lock_.sign();
    case FileLock::State::held:
      throw InputError(
          fmt::format("{}: another training is at work in it (process {}); wait for its end, or choose another folder "
                      "with --out",
                      folder_.path().string(), lock_.holder()));
    case FileLock::State::unavailable:
      unlocked_ = fmt::format("{}: {}", lock_.file().string(), lock_.reason());
      if (!there_before) fs::remove(lock_.file(), ignored);
  }
}

void RunClaim::take_back() {
  std::error_code ignored;  // what cannot be removed was told by the error that ended the run
  const bool removes = !started_before_ && !folder_.saved();
  if (removes)
    for (const fs::path& path : made_files_) fs::remove_all(path, ignored);
  lock_.remove();
  if (removes)
    for (const fs::path& folder : made_folders_) fs::remove(folder, ignored);  // only where it is empty
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
