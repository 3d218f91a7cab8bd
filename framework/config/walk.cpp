#include "framework/config/walk.h"

#include <fmt/format.h>

namespace orbweaver {

void ComponentKeys::describe(ParamSpec<ComponentKeys>& p) {
  p.field("use", &ComponentKeys::use, "Id of the component").required();
  p.field("freeze", &ComponentKeys::freeze, "No gradients, evaluation mode");
  p.field("lr_scale", &ComponentKeys::lr_scale, "Factor on the learning rate of its parameters").range(0, 1e6);
}

void LossKeys::describe(ParamSpec<LossKeys>& p) {
  p.field("weight", &LossKeys::weight, "Factor on this loss in the sum").range(0, 1e6);
}

void InteractionKeys::describe(ParamSpec<InteractionKeys>& p) {
  p.field("weight", &InteractionKeys::weight, "Factor on its score in the final score").range(0, 1e6);
  p.field("embedding_weight", &InteractionKeys::embedding_weight,
          "Factor on the cosine of the embeddings in the final score; the same for all of a list")
      .range(0, 1e6);
  p.field("shortlist", &InteractionKeys::shortlist,
          "Candidates per query that it rescores; 0: all pairs, exactly; the same for all of a list")
      .range(0, 1 << 30);
  p.field("training", &InteractionKeys::training,
          {{"hard_negatives", Training::hard_negatives},
           {"random_negatives", Training::random_negatives},
           {"all_pairs", Training::all_pairs}},
          "hard_negatives: a softmax loss of its own over each positive and the batch's hardest negatives; "
          "random_negatives: the same over some of the batch's; "
          "all_pairs: it scores every pair of the batch, and the losses take the final scores");
  p.field("negatives", &InteractionKeys::negatives,
          "Negatives of each query, beside its match; pairs that one direction chose serve the other too")
      .range(1, 1 << 20);
  p.field("temperature", &InteractionKeys::temperature, "Of the softmax over the scored pairs").range(1e-4, 100);
}

namespace config {
void RerankerKeys::describe(ParamSpec<RerankerKeys>& p) {
  p.field("tuning", &RerankerKeys::tuning, "Record of orbweaver rerank --tune: results say what was tuned on what");
}

void SideSection::describe(ParamSpec<SideSection>& p) {
  p.field("encoder", &SideSection::encoder, "Component: image_encoder or text_encoder");
  p.field("detector", &SideSection::detector, "Component: detector (image side only)");
  p.field("graph", &SideSection::graph, "Component: graph_builder");
  p.field("graph_encoder", &SideSection::graph_encoder, "Component: graph_encoder");
}

void ModelSection::describe(ParamSpec<ModelSection>& p) {
  p.field("embed_dim", &ModelSection::embed_dim, "Width of the shared embedding space").range(1, 1 << 16);
  p.field("label_dim", &ModelSection::label_dim, "Width of the label embedding that both graph encoders share")
      .range(1, 1 << 16);
  p.field("label_embedding", &ModelSection::label_embedding,
          {{"random", LabelRows::random}, {"encoded", LabelRows::encoded}},
          "What its rows start as. encoded: the text encoder's `global` of each label, so that labels of like meaning "
          "start alike; label_dim must be that width. Legal but pointless where the text encoder has no pretrained "
          "weights");
  p.field("synonyms", &ModelSection::synonyms, "Table of label and relation synonyms (JSON); none when empty");
  p.field("image", &ModelSection::image, "The image side");
  p.field("text", &ModelSection::text, "The text side");
  p.field("fusion", &ModelSection::fusion, "Component: fusion, one instance per side");
  p.field("interaction", &ModelSection::interaction,
          "Component: interaction on the shortlist, or a list of them; their weighted sum counts");
}

void TopSection::describe(ParamSpec<TopSection>& p) {
  p.field("name", &TopSection::name, "Name of the method in results");
  p.field("seed", &TopSection::seed, "Seed of weights, order and dropout").range(0, 9e15);
  p.field("device", &TopSection::device, "Where tensors live: cpu, cuda, cuda:1");
  p.field("output", &TopSection::output, "Folder for run folders; default: runs in the working directory");
  p.field("cache", &TopSection::cache, "Folder of the feature cache; default: ~/.cache/orbweaver; \"\": no cache");
  p.field("dataset", &TopSection::dataset, "The data");
  p.field("model", &TopSection::model, "The retrieval model");
  p.field("loss", &TopSection::loss, "List of components: loss; their weighted sum is minimised");
  p.field("rerank", &TopSection::rerank, "Component: reranker, or a list of them; each gets its own row");
  p.field("train", &TopSection::train, "Training");
  p.field("eval", &TopSection::eval, "Evaluation");
  p.field("plugins", &TopSection::plugins, "Plugin libraries: stems (\"sog\") or absolute paths");
  p.field("plugin_paths", &TopSection::plugin_paths, "Folders searched for plugin libraries");
}

std::vector<Place> component_places(const Value& config) {
  std::vector<Place> places;
  const auto add = [&](const std::string& kind, const std::string& pointer, const Value* value) {
    if (value && !value->is_null()) places.push_back({kind, pointer, value});
  };
  const auto add_all = [&](const std::string& kind, const std::string& pointer, const Value* entries) {
    if (!entries || !entries->is_list()) return add(kind, pointer, entries);
    for (size_t i = 0; i < entries->as_list().size(); ++i)
      add(kind, fmt::format("{}/{}", pointer, i), &entries->as_list()[i]);
  };
  if (const Value* model = config.find("model")) {
    for (const std::string side : {"image", "text"}) {
      const Value* section = model->find(side);
      if (!section) continue;
      const std::string at = "/model/" + side;
      add(side + "_encoder", at + "/encoder", section->find("encoder"));
      add("detector", at + "/detector", section->find("detector"));
      add("graph_builder", at + "/graph", section->find("graph"));
      add("graph_encoder", at + "/graph_encoder", section->find("graph_encoder"));
    }
    add("fusion", "/model/fusion", model->find("fusion"));
    add_all("interaction", "/model/interaction", model->find("interaction"));
  }
  add_all("loss", "/loss", config.find("loss"));
  add_all("reranker", "/rerank", config.find("rerank"));
  return places;
}

const Schema& host_keys(const std::string& kind) {
  const auto joined = [](Schema more) {
    Schema all = schema_of<ComponentKeys>();
    all.fields.insert(all.fields.end(), more.fields.begin(), more.fields.end());
    return all;
  };
  static const Schema loss = joined(schema_of<LossKeys>()), interaction = joined(schema_of<InteractionKeys>()),
                      reranker = joined(schema_of<RerankerKeys>()), other = joined({});
  return kind == "loss" ? loss : kind == "interaction" ? interaction : kind == "reranker" ? reranker : other;
}

}  // namespace config
}  // namespace orbweaver
