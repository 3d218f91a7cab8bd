// What commands print for people: formatted by fmt, control characters spelled out.
#pragma once

#include <fmt/format.h>

#include <utility>

#include "framework/cli/command.h"

namespace orbweaver {

template <class... T>
void print_out(fmt::format_string<T...> format, T&&... values) {
  print_text(stdout, fmt::format(format, std::forward<T>(values)...));
}
template <class... T>
void print_err(fmt::format_string<T...> format, T&&... values) {
  print_text(stderr, fmt::format(format, std::forward<T>(values)...));
}

}  // namespace orbweaver
