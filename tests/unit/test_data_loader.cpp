#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "framework/data/loader.h"
#include "framework/data/prefetch.h"
#include "framework/data/random.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {
namespace fs = std::filesystem;

TEST(Random, GivesTheNumbersOfItsPublishedAlgorithms) {
  // SplitMix64 from state 0, and xoshiro256** seeded with it, as the authors' reference code gives them.
  EXPECT_EQ(mix(0), 0xe220a8397b1dcdafULL);
  EXPECT_EQ(Random(0).next(), 0x99ec5f36cb75f2b4ULL);
}

TEST(Random, DrawsEveryNumberBelowABoundEquallyOften) {
  Random random(7);
  std::vector<int> counts(5);
  for (int i = 0; i < 50000; ++i) ++counts[random.below(5)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 400);
}

TEST(EpochOrder, IsAPermutationOfSeedAndEpochAlone) {
  std::vector<int64_t> order = epoch_order(1, 0, 1000);
  EXPECT_EQ(order, epoch_order(1, 0, 1000));
  EXPECT_NE(order, epoch_order(1, 1, 1000));
  EXPECT_NE(order, epoch_order(2, 0, 1000));
  EXPECT_EQ(epoch_order(1, 0, 8), (std::vector<int64_t>{7, 1, 3, 0, 4, 5, 6, 2}));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(EpochBatches, CutTheOrderAndDropTheLastBatchOnRequest) {
  const EpochBatches all(3, 1, 10, 4, false), full(3, 1, 10, 4, true);
  EXPECT_EQ(all.size(), 3);
  EXPECT_EQ(full.size(), 2);
  EXPECT_EQ(all.batch(2).size(), 2u);
  std::vector<int64_t> joined;
  for (int64_t b = 0; b < all.size(); ++b) joined.insert(joined.end(), all.batch(b).begin(), all.batch(b).end());
  EXPECT_EQ(joined, epoch_order(3, 1, 10));
}

TEST(OrderedPrefetch, KeepsTheOrderAndTheWindowWhateverTheNumberOfThreads) {
  for (const int threads : {1, 2, 7}) {
    std::atomic<int64_t> consumed{0};
    std::atomic<bool> beyond{false};
    OrderedPrefetch<int64_t> squares(
        200,
        [&](int64_t i) {
          if (i >= consumed + 8) beyond = true;
          if (i % 5 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
          return i * i;
        },
        threads, 8);
    for (int64_t i = 0; i < 200; ++i) {
      // Raised before the slot is freed, so that the workers' view of the window is never too narrow.
      consumed = i + 1;
      EXPECT_EQ(squares.next(), i * i);
    }
    EXPECT_EQ(squares.next(), std::nullopt);
    EXPECT_FALSE(beyond);
  }
}

TEST(OrderedPrefetch, ThrowsAnErrorAtItsPlaceAndGoesOn) {
  OrderedPrefetch<int> numbers(
      6,
      [](int64_t i) {
        if (i == 3) throw std::runtime_error("three");
        return static_cast<int>(i);
      },
      3, 4);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(numbers.next(), i);
  EXPECT_THROW(numbers.next(), std::runtime_error);
  EXPECT_EQ(numbers.next(), 4);
  EXPECT_EQ(numbers.next(), 5);
}

TEST(OrderedPrefetch, CanBeAbandonedHalfWay) {
  std::atomic<int> made{0};
  {
    OrderedPrefetch<int> numbers(
        1000000, [&](int64_t) { return ++made; }, 4, 16);
    numbers.next();
  }
  EXPECT_LE(made, 17);
  OrderedPrefetch<int> none(
      0, [](int64_t) { return 1; }, 4, 16);
  EXPECT_EQ(none.next(), std::nullopt);
}

class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() : root_(fs::temp_directory_path() / ("orbweaver_loader_" + std::to_string(getpid()))) {
    fs::create_directories(root_);
    Random random(5);
    for (int i = 0; i < 11; ++i) {
      Image image{20 + i, 15, {}};
      image.pixels.resize(static_cast<size_t>(image.width * image.height * 3));
      for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(random.below(256));
      files_.push_back(root_ / (std::to_string(i) + ".png"));
      write_image(files_.back(), image.view());
    }
    input_.height = input_.width = 8;
  }
  ~LoaderTest() override { fs::remove_all(root_); }

  std::vector<float> all(ImageLoaderOptions options) {
    std::vector<float> values;
    ImageLoader loader(files_, input_, options);
    while (const auto batch = loader.next()) values.insert(values.end(), batch->data.begin(), batch->data.end());
    return values;
  }

  fs::path root_;
  std::vector<fs::path> files_;
  ImageInput input_;
};

TEST_F(LoaderTest, GivesTheSameBytesWhateverTheNumberOfWorkers) {
  ImageLoaderOptions options;
  options.batch_size = 4;
  options.threads = 1;
  const std::vector<float> one = all(options);
  EXPECT_EQ(one.size(), 11u * 3 * 8 * 8);
  options.threads = 5;
  options.prefetch = 2;
  EXPECT_EQ(all(options), one);
  std::vector<float> single(3 * 8 * 8);
  prepare(decode_image(files_[10]).view(), input_, single.data());
  EXPECT_TRUE(std::equal(single.begin(), single.end(), one.end() - 3 * 8 * 8));
}

TEST_F(LoaderTest, ResumedAtABatchGivesExactlyTheRest) {
  ImageLoaderOptions options;
  options.batch_size = 4;
  const std::vector<float> whole = all(options);
  options.first_batch = 2;
  const std::vector<float> rest = all(options);
  EXPECT_EQ(rest, std::vector<float>(whole.begin() + 8 * 3 * 8 * 8, whole.end()));
  ImageLoader loader(files_, input_, options);
  EXPECT_EQ(loader.size(), 3);
  EXPECT_EQ(loader.next()->first, 8);
  options.first_batch = 3;
  EXPECT_TRUE(all(options).empty());
}

TEST_F(LoaderTest, NamesTheFileThatDoesNotDecode) {
  std::ofstream(files_[5], std::ios::binary) << "rubbish";
  ImageLoaderOptions options;
  options.batch_size = 4;
  ImageLoader loader(files_, input_, options);
  EXPECT_TRUE(loader.next());
  try {
    loader.next();
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("5.png"), std::string::npos);
  }
}

TEST_F(LoaderTest, NamesTheFileThatCannotBeShrunk) {
  Image strip{150'000, 1, {}};
  strip.pixels.resize(static_cast<size_t>(strip.width * 3));
  write_image(files_[0], strip.view());
  input_.interpolation = ImageInput::Interpolation::bicubic;
  ImageLoader loader(files_, input_, {});
  try {
    loader.next();
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_EQ(error.what(), files_[0].string() + ": 150000 pixels cannot be shrunk to 8; cut the image into tiles");
  }
}

TEST_F(LoaderTest, AppliesATransformWithThePositionInTheList) {
  ImageLoaderOptions options;
  options.transform = [](Image& image, int64_t position) {
    std::fill(image.pixels.begin(), image.pixels.end(), static_cast<uint8_t>(position * 10));
  };
  const std::vector<float> values = all(options);
  for (size_t i = 0; i < 11; ++i) EXPECT_FLOAT_EQ(values[i * 3 * 8 * 8], static_cast<float>(i * 10) / 255.0f);
}

}  // namespace
}  // namespace orbweaver
