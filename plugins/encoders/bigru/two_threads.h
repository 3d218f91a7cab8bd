#pragma once

#include <functional>

namespace orbweaver_bigru {

/// Calls task(0) and task(1), on two threads of LibTorch's OpenMP team where it may use them; tensor operations inside
/// then use one thread each. An exception of a task is thrown again when both have ended.
__attribute__((visibility("hidden"))) void on_two_threads(const std::function<void(int)>& task);

}  // namespace orbweaver_bigru
