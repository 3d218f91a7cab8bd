// Scores as a trained model gives them: images of 30 classes, one class after another, and captions near their image.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>

#include "orbweaver/matrix.h"

namespace orbweaver::bench {

/// Embeddings of unit length, one a column: [width, items].
struct Embeddings {
  static constexpr int64_t width = 16;
  Matrix<float> columns;
  std::mt19937 random;
  std::normal_distribution<float> normal;

  Embeddings(int64_t items, unsigned seed) : columns(width, items), random(seed) {}

  /// Images around the centres of their classes.
  static Embeddings images(int64_t count) {
    Embeddings made(count, 1);
    Matrix<float> centres(30, width);
    for (int64_t i = 0; i < 30 * width; ++i) centres.data()[i] = made.normal(made.random);
    for (int64_t item = 0; item < count; ++item)
      made.fill(item, [&](int64_t at) { return centres(item * 30 / count, at); });
    return made;
  }

  /// `count` captions, the same number for each image and those of one image together.
  static Embeddings captions(const Embeddings& images, int64_t count) {
    Embeddings made(count, 2);
    for (int64_t item = 0; item < count; ++item)
      made.fill(item, [&](int64_t at) { return 4 * images.columns(at, item * images.columns.cols() / count); });
    return made;
  }

 private:
  template <class Centre>
  void fill(int64_t item, Centre&& centre) {
    float square = 0;
    for (int64_t at = 0; at < width; ++at) {
      columns(at, item) = centre(at) + normal(random);
      square += columns(at, item) * columns(at, item);
    }
    for (int64_t at = 0; at < width; ++at) columns(at, item) /= std::sqrt(square);
  }
};

/// Cosines of all images with captions `first` to `first + scores.cols()`.
inline void cosines(const Embeddings& images, const Embeddings& captions, int64_t first, Matrix<float>& scores) {
  const int64_t count = scores.cols();
  for (int64_t image = 0; image < scores.rows(); ++image) {
    float* row = &scores(image, 0);
    std::fill(row, row + count, 0.f);
    for (int64_t at = 0; at < Embeddings::width; ++at) {
      const float factor = images.columns(at, image);
      const float* column = &captions.columns(at, first);
      for (int64_t caption = 0; caption < count; ++caption) row[caption] += factor * column[caption];
    }
  }
}

inline Matrix<float> cosines(int64_t images, int64_t captions) {
  const Embeddings of_images = Embeddings::images(images);
  const Embeddings of_captions = Embeddings::captions(of_images, captions);
  Matrix<float> scores(images, captions);
  cosines(of_images, of_captions, 0, scores);
  return scores;
}

}  // namespace orbweaver::bench
