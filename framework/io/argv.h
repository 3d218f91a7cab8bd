// Words as posix_spawn takes them.
#pragma once

#include <string>
#include <vector>

namespace orbweaver {

/// Pointers to the words with a null behind them, valid as long as `words` is neither changed nor moved.
inline std::vector<char*> argv_of(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace orbweaver
