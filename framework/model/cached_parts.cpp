#include "framework/model/cached_parts.h"

#include "framework/model/split_inputs.h"

namespace orbweaver {

std::vector<CachedPart> cached_parts(const Config& config, PluginHost& plugins, const Dataset& dataset,
                                     const RunReport& report) {
  RetrievalModel model(config, plugins);
  FitData fit;
  for (const CaptionRecord& caption : dataset.train.captions) fit.captions.push_back(caption.text);
  // Names stand for those of graphs that are not built here: what is cached holds names, not their numbers, but a part
  // that is made for named relations wants some.
  fit.graph_names.labels["other"] = fit.graph_names.relations["other"] = 1;
  model.fit(fit);
  const FeatureCache cache(config.cache, report.line);
  std::vector<CachedPart> out;
  for (const Split* split : {&dataset.train, &dataset.val}) {
    SplitInputs::Options options{config.eval.batch_size, config.train.workers};
    options.augmented = split == &dataset.train && config.train.augment.any();
    SplitInputs inputs(model, *split, dataset.triples, cache, report, options);
    for (CachedPart& part : inputs.look_up()) out.push_back(std::move(part));
  }
  return out;
}

}  // namespace orbweaver
