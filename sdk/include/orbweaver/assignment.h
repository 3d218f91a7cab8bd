// Minimum-cost assignment of rows to columns (Kuhn 1955), by shortest augmenting paths with dual prices (Jonker and
// Volgenant, Computing 1987; Crouse, IEEE T-AES 2016, for rectangles).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace orbweaver {
inline namespace v1 {

/// Solves many problems one after the other without allocating for each. Used by one thread per instance.
class Hungarian {
 public:
  /// Each row gets a column of its own, or each column a row where there are more rows than columns, such that the sum
  /// of the costs is least. O(min^2 max) steps.
  ///
  /// @param cost   entry (r, c) is cost[r * row_step + c * column_step]; not modified. Values that are not finite give
  ///               some assignment, never an endless search.
  /// @return       the column of each row, -1 for rows that are left over; valid until the next call.
  template <class T>
  std::span<const int64_t> solve(const T* cost, int64_t rows, int64_t columns, int64_t row_step,
                                 int64_t column_step = 1) {
    column_of_.assign(static_cast<size_t>(rows), -1);
    if (rows == 0 || columns == 0) return column_of_;
    const bool flipped = rows > columns;
    if (flipped) {
      match(cost, columns, rows, column_step, row_step);
    } else {
      match(cost, rows, columns, row_step, column_step);
    }
    for (int64_t place = 1; place <= std::max(rows, columns); ++place) {
      const int64_t taker = owner_[static_cast<size_t>(place)];
      if (taker == 0) continue;
      if (flipped)
        column_of_[static_cast<size_t>(place - 1)] = taker - 1;
      else
        column_of_[static_cast<size_t>(taker - 1)] = place - 1;
    }
    return column_of_;
  }

 private:
  /// `takers` <= `places`. Counted from 1: place 0 holds the taker that is being seated, owner 0 means a free place.
  template <class T>
  void match(const T* cost, int64_t takers, int64_t places, int64_t taker_step, int64_t place_step) {
    const size_t n = static_cast<size_t>(takers) + 1, m = static_cast<size_t>(places) + 1;
    taker_price_.assign(n, 0);
    place_price_.assign(m, 0);
    owner_.assign(m, 0);
    before_.resize(m);
    distance_.resize(m);
    reached_.resize(m);
    for (int64_t taker = 1; taker <= takers; ++taker) {
      owner_[0] = taker;
      std::fill(distance_.begin(), distance_.end(), std::numeric_limits<double>::infinity());
      std::fill(reached_.begin(), reached_.end(), 0);
      size_t place = 0;
      do {
        place = extend(cost, place, m, taker_step, place_step);
      } while (owner_[place] != 0);
      for (; place != 0; place = before_[place]) owner_[place] = owner_[before_[place]];
    }
  }

  /// Adds the place nearest to the tree of alternating paths; `last` was added before.
  template <class T>
  size_t extend(const T* cost, size_t last, size_t m, int64_t taker_step, int64_t place_step) {
    reached_[last] = 1;
    const size_t taker = static_cast<size_t>(owner_[last]);
    const T* row = cost + (static_cast<int64_t>(taker) - 1) * taker_step;
    const double price = taker_price_[taker];
    size_t nearest = 0;  // place 0 is reached from the start, so this means none yet
    for (size_t p = 1; p < m; ++p) {
      if (reached_[p]) continue;
      const double reduced =
          static_cast<double>(row[(static_cast<int64_t>(p) - 1) * place_step]) - price - place_price_[p];
      if (reduced < distance_[p]) {
        distance_[p] = reduced;
        before_[p] = last;
      } else if (distance_[p] == std::numeric_limits<double>::infinity()) {
        before_[p] = last;  // NaN and infinity: the path must still lead somewhere
      }
      if (nearest == 0 || distance_[p] < distance_[nearest]) nearest = p;
    }
    const double delta = distance_[nearest];
    for (size_t p = 0; p < m; ++p) {
      if (reached_[p]) {
        taker_price_[static_cast<size_t>(owner_[p])] += delta;
        place_price_[p] -= delta;
      } else {
        distance_[p] -= delta;
      }
    }
    return nearest;
  }

  std::vector<double> taker_price_, place_price_, distance_;
  std::vector<int64_t> owner_, column_of_;
  std::vector<size_t> before_;
  std::vector<char> reached_;
};

}  // namespace v1
}  // namespace orbweaver
