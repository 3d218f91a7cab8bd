// The order of training, and images decoded, prepared and batched ahead of the consumer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "framework/data/image.h"
#include "orbweaver/image_input.h"

namespace orbweaver {

/// The order of `count` samples in an epoch: a permutation that depends on (seed, epoch, count) alone, on every
/// platform.
std::vector<int64_t> epoch_order(uint64_t seed, int64_t epoch, int64_t count);

/// An epoch cut into batches. Resuming at batch b is asking for batch(b): there is no other state.
class EpochBatches {
 public:
  /// @param drop_last  leaves out a last batch that is not full.
  EpochBatches(uint64_t seed, int64_t epoch, int64_t count, int64_t batch_size, bool drop_last);
  int64_t size() const { return batches_; }
  /// Sample indices of batch b, in the epoch's order. 0 <= b < size().
  std::span<const int64_t> batch(int64_t b) const;

 private:
  std::vector<int64_t> order_;
  int64_t batch_size_, batches_;
};

struct ImageBatch {
  int64_t first = 0;  ///< position of the first image in the list of files
  int64_t count = 0;
  std::vector<float> data;  ///< [count, 3, height, width]
};

struct ImageLoaderOptions {
  int64_t batch_size = 64;
  int threads = 2;
  int64_t prefetch = 0;     ///< prepared images held ahead at most; 0: two batches, but at most 256 MiB
  int64_t first_batch = 0;  ///< where to start, for resuming
  /// Called in the workers on each decoded image, with its position in the list: augmentation, which must draw from
  /// (seed, epoch, position) only, so that the result does not depend on the number of workers.
  std::function<void(Image&, int64_t position)> transform;
};

/// Yields batches of prepared images in the order of `files`, whatever the number of workers. An image may stand in the
/// list more than once. Can be abandoned at any point: the destructor ends the workers.
class ImageLoader {
 public:
  ImageLoader(std::vector<std::filesystem::path> files, const ImageInput& input,
              const ImageLoaderOptions& options = {});
  /// The same of `count` files, without a list of them: `file_of` is called in the workers with a position, and its
  /// paths live as long as the loader.
  ImageLoader(int64_t count, std::function<const std::filesystem::path&(int64_t position)> file_of,
              const ImageInput& input, const ImageLoaderOptions& options = {});
  ~ImageLoader();
  ImageLoader(const ImageLoader&) = delete;
  ImageLoader& operator=(const ImageLoader&) = delete;

  /// Batches in all, those before first_batch included.
  int64_t size() const;
  /// The next batch, or nothing at the end. @throws InputError naming the file that does not decode; the loader is then
  /// spent and to be dropped.
  std::optional<ImageBatch> next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace orbweaver
