// Included first where clang-tidy reads LibTorch 1.13: its headers have a vector of a class that is not complete yet,
// which is an error to clang where vectors are constexpr, as in C++20. Here all but std::vector stays constexpr. For
// reading alone: nothing is compiled with it.
#include <algorithm>
#include <memory>
#include <string>
#ifdef _GLIBCXX20_CONSTEXPR
#undef _GLIBCXX20_CONSTEXPR
#define _GLIBCXX20_CONSTEXPR
#define __fill_a1 fill_a1_of_bits  // declared constexpr before, by <algorithm>
#include <vector>
#undef __fill_a1
#undef _GLIBCXX20_CONSTEXPR
#define _GLIBCXX20_CONSTEXPR constexpr
#endif
