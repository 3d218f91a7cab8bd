// Loops of two threads. With an argument they count in one place, which ThreadSanitizer has to report; without, there
// is nothing to report (threads_for_tsan.cpp).
#include <cstdio>
#include <vector>

int main(int count, char**) {
  std::vector<int> values(1000);
  int counted = 0;
  for (int round = 0; round < 3; ++round) {
    for (int& value : values) value = round;
#pragma omp parallel for num_threads(2)
    for (int i = 0; i < 1000; ++i) {
      values[static_cast<size_t>(i)] += i;
      if (count > 1 && i % 100 == 0) ++counted;
    }
    for (int i = 0; i < 1000; ++i)
      if (values[static_cast<size_t>(i)] != round + i) return 1;
  }
  std::printf("%d\n", counted);
}
