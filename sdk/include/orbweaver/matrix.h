// Matrices of the data plane: a view that owns nothing, and an owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace orbweaver {
inline namespace v1 {

/// A [rows, cols] window on numbers owned by somebody else. Row-major unless transposed; strides count elements.
template <class T>
class MatrixView {
 public:
  MatrixView() = default;
  MatrixView(T* data, int64_t rows, int64_t cols) : MatrixView(data, rows, cols, cols, 1) {}
  MatrixView(T* data, int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride)
      : data_(data), rows_(rows), cols_(cols), row_stride_(row_stride), col_stride_(col_stride) {}
  /// A view of mutable numbers serves as one of constant numbers.
  template <class U>
  requires(std::is_same_v<const U, T> && !std::is_same_v<U, T>) MatrixView(const MatrixView<U>& other)
      : MatrixView(other.data(), other.rows(), other.cols(), other.row_stride(), other.col_stride()) {}

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  int64_t row_stride() const { return row_stride_; }
  int64_t col_stride() const { return col_stride_; }
  bool empty() const { return rows_ == 0 || cols_ == 0; }
  T* data() const { return data_; }
  T& operator()(int64_t row, int64_t col) const { return data_[row * row_stride_ + col * col_stride_]; }
  /// The same numbers with rows and columns exchanged; nothing is copied.
  MatrixView transposed() const { return {data_, cols_, rows_, col_stride_, row_stride_}; }

 private:
  T* data_ = nullptr;
  int64_t rows_ = 0, cols_ = 0, row_stride_ = 0, col_stride_ = 1;
};

/// A row-major [rows, cols] matrix that owns its numbers, zero at first.
template <class T>
class Matrix {
 public:
  Matrix() = default;
  Matrix(int64_t rows, int64_t cols) : rows_(rows), cols_(cols), data_(static_cast<size_t>(rows * cols)) {}

  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  T& operator()(int64_t row, int64_t col) { return data_[static_cast<size_t>(row * cols_ + col)]; }
  const T& operator()(int64_t row, int64_t col) const { return data_[static_cast<size_t>(row * cols_ + col)]; }
  T* data() { return data_.data(); }
  const T* data() const { return data_.data(); }
  MatrixView<T> view() { return {data_.data(), rows_, cols_}; }
  MatrixView<const T> view() const { return {data_.data(), rows_, cols_}; }
  bool operator==(const Matrix& other) const = default;

 private:
  int64_t rows_ = 0, cols_ = 0;
  std::vector<T> data_;
};

}  // namespace v1
}  // namespace orbweaver
