#include "framework/train/infer.h"

#include <fmt/format.h>

#include "framework/data/image.h"
#include "framework/model/encode.h"
#include "framework/train/checkpoint.h"
#include "framework/train/run_folder.h"
#include "framework/train/session.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;

Matrix<float> infer(const InferOptions& options, const RunReport& report) {
  if (options.images.empty()) throw InputError("--images: names no image");
  if (options.texts.empty()) throw InputError("--texts: gives no sentence");
  const LoadedConfig loaded = load_config(options.run, options.overrides);
  const fs::path weights = options.checkpoint.empty() ? RunFolder(options.run).best() : options.checkpoint;
  if (!fs::exists(weights))
    throw InputError(fmt::format("{}: does not exist; expected a run folder with a trained model, or --checkpoint FILE",
                                 weights.string()));

  Split split;
  split.name = "input";
  for (const fs::path& file : options.images) {
    if (const std::string fault = image_fault(file); !fault.empty())
      throw InputError(fmt::format("{}: {}", file.string(), fault));
    const fs::path objects = options.detections / (file.stem().string() + ".json");
    const bool known = !options.detections.empty() && fs::exists(objects);
    split.images.push_back({file.filename().string(), file, known ? objects : fs::path()});
  }
  for (const std::string& text : options.texts) split.captions.push_back({text, 0});

  set_up_torch(loaded.config);
  RetrievalModel model(loaded.config, *loaded.plugins);
  const Checkpoint checkpoint = load_checkpoint(weights);
  model.restore(checkpoint.extra);
  model.load_state(checkpoint.model, weights.string());
  const FeatureCache no_cache({}, report.line);
  const TripleTable no_triples;
  SplitInputs inputs(model, split, no_triples, no_cache, report,
                     {loaded.config.eval.batch_size, loaded.config.train.workers});
  inputs.build_graphs();
  inputs.prepare();
  const EncodedSplit encoded = encode_split(model, inputs, loaded.config.eval.batch_size, report);
  return score_split(model, inputs, encoded, loaded.config.eval.chunk, report).i2t;
}

}  // namespace orbweaver
