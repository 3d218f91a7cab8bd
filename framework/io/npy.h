// NumPy's .npy files: two-dimensional matrices of float32 or float64.
#pragma once

#include <filesystem>
#include <string>
#include <variant>

#include "orbweaver/matrix.h"

namespace orbweaver {

using NpyMatrix = std::variant<Matrix<float>, Matrix<double>>;

/// Reads C or Fortran order, little or big endian; the result is row-major.
/// @throws InputError naming the file on anything else: another rank or dtype, a header or data cut short.
NpyMatrix read_npy(const std::filesystem::path& path);

/// Writes version 1.0, C order, little endian, atomically.
void write_npy(const std::filesystem::path& path, MatrixView<const float> matrix);
void write_npy(const std::filesystem::path& path, MatrixView<const double> matrix);

}  // namespace orbweaver
