// Positions of tokens as sinusoids, for the components that attend to tokens: they add them to the tokens, since
// attention alone does not see an order.
//
// Sinusoids and not a learned table: a table has the size of one grid and one longest caption, which are known to the
// first batch only, and an encoder at another image size would leave it useless.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "orbweaver/error.h"
#include "orbweaver/params.h"
#include "orbweaver/scene.h"

namespace {

struct PositionParams {
  enum class Layout { automatic, grid, class_grid, sequence, none };
  Layout image = Layout::automatic, text = Layout::sequence;
  int64_t finest_grid = 32;
  double base = 10000;

  static void describe(orbweaver::ParamSpec<PositionParams>& p) {
    p.field("image", &PositionParams::image,
            {{"auto", Layout::automatic},
             {"grid", Layout::grid},
             {"class_grid", Layout::class_grid},
             {"sequence", Layout::sequence},
             {"none", Layout::none}},
            "Where image tokens lie. grid: a square grid in reading order; class_grid: a class token without a place, "
            "then such a grid; sequence: one after the other; auto: the first of these three that their number allows");
    p.field("text", &PositionParams::text, {{"sequence", Layout::sequence}, {"none", Layout::none}},
            "Where word tokens lie");
    p.field("finest_grid", &PositionParams::finest_grid,
            "Grid: the shortest wave is two cells of an image cut into this many rows; the longest, two image sides")
        .range(2, 4096);
    p.field("base", &PositionParams::base, "Sequence: ratio of the longest wave to the shortest, which is 2 pi tokens")
        .range(2, 1e9);
  }
};

/// [L] coordinates -> [L, width]: their sines at each frequency, then their cosines; where width is odd the last cosine
/// is left out.
///
/// @param first, last  frequencies in radians per unit of the coordinates; those between are a geometric progression.
inline at::Tensor sinusoids(const at::Tensor& coordinates, int64_t width, double first, double last) {
  const int64_t waves = (width + 1) / 2;
  const at::Tensor steps =
      at::arange(waves, coordinates.options()) / static_cast<double>(std::max<int64_t>(waves - 1, 1));
  const at::Tensor frequencies = (steps * std::log(last / first)).exp() * first;
  const at::Tensor angles = coordinates.unsqueeze(1) * frequencies;
  return at::cat({angles.sin(), angles.cos()}, 1).narrow(1, 0, width);
}

/// [length, width] of the places 0, 1, ... in a sequence: wavelengths from 2 pi to base * 2 pi places (Vaswani et al.,
/// NeurIPS 2017, section 3.5).
inline at::Tensor sequence_positions(int64_t length, int64_t width, double base, const at::TensorOptions& options) {
  return sinusoids(at::arange(length, options), width, 1, 1 / base);
}

/// [side * side, width] of the cells of a square grid in reading order: sinusoids of the row in the first half, of the
/// column in the second. Coordinates are cell centres in image sides, so that a place has nearly the same code in a
/// coarse and in a fine grid.
inline at::Tensor grid_positions(int64_t side, int64_t width, int64_t finest_grid, const at::TensorOptions& options) {
  const double pi = std::acos(-1.0);
  const at::Tensor centres = (at::arange(side, options) + 0.5) / static_cast<double>(side);
  const auto codes = [&](int64_t entries) {
    return sinusoids(centres, entries, pi, pi * static_cast<double>(finest_grid));
  };
  const int64_t columns = width / 2, rows = width - columns;
  return at::cat({codes(rows).unsqueeze(1).expand({side, side, rows}),
                  codes(columns).unsqueeze(0).expand({side, side, columns})},
                 2)
      .reshape({side * side, width});
}

/// Adds positions to the tokens of one side.
///
/// Real tokens must come first in each row. Where rows have different numbers of them, each row has the grid of its
/// own number: padding moves no token.
class TokenPositions {
 public:
  /// @param component  who asks, in errors: "fusion lgff".
  TokenPositions(std::string component, const PositionParams& params, orbweaver::Side side)
      : component_(std::move(component)),
        params_(params),
        layout_(side == orbweaver::Side::image ? params.image : params.text) {}

  /// @param tokens  [B, T, D]
  /// @param mask    [B, T] bool, true at real tokens; undefined when all are.
  /// @throws InputError when the number of tokens is not that of the layout that was asked for.
  at::Tensor add(const at::Tensor& tokens, const at::Tensor& mask) const {
    using Layout = PositionParams::Layout;
    if (layout_ == Layout::none) return tokens;
    const int64_t longest = tokens.size(1), width = tokens.size(2);
    const auto options = tokens.options().requires_grad(false);
    if (layout_ == Layout::sequence || !mask.defined()) return tokens + table(longest, width, options);

    const at::Tensor counts = mask.sum(1).cpu();
    std::map<int64_t, at::Tensor> tables;
    std::vector<at::Tensor> rows;
    for (int64_t row = 0; row < counts.size(0); ++row) {
      const int64_t count = counts[row].item<int64_t>();
      const auto [known, added] = tables.try_emplace(count);
      if (added) known->second = at::constant_pad_nd(table(count, width, options), {0, 0, 0, longest - count});
      rows.push_back(known->second);
    }
    return tables.size() == 1 ? tokens + rows.front() : tokens + at::stack(rows);
  }

 private:
  /// [count, width]
  at::Tensor table(int64_t count, int64_t width, const at::TensorOptions& options) const {
    using Layout = PositionParams::Layout;
    const Layout layout = count == 0 ? Layout::sequence : resolved(count);
    if (layout == Layout::sequence) return sequence_positions(count, width, params_.base, options);
    if (layout == Layout::grid) return grid_positions(root(count), width, params_.finest_grid, options);
    const at::Tensor cells = grid_positions(root(count - 1), width, params_.finest_grid, options);
    return at::cat({at::zeros({1, width}, options), cells});
  }

  PositionParams::Layout resolved(int64_t count) const {
    using Layout = PositionParams::Layout;
    const bool grid = is_square(count), class_grid = is_square(count - 1);
    if (layout_ == Layout::automatic) return grid ? Layout::grid : class_grid ? Layout::class_grid : Layout::sequence;
    if ((layout_ == Layout::grid && !grid) || (layout_ == Layout::class_grid && !class_grid))
      throw orbweaver::InputError(component_ + ": positions.image is \"" +
                                  (layout_ == Layout::grid ? "grid" : "class_grid") + "\", but an image has " +
                                  std::to_string(count) + " tokens, not a square number" +
                                  (layout_ == Layout::grid ? "" : " and a class token") + "; use \"" +
                                  (grid         ? "grid"
                                   : class_grid ? "class_grid"
                                                : "sequence") +
                                  "\" or \"auto\"");
    return layout_;
  }

  static int64_t root(int64_t count) { return std::llround(std::sqrt(static_cast<double>(count))); }
  static bool is_square(int64_t count) { return count > 0 && root(count) * root(count) == count; }

  std::string component_;
  PositionParams params_;
  PositionParams::Layout layout_;
};

}  // namespace
