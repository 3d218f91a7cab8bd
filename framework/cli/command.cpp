#include "framework/cli/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "framework/io/json.h"
#include "framework/io/printable.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

std::string duration_text(double seconds) {
  const int64_t whole = std::lround(seconds);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace

void print_text(std::FILE* stream, std::string_view text) {
  const std::string shown = printable(text);
  if (std::fwrite(shown.data(), 1, shown.size(), stream) < shown.size() && stream == stdout)
    throw Error(fmt::format("standard output cannot be written: {}", std::strerror(errno)));
}

void print_json(const Value& value) { fmt::print("{}\n", printable_json(to_json(value))); }

bool on_terminal() {
  static const bool result = isatty(STDERR_FILENO) != 0;
  return result;
}

Progress::Progress(std::string what, int64_t total, std::string unit, int64_t done)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      before_(done),
      done_(done),
      start_(Clock::now()),
      last_print_(start_) {}

Progress::~Progress() {
  try {
    finish();
  } catch (...) {
    // Work that is done does not fail for its last line.
  }
}

void Progress::update(int64_t done, const std::string& note) {
  done_ = done;
  note_ = note;
  using namespace std::chrono_literals;
  const auto pause = on_terminal() ? Clock::duration(100ms) : Clock::duration(10s);
  if (Clock::now() - last_print_ < pause) return;
  print();
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  print();
  if (on_terminal()) fmt::print(stderr, "\n");
}

void Progress::drop() {
  finished_ = true;
  if (on_terminal() && printed_) fmt::print(stderr, "\r\033[K");
}

void Progress::print() {
  printed_ = true;
  last_print_ = Clock::now();
  const double seconds = std::chrono::duration<double>(last_print_ - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_ - before_) / seconds : 0;
  std::string line = fmt::format("{}: {}", what_, done_);
  if (total_ > 0) line += fmt::format("/{}", total_);
  line += fmt::format(" {}", unit_);
  if (rate > 0) line += fmt::format(", {:.3g}/s", rate);
  if (finished_)
    line += ", took " + duration_text(seconds);
  else if (total_ > 0 && rate > 0)
    line += fmt::format(", {} left", duration_text(static_cast<double>(total_ - done_) / rate));
  if (!note_.empty()) line += ", " + note_;
  // Carriage return and "erase to the end": the line is rewritten in place.
  if (on_terminal())
    fmt::print(stderr, "\r{}\033[K", printable(line));
  else
    print_text(stderr, line + "\n");
}

}  // namespace orbweaver
