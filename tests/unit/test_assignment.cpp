#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "orbweaver/assignment.h"

namespace orbweaver {
namespace {

std::vector<int64_t> assign(const std::vector<double>& cost, int64_t rows, int64_t columns) {
  Hungarian hungarian;
  const auto found = hungarian.solve(cost.data(), rows, columns, columns);
  return {found.begin(), found.end()};
}

double cost_of(const std::vector<double>& cost, const std::vector<int64_t>& columns, int64_t width) {
  double sum = 0;
  for (size_t r = 0; r < columns.size(); ++r)
    if (columns[r] >= 0) sum += cost[r * static_cast<size_t>(width) + static_cast<size_t>(columns[r])];
  return sum;
}

/// Least cost over all assignments, one permutation of the longer side after the other.
double least_cost(const std::vector<double>& cost, int64_t rows, int64_t columns) {
  const int64_t less = std::min(rows, columns), more = std::max(rows, columns);
  std::vector<int64_t> order(static_cast<size_t>(more));
  std::iota(order.begin(), order.end(), 0);
  double best = std::numeric_limits<double>::infinity();
  do {
    double sum = 0;
    for (int64_t i = 0; i < less; ++i) {
      const int64_t other = order[static_cast<size_t>(i)];
      sum += cost[static_cast<size_t>(rows <= columns ? i * columns + other : other * columns + i)];
    }
    best = std::min(best, sum);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

TEST(Hungarian, PassesOverAGreedyChoiceThatCostsMore) {
  // Taking the 1 first leaves 100; the 2 and the 3 together cost 5.
  EXPECT_EQ(assign({1, 2, 3, 100}, 2, 2), (std::vector<int64_t>{1, 0}));
}

TEST(Hungarian, LeavesOverWhatASmallerSideHasNoPartnerFor) {
  EXPECT_EQ(assign({5, 1, 9}, 1, 3), (std::vector<int64_t>{1}));
  EXPECT_EQ(assign({5, 1, 9}, 3, 1), (std::vector<int64_t>{-1, 0, -1}));
}

TEST(Hungarian, TakesEmptyProblems) {
  EXPECT_TRUE(assign({}, 0, 3).empty());
  EXPECT_EQ(assign({}, 2, 0), (std::vector<int64_t>{-1, -1}));
}

TEST(Hungarian, FindsTheLeastCostOfEveryShapeUpToSix) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> real(-1, 1);
  std::uniform_int_distribution<int> small(0, 3);  // many ties
  for (int64_t rows = 1; rows <= 6; ++rows)
    for (int64_t columns = 1; columns <= 6; ++columns)
      for (int trial = 0; trial < 6; ++trial) {
        std::vector<double> cost(static_cast<size_t>(rows * columns));
        for (double& entry : cost) entry = trial % 2 == 0 ? real(random) : small(random);
        const auto found = assign(cost, rows, columns);
        EXPECT_NEAR(cost_of(cost, found, columns), least_cost(cost, rows, columns), 1e-12);
        std::set<int64_t> taken;
        for (const int64_t column : found)
          if (column >= 0) taken.insert(column);
        EXPECT_EQ(static_cast<int64_t>(taken.size()), std::min(rows, columns));
      }
}

TEST(Hungarian, ReadsAPartOfALargerMatrix) {
  // Columns 1 and 3 of a matrix with rows of four, transposed by the steps.
  const std::vector<float> matrix{9, 1, 9, 2, 9, 3, 9, 100};
  Hungarian hungarian;
  const auto by_row = hungarian.solve(matrix.data() + 1, 2, 2, 4, 2);
  EXPECT_EQ(std::vector<int64_t>(by_row.begin(), by_row.end()), (std::vector<int64_t>{1, 0}));
  const auto by_column = hungarian.solve(matrix.data() + 1, 2, 2, 2, 4);
  EXPECT_EQ(std::vector<int64_t>(by_column.begin(), by_column.end()), (std::vector<int64_t>{1, 0}));
}

TEST(Hungarian, EndsWithSomeAssignmentWhenCostsAreNotFinite) {
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {nan, infinity, -infinity}) {
    for (const auto& cost : {std::vector<double>(9, bad), std::vector<double>{bad, 1, 2, 3, bad, 4, 5, 6, bad}}) {
      auto found = assign(cost, 3, 3);
      std::sort(found.begin(), found.end());
      EXPECT_EQ(found, (std::vector<int64_t>{0, 1, 2}));
    }
  }
}

}  // namespace
}  // namespace orbweaver
