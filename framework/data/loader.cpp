#include "framework/data/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "framework/data/prefetch.h"
#include "framework/data/random.h"
#include "orbweaver/error.h"

namespace orbweaver {

std::vector<int64_t> epoch_order(uint64_t seed, int64_t epoch, int64_t count) {
  return Random(seed, static_cast<uint64_t>(epoch)).permutation(count);
}

EpochBatches::EpochBatches(uint64_t seed, int64_t epoch, int64_t count, int64_t batch_size, bool drop_last)
    : order_(epoch_order(seed, epoch, count)),
      batch_size_(batch_size),
      batches_(drop_last ? count / batch_size : (count + batch_size - 1) / batch_size) {}

std::span<const int64_t> EpochBatches::batch(int64_t b) const {
  const int64_t begin = b * batch_size_;
  const int64_t end = std::min<int64_t>(begin + batch_size_, static_cast<int64_t>(order_.size()));
  return std::span(order_).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
}

namespace {

int64_t window_of(const ImageLoaderOptions& options, int64_t image_values) {
  if (options.prefetch > 0) return options.prefetch;
  const int64_t most = (int64_t{256} << 20) / (image_values * static_cast<int64_t>(sizeof(float)));
  return std::min(2 * options.batch_size, std::max<int64_t>(most, 1));
}

}  // namespace

struct ImageLoader::Impl {
  using Pixels = std::vector<float>;

  using FileOf = std::function<const std::filesystem::path&(int64_t)>;

  Impl(int64_t files, FileOf place, const ImageInput& wanted, const ImageLoaderOptions& given)
      : file_of(std::move(place)),
        input(wanted),
        options(given),
        values(3 * wanted.height * wanted.width),
        count(files),
        position(std::min(given.first_batch * given.batch_size, count)),
        prefetch(
            count, [this](int64_t index) { return load(index); }, given.threads, window_of(given, values), position) {}

  Pixels load(int64_t index) const {
    Image image = decode_image(file_of(index));
    if (options.transform) options.transform(image, index);
    Pixels pixels(static_cast<size_t>(values));
    try {
      prepare(image.view(), input, pixels.data());
    } catch (const InputError& cause) {
      throw InputError(fmt::format("{}: {}", file_of(index).string(), cause.what()));
    }
    return pixels;
  }

  const FileOf file_of;
  const ImageInput input;
  const ImageLoaderOptions options;
  const int64_t values, count;
  int64_t position;
  OrderedPrefetch<Pixels> prefetch;  // last: its workers read everything above
};

ImageLoader::ImageLoader(std::vector<std::filesystem::path> files, const ImageInput& input,
                         const ImageLoaderOptions& options) {
  const auto list = std::make_shared<const std::vector<std::filesystem::path>>(std::move(files));
  const auto file_of = [list](int64_t position) -> const std::filesystem::path& {
    return (*list)[static_cast<size_t>(position)];
  };
  impl_ = std::make_unique<Impl>(std::ssize(*list), file_of, input, options);
}

ImageLoader::ImageLoader(int64_t count, std::function<const std::filesystem::path&(int64_t)> file_of,
                         const ImageInput& input, const ImageLoaderOptions& options)
    : impl_(std::make_unique<Impl>(count, std::move(file_of), input, options)) {}

ImageLoader::~ImageLoader() = default;

int64_t ImageLoader::size() const { return (impl_->count + impl_->options.batch_size - 1) / impl_->options.batch_size; }

std::optional<ImageBatch> ImageLoader::next() {
  ImageBatch batch;
  batch.first = impl_->position;
  batch.count = std::min(impl_->options.batch_size, impl_->count - impl_->position);
  if (batch.count == 0) return std::nullopt;
  batch.data.reserve(static_cast<size_t>(batch.count * impl_->values));
  for (int64_t i = 0; i < batch.count; ++i) {
    const auto pixels = impl_->prefetch.next();
    batch.data.insert(batch.data.end(), pixels->begin(), pixels->end());
  }
  impl_->position += batch.count;
  return batch;
}

}  // namespace orbweaver
