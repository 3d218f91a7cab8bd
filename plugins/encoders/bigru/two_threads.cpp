// Apart from the module code because it is compiled with OpenMP: at::parallel_for runs serially in code that is not.
#include "two_threads.h"

#include <exception>

namespace orbweaver_bigru {

void on_two_threads(const std::function<void(int)>& task) {
  std::exception_ptr errors[2];
#pragma omp parallel for num_threads(2) schedule(static, 1)
  for (int i = 0; i < 2; ++i) {
    try {
      task(i);
    } catch (...) {  // an exception must not leave the parallel region
      errors[i] = std::current_exception();
    }
  }
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace orbweaver_bigru
