// A dataset's lists: train_caps.txt, train_filename.txt, test_caps.txt and test_filename.txt between lines "%%", or the
// JSON file of the other format where the bytes begin with '{'.
#include <algorithm>

#include "framework/data/dataset.h"
#include "fuzz/target.h"

namespace {

void check_split(const orbweaver::Split& split, const std::filesystem::path& images) {
  for (const orbweaver::ImageRecord& image : split.images) {
    // As the system takes it: up to the first zero byte.
    const auto file = std::filesystem::path(image.file.c_str()).lexically_normal();
    const auto [end, rest] = std::mismatch(images.begin(), images.end(), file.begin(), file.end());
    orbweaver::fuzz::demand(end == images.end(), "an image lies in the images' folder");
  }
  for (const orbweaver::CaptionRecord& caption : split.captions)
    orbweaver::fuzz::demand(caption.image >= 0 && caption.image < static_cast<int64_t>(split.images.size()),
                            "a caption is one of an image");
}

}  // namespace

void orbweaver::fuzz::captions(std::string_view bytes) {
  DatasetParams params;
  if (bytes.starts_with('{')) {
    params.format = DatasetParams::Format::karpathy;
    params.annotations = input_file("karpathy/dataset.json", bytes);
    params.root = params.annotations.parent_path();
  } else {
    const std::vector<std::string_view> parts = parts_of(bytes);
    constexpr const char* names[] = {"train_caps.txt", "train_filename.txt", "test_caps.txt", "test_filename.txt"};
    for (size_t i = 0; i < 4; ++i) {
      const std::string name = std::string("precomp/") + names[i];
      if (i >= parts.size())
        remove_input(name);
      else
        params.root = input_file(name, parts[i]).parent_path();
    }
  }
  // A file in each of its folders makes them.
  params.images = input_file("images/none.txt", "").parent_path();
  params.detections = input_file("found/none.txt", "").parent_path();
  const Dataset dataset = load_dataset(params);
  for (const Split* split : {&dataset.train, &dataset.val, &dataset.test}) {
    check_split(*split, params.images);
    split->hash();
  }
}
