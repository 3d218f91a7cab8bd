#include "framework/eval/saved_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "framework/eval/candidates.h"
#include "framework/io/files.h"
#include "orbweaver/error.h"
#include "orbweaver/ranking.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;

Scores view_of(const NpyMatrix& matrix) {
  return std::visit([](const auto& of) -> Scores { return of.view(); }, matrix);
}

NpyMatrix read_scores(const fs::path& file) {
  NpyMatrix matrix = read_npy(file);
  const Scores scores = view_of(matrix);
  if (query_count(scores) == 0 || gallery_count(scores) == 0)
    throw InputError(fmt::format("{}: a matrix of {} x {}, expected at least one row and one column", file.string(),
                                 query_count(scores), gallery_count(scores)));
  try {
    require_finite(scores);
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {} (query: row, gallery item: column)", file.string(), error.what()));
  }
  return matrix;
}

std::optional<NpyMatrix> read_bank(const fs::path& file, int64_t gallery, const char* queries, const char* items) {
  if (file.empty()) return std::nullopt;
  NpyMatrix bank = read_scores(file);
  if (gallery_count(view_of(bank)) != gallery)
    throw InputError(fmt::format("{}: {} x {}, expected {} columns (training {} x {})", file.string(),
                                 query_count(view_of(bank)), gallery_count(view_of(bank)), gallery, queries, items));
  return bank;
}

std::vector<int64_t> grouped_captions(const SavedScoresOptions& options, int64_t images, int64_t texts) {
  const int64_t group = options.captions_per_image;
  const std::string found = fmt::format("{}: {} rows and {} columns with {} captions per image",
                                        options.scores.string(), images, texts, group);
  // Divided rather than multiplied: the option may be any number.
  if (texts % group == 0 && texts / group == images) {
    std::vector<int64_t> caption_image(static_cast<size_t>(texts));
    for (int64_t text = 0; text < texts; ++text) caption_image[static_cast<size_t>(text)] = text / group;
    return caption_image;
  }
  if (images % group == 0 && images / group == texts)
    throw InputError(found +
                     "; rows must be images and columns captions: save the transposed matrix, np.save(path, scores.T)");
  throw InputError(
      fmt::format("{}, expected {} columns{}", found, images > INT64_MAX / group ? INT64_MAX : images * group,
                  texts % images == 0 ? fmt::format("; {} captions per image would fit", texts / images) : ""));
}

std::vector<int64_t> listed_captions(const fs::path& file, int64_t images, int64_t texts) {
  std::vector<int64_t> caption_image;
  for (const std::string& line : read_lines(file)) {
    int64_t image = -1;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), image);
    if (error != std::errc() || end != line.data() + line.size() || image < 0 || image >= images)
      throw InputError(fmt::format("{}:{}: \"{}\", expected the 0-based row of an image, below {}", file.string(),
                                   caption_image.size() + 1, line, images));
    caption_image.push_back(image);
  }
  if (static_cast<int64_t>(caption_image.size()) != texts)
    throw InputError(fmt::format("{}: {} lines, expected {}, one for each column of the scores", file.string(),
                                 caption_image.size(), texts));
  std::vector<bool> seen(static_cast<size_t>(images));
  for (const int64_t image : caption_image) seen[static_cast<size_t>(image)] = true;
  if (const auto none = std::find(seen.begin(), seen.end(), false); none != seen.end())
    throw InputError(fmt::format("{}: image {} has no caption, so that it has no rank; leave its row out",
                                 file.string(), none - seen.begin()));
  return caption_image;
}

std::vector<int64_t> read_text_ids(const fs::path& file, int64_t texts) {
  const std::vector<std::string> lines = read_lines(file);
  if (static_cast<int64_t>(lines.size()) != texts)
    throw InputError(fmt::format("{}: {} lines, expected {}, one caption for each column of the scores", file.string(),
                                 lines.size(), texts));
  return text_ids_of(lines);
}

}  // namespace

SavedScores::SavedScores(const SavedScoresOptions& options) : options_(options), i2t_(read_scores(options.scores)) {
  if (options.captions_per_image < 0)
    throw InputError(fmt::format("--captions-per-image {}: expected at least 1", options.captions_per_image));
  if (options.captions_per_image > 0 && !options.caption_image.empty())
    throw InputError("--captions-per-image and --caption-image say the same thing twice; give one of them");
  if (options.image_bank.empty() != options.text_bank.empty())
    throw InputError("--image-bank and --text-bank belong together, one for each direction; give both");
  if (!options.t2i.empty()) {
    t2i_ = read_scores(options.t2i);
    if (query_count(t2i()) != captions() || gallery_count(t2i()) != images())
      throw InputError(fmt::format("{}: {} x {}, expected {} x {} (captions x images)", options.t2i.string(),
                                   query_count(t2i()), gallery_count(t2i()), captions(), images()));
  }
  image_bank_ = read_bank(options.image_bank, captions(), "images", "captions");
  text_bank_ = read_bank(options.text_bank, images(), "captions", "images");
  group();
}

void SavedScores::group() {
  if (options_.captions_per_image > 0) caption_image_ = grouped_captions(options_, images(), captions());
  if (!options_.caption_image.empty()) caption_image_ = listed_captions(options_.caption_image, images(), captions());
  if (options_.texts.empty()) return;
  if (!grouped())
    throw InputError("--texts adds rows to an evaluation; give --captions-per-image or --caption-image too");
  text_ids_ = read_text_ids(options_.texts, captions());
}

Scores SavedScores::i2t() const { return view_of(i2t_); }
Scores SavedScores::t2i() const { return t2i_ ? view_of(*t2i_) : transposed(i2t()); }
Scores SavedScores::image_bank() const { return image_bank_ ? view_of(*image_bank_) : Scores(); }
Scores SavedScores::text_bank() const { return text_bank_ ? view_of(*text_bank_) : Scores(); }

EvaluationInput SavedScores::evaluation_input() const {
  EvaluationInput input;
  input.i2t = i2t();
  input.t2i = t2i();
  input.caption_image = caption_image_;
  input.text_ids = text_ids_;
  input.image_bank = image_bank();
  input.text_bank = text_bank();
  return input;
}

Value SavedScores::record() const {
  Value record;
  record["scores"] = fs::absolute(options_.scores).string();
  record["scores_hash"] = hash_file(options_.scores);
  record["dtype"] = i2t().index() == 0 ? "float32" : "float64";
  record["images"] = images();
  record["captions"] = captions();
  if (!text_ids_.empty()) record["distinct_texts"] = 1 + *std::max_element(text_ids_.begin(), text_ids_.end());
  const auto add_bank = [&](const char* name, const fs::path& file, const Scores& bank) {
    record[name]["scores"] = fs::absolute(file).string();
    record[name]["scores_hash"] = hash_file(file);
    record[name]["queries"] = query_count(bank);
  };
  if (image_bank_) add_bank("image_bank", options_.image_bank, image_bank());
  if (text_bank_) add_bank("text_bank", options_.text_bank, text_bank());
  return record;
}

}  // namespace orbweaver
