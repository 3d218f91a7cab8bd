#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "framework/io/files.h"
#include "framework/io/npy.h"
#include "orbweaver/error.h"
#include "tests/temporary_folder.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;

class NpyFile : public ::testing::Test {
 protected:
  fs::path path() const { return folder_ / "scores.npy"; }

  /// A file with that header dictionary and data, as NumPy lays it out.
  void save(const std::string& dictionary, const std::string& data, int version = 1) const {
    std::string file = "\x93NUMPY";
    file += {static_cast<char>(version), '\0'};
    const std::string header = dictionary + "\n";
    for (int i = 0; i < (version == 1 ? 2 : 4); ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xff);
    write_atomically(path(), std::string_view(file + header + data));
  }

  /// Without the sync of an atomic write: some tests write hundreds of files.
  void put(const std::string& content) const { std::ofstream(path(), std::ios::binary) << content; }

  std::string error() const {
    try {
      read_npy(path());
    } catch (const InputError& problem) {
      return problem.what();
    }
    return "";
  }

  testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

template <class T>
std::string bytes_of(std::initializer_list<T> numbers, bool swap = false) {
  std::string bytes;
  for (const T number : numbers) {
    char raw[sizeof(T)];
    std::memcpy(raw, &number, sizeof(T));
    if (swap) std::reverse(raw, raw + sizeof(T));
    bytes.append(raw, sizeof(T));
  }
  return bytes;
}

template <class T>
void expect_counting(const NpyMatrix& read) {
  const auto& matrix = std::get<Matrix<T>>(read);
  ASSERT_EQ(matrix.rows(), 2);
  ASSERT_EQ(matrix.cols(), 3);
  for (int64_t row = 0; row < 2; ++row)
    for (int64_t col = 0; col < 3; ++col) EXPECT_EQ(matrix(row, col), static_cast<T>(row * 3 + col + 0.5));
}

TEST_F(NpyFile, ReadsBothOrdersOfFloat32AndFloat64InBothByteOrders) {
  for (const bool big : {false, true}) {
    const std::string order = big ? ">" : "<";
    save("{'descr': '" + order + "f4', 'fortran_order': False, 'shape': (2, 3), }",
         bytes_of<float>({0.5, 1.5, 2.5, 3.5, 4.5, 5.5}, big));
    expect_counting<float>(read_npy(path()));
    save("{'descr': '" + order + "f8', 'fortran_order': True, 'shape': (2, 3), }",
         bytes_of<double>({0.5, 3.5, 1.5, 4.5, 2.5, 5.5}, big));
    expect_counting<double>(read_npy(path()));
  }
}

TEST_F(NpyFile, ReadsVersionsTwoAndThree) {
  for (const int version : {2, 3}) {
    save("{\"shape\": (2,3),\"fortran_order\":False,\"descr\": \"<f4\"}",
         bytes_of<float>({0.5, 1.5, 2.5, 3.5, 4.5, 5.5}), version);
    expect_counting<float>(read_npy(path()));
  }
}

TEST_F(NpyFile, WritesWhatItReads) {
  Matrix<double> matrix(3, 2);
  for (int i = 0; i < 6; ++i) matrix.data()[i] = 1.0 / (i + 3);
  write_npy(path(), std::as_const(matrix).view());
  EXPECT_EQ(std::get<Matrix<double>>(read_npy(path())), matrix);
  EXPECT_EQ(fs::file_size(path()), 128 + 48u) << "NumPy aligns the data to 64 bytes";
}

TEST_F(NpyFile, WritesATransposedViewInItsOwnOrder) {
  Matrix<float> matrix(2, 3);
  for (int i = 0; i < 6; ++i) matrix.data()[i] = static_cast<float>(i);
  write_npy(path(), std::as_const(matrix).view().transposed());
  const auto read = std::get<Matrix<float>>(read_npy(path()));
  EXPECT_EQ(read.rows(), 3);
  EXPECT_EQ(read(2, 1), 5);
  EXPECT_EQ(read(1, 0), 1);
}

TEST_F(NpyFile, ReadsAMatrixWithoutRows) {
  save("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", "");
  EXPECT_EQ(std::get<Matrix<float>>(read_npy(path())).cols(), 3);
}

TEST_F(NpyFile, RefusesOtherTypesAndShapesSayingWhatToDo) {
  save("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2), }", std::string(16, '\0'));
  EXPECT_NE(error().find("scores.npy: holds numbers of type \"<i8\", expected float32 or float64"), std::string::npos)
      << error();
  save("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 1), }", std::string(8, '\0'));
  EXPECT_NE(error().find("shape (1, 2, 1), expected a matrix (2 dimensions)"), std::string::npos) << error();
  save("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", std::string(8, '\0'));
  EXPECT_NE(error().find("shape (2,)"), std::string::npos) << error();
  save("{'descr': '|O', 'fortran_order': False, 'shape': (1, 2), }", std::string(8, '\0'));
  EXPECT_NE(error().find("\"|O\""), std::string::npos) << error();
  save("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 2), }", std::string(8, '\0'));
  EXPECT_NE(error().find("structured array"), std::string::npos) << error();
}

TEST_F(NpyFile, RefusesDataThatDoesNotFillTheShapeBeforeAllocating) {
  save("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", std::string(20, '\0'));
  EXPECT_NE(error().find("20 bytes of data"), std::string::npos) << error();
  save("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904), }", "");
  EXPECT_NE(error().find("cut short"), std::string::npos) << error();
  save("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999, 1), }", "");
  EXPECT_NE(error().find("does not fit 64 bits"), std::string::npos) << error();
}

TEST_F(NpyFile, RefusesEveryPrefixOfAFile) {
  save("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", bytes_of<float>({0, 1, 2, 3, 4, 5}));
  const std::string whole = read_file(path());
  for (size_t length = 0; length < whole.size(); ++length) {
    put(whole.substr(0, length));
    EXPECT_NE(error(), "") << length;
  }
}

TEST_F(NpyFile, RefusesMalformedHeaders) {
  const std::string data(24, '\0');
  for (const char* dictionary :
       {"", "{", "{}", "[]", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 6}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} more", "{'descr: 1}",
        "{'descr': '<f4', 'order': 'C', 'fortran_order': False, 'shape': (2, 3)}"}) {
    save(dictionary, data);
    EXPECT_NE(error().find("malformed .npy header"), std::string::npos) << dictionary << ": " << error();
  }
  write_atomically(path(), std::string_view("PK\3\4 this is an npz"));
  EXPECT_NE(error().find("is not a .npy file"), std::string::npos) << error();
}

}  // namespace
}  // namespace orbweaver
