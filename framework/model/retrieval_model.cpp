#include "framework/model/retrieval_model.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/nn/functional/loss.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>

#include "framework/cache/file_hashes.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/model/check_outputs.h"
#include "framework/model/token_batch.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

/// An empty module, to give the tree its branches.
class Branch : public torch::nn::Module {
 public:
  using torch::nn::Module::Module;
  void add(const std::string& name, std::shared_ptr<torch::nn::Module> module) {
    register_module(name, std::move(module));
  }
};

/// Each component draws its weights from a generator of its own, so that swapping one leaves the others' as they were.
void seed_for(int64_t seed, const std::string& name) {
  const std::string digest = hash_text(fmt::format("{}/{}", seed, name));
  torch::manual_seed(std::stoull(digest.substr(0, 15), nullptr, 16));
}

const at::Tensor& part_of(const Representation& representation, const char* name) {
  const std::string_view part(name);
  return part == "global"   ? representation.global
         : part == "tokens" ? representation.tokens
         : part == "nodes"  ? representation.nodes
         : part == "local"  ? representation.local
                            : representation.embedding;
}

}  // namespace

RetrievalModel::RetrievalModel(const Config& config, PluginHost& plugins)
    : config_(config), plugins_(plugins), device_(config.device) {
  const auto make = [&]<class I>(Hosted<I>& place, const std::optional<ComponentConfig>& part, const Inputs* inputs) {
    if (!part) return;
    seed_for(config_.seed, part->pointer);
    place = create<I>(plugins_, part->id, part->params, inputs, part->pointer);
  };
  const Inputs image = base_inputs(Side::image), text = base_inputs(Side::text);
  make(image_encoder_, config_.image.encoder, &image);
  make(text_encoder_, config_.text.encoder, &text);
  make(detector_, config_.image.detector, nullptr);
  make(graphs_[0], config_.image.graph, nullptr);
  make(graphs_[1], config_.text.graph, nullptr);
  for (const Side side : {Side::image, Side::text}) {
    const Hosted<GraphBuilder>& builder = graph_builder(side);
    if (builder && !builder.get().serves(side))
      throw InputError(fmt::format("{}: does not serve the {} side", builder.ref().where(), side_name(side)));
  }
}

Inputs RetrievalModel::base_inputs(Side side) const {
  Inputs inputs;
  inputs.side = side;
  inputs.embed_dim = config_.embed_dim;
  return inputs;
}

void RetrievalModel::fit(const FitData& data) {
  seed_for(config_.seed, "fit/image");
  image_encoder_.call("fit", [](ImageEncoder& encoder) { encoder.fit({}); });
  seed_for(config_.seed, "fit/text");
  text_encoder_.call("fit", [&](TextEncoder& encoder) { encoder.fit(data.captions); });
  if (!config_.synonyms.empty()) {
    SynonymTables tables = SynonymTables::read(config_.synonyms);
    labels_ = Vocabulary(std::move(tables.labels));
    relations_ = Vocabulary(std::move(tables.relations));
  }
  labels_.fit(data.graph_names.labels);
  relations_.fit(data.graph_names.relations);
  assemble();
  if (label_embedding_ && config_.label_embedding == LabelRows::encoded) encode_labels();
  for (const Part& part : parts_) {
    if (part.component == &image_encoder_.get() || part.component == &text_encoder_.get()) continue;
    seed_for(config_.seed, "fit/" + part.name);
    part.component->fit(data.captions);
  }
}

void RetrievalModel::restore(const ExtraStates& states) {
  const auto state_of = [&](const std::string& name) {
    const auto found = states.find(name);
    return found == states.end() ? std::string() : found->second;
  };
  image_encoder_.call("load_extra_state",
                      [&](ImageEncoder& encoder) { encoder.load_extra_state(state_of("image.encoder")); });
  text_encoder_.call("load_extra_state",
                     [&](TextEncoder& encoder) { encoder.load_extra_state(state_of("text.encoder")); });
  if (const std::string labels = state_of("labels"); !labels.empty()) labels_.load_state(labels);
  if (const std::string relations = state_of("relations"); !relations.empty()) relations_.load_state(relations);
  assemble();
  for (const Part& part : parts_)
    if (part.component != &image_encoder_.get() && part.component != &text_encoder_.get())
      part.component->load_extra_state(state_of(part.name));
}

ExtraStates RetrievalModel::extra_states() const {
  ExtraStates out;
  for (const Part& part : parts_)
    if (std::string state = part.component->extra_state(); !state.empty()) out[part.name] = std::move(state);
  if (graphs_[0] || graphs_[1]) {
    out["labels"] = labels_.state();
    out["relations"] = relations_.state();
  }
  return out;
}

void RetrievalModel::assemble() {
  auto root = std::make_shared<Branch>("model");
  root_ = root;
  const auto branch = [&](const char* name) {
    auto child = std::make_shared<Branch>(name);
    root->add(name, child);
    return child;
  };
  const std::shared_ptr<Branch> sides[2] = {branch("image"), branch("text")};

  Inputs inputs = base_inputs(Side::image);
  inputs.image = image_encoder_.get().outputs();
  inputs.text = text_encoder_.get().outputs();
  if (graphs_[0]) inputs.image_node_features = graphs_[0].get().feature_width();
  if (graphs_[1]) inputs.text_node_features = graphs_[1].get().feature_width();
  inputs.label_count = labels_.size();
  inputs.relation_count = relations_.size();
  if (graphs_[0] || graphs_[1]) {
    label_embedding_ = make_label_embedding();
    inputs.label_embedding = label_embedding_;
    root->add("label_embedding", label_embedding_);
  }

  parts_.clear();
  const auto adopt = [&](Branch& parent, const std::string& name, const std::string& full_name, auto& hosted,
                         const ComponentConfig& config) {
    parent.add(name, hosted.shared());
    parts_.push_back({full_name, &config, &hosted.get()});
  };
  adopt(*sides[0], "encoder", "image.encoder", image_encoder_, *config_.image.encoder);
  adopt(*sides[1], "encoder", "text.encoder", text_encoder_, *config_.text.encoder);

  for (const Side side : {Side::image, Side::text}) {
    const size_t s = index(side);
    inputs.side = side;
    const auto& part = side_config(side).graph_encoder;
    if (!part) continue;
    seed_for(config_.seed, part->pointer);
    graph_encoders_[s] = create<GraphEncoder>(plugins_, part->id, part->params, &inputs, part->pointer);
    const Widths made = graph_encoders_[s].get().outputs();
    Widths& widths = side == Side::image ? inputs.image : inputs.text;
    widths.nodes = made.nodes;
    widths.local = made.local;
    adopt(*sides[s], "graph_encoder", std::string(side_name(side)) + ".graph_encoder", graph_encoders_[s], *part);
  }
  widths_[0] = inputs.image;
  widths_[1] = inputs.text;

  for (const Side side : {Side::image, Side::text}) {
    const size_t s = index(side);
    inputs.side = side;
    seed_for(config_.seed, config_.fusion->pointer + "/" + side_name(side));
    fusions_[s] =
        create<Fusion>(plugins_, config_.fusion->id, config_.fusion->params, &inputs, config_.fusion->pointer);
    adopt(*sides[s], "fusion", std::string(side_name(side)) + ".fusion", fusions_[s], *config_.fusion);
    const Parts reads = fusions_[s].get().reads();
    check_reads(fusions_[s].ref(), reads, widths_[s], side);
    reads_ = reads_ | reads;
  }
  const auto add_reader = [&](const auto& hosted) {
    const Parts reads = hosted.get().reads();
    for (const Side side : {Side::image, Side::text}) check_reads(hosted.ref(), reads, widths_[index(side)], side);
    reads_ = reads_ | reads;
    batch_reads_ = batch_reads_ | reads;
  };
  interactions_.clear();
  // One that stands alone in the config has no number in the tree either.
  const bool listed = !config_.interactions.empty() && config_.interactions.front().pointer != "/model/interaction";
  const std::shared_ptr<Branch> interaction_branch = listed ? branch("interaction") : root;
  for (size_t i = 0; i < config_.interactions.size(); ++i) {
    const ComponentConfig& part = config_.interactions[i];
    seed_for(config_.seed, part.pointer);
    interactions_.push_back(create<Interaction>(plugins_, part.id, part.params, &inputs, part.pointer));
    const std::string name = listed ? std::to_string(i) : "interaction";
    adopt(*interaction_branch, name, listed ? "interaction." + name : name, interactions_.back(), part);
    add_reader(interactions_.back());
  }
  const std::shared_ptr<Branch> loss_branch = branch("loss");
  losses_.clear();
  for (size_t i = 0; i < config_.losses.size(); ++i) {
    const ComponentConfig& part = config_.losses[i];
    seed_for(config_.seed, part.pointer);
    losses_.push_back(create<Loss>(plugins_, part.id, part.params, &inputs, part.pointer));
    adopt(*loss_branch, std::to_string(i), fmt::format("loss.{}", i), losses_.back(), part);
    add_reader(losses_.back());
  }
  apply_freezing();
  root_->to(device_);
}

std::shared_ptr<torch::nn::EmbeddingImpl> RetrievalModel::make_label_embedding() const {
  if (config_.label_embedding == LabelRows::encoded) {
    const int64_t width = text_encoder_.get().outputs().global;
    if (width == 0)
      throw InputError(
          fmt::format("/model/label_embedding: is \"encoded\", but {} makes no `global`; set it to \"random\"",
                      text_encoder_.ref().where()));
    if (width != config_.label_dim)
      throw InputError(
          fmt::format("/model/label_dim: is {}, but with /model/label_embedding \"encoded\" labels are as "
                      "wide as the `global` of {}, {}; set /model/label_dim to {}",
                      config_.label_dim, text_encoder_.ref().where(), width, width));
  }
  seed_for(config_.seed, "label_embedding");
  return torch::nn::Embedding(torch::nn::EmbeddingOptions(labels_.size(), config_.label_dim).padding_idx(0)).ptr();
}

/// A label is encoded as it stands, without a prompt around it: in an encoder that takes means over words, a prompt's
/// words would make all rows alike, and labels of detectors ("dark green rough") are no things that a satellite shows.
/// Each row gets root mean square 1, as the normal numbers that it replaces have it: graph encoders add a node's
/// features to it, and the balance of the two should not hang on the text encoder's units.
void RetrievalModel::encode_labels() {
  const at::NoGradGuard no_gradients;
  TextEncoder& encoder = text_encoder_.get();
  const bool was_training = encoder.is_training();
  encoder.eval();
  const std::vector<std::string>& names = labels_.names();
  const int64_t width = config_.label_dim;
  int64_t row = labels_.size() - static_cast<int64_t>(names.size());
  for (size_t begin = 0; begin < names.size();) {
    const size_t end = std::min(names.size(), begin + static_cast<size_t>(config_.eval.batch_size));
    std::vector<std::vector<int64_t>> tokens;
    for (; begin < end; ++begin) {
      tokens.push_back(text_encoder_.call("tokenize", [&](TextEncoder& text) { return text.tokenize(names[begin]); }));
      if (tokens.back().empty() || std::find(tokens.back().begin(), tokens.back().end(), 0) != tokens.back().end())
        throw InputError(
            fmt::format("{}: makes no ids of the label \"{}\", or a 0 among them, which is padding; rename the "
                        "label, or use \"label_embedding\": \"random\"",
                        text_encoder_.ref().where(), names[begin]));
    }
    std::vector<const std::vector<int64_t>*> batch;
    for (const std::vector<int64_t>& ids : tokens) batch.push_back(&ids);
    const TokenBatch padded = to_device(pad_texts(batch), device_);
    const Representation made = text_encoder_.call("forward", [&](TextEncoder& text) { return text.forward(padded); });
    const auto count = static_cast<int64_t>(batch.size());
    check_output(text_encoder_.ref(), "global", made.global, {count, width}, true, Finite::required);
    label_embedding_->weight.slice(0, row, row + count)
        .copy_(l2_normalize(made.global) * std::sqrt(static_cast<double>(width)));
    row += count;
  }
  encoder.train(was_training);
}

void RetrievalModel::check_reads(const ComponentRef& reader, const Parts& reads, const Widths& made, Side side) const {
  const SideConfig& config = side_config(side);
  const auto check = [&](bool read, int64_t width, const char* part, const char* pointer,
                         const std::optional<ComponentConfig>& maker) {
    if (!read || width > 0) return;
    throw InputError(
        fmt::format("{}: reads `{}` of the {} side, but {}", reader.where(), part, side_name(side),
                    maker ? fmt::format("{} ({} {}) does not make it", maker->pointer, maker->kind, maker->id)
                          : fmt::format("nothing makes it; add /model/{}/{}", side_name(side), pointer)));
  };
  check(reads.global, made.global, "global", "encoder", config.encoder);
  check(reads.tokens, made.tokens, "tokens", "encoder", config.encoder);
  check(reads.nodes, made.nodes, "nodes", "graph_encoder", config.graph_encoder);
  check(reads.local, made.local, "local", "graph_encoder", config.graph_encoder);
  check(reads.relations, has_graphs(side), "relations", "graph", config.graph);
}

void RetrievalModel::apply_freezing() {
  for (const Part& part : parts_) {
    if (!part.config->freeze) continue;
    for (at::Tensor& parameter : part.component->parameters()) parameter.requires_grad_(false);
    part.component->eval();
  }
}

void RetrievalModel::train(bool on) {
  training_ = on;
  root_->train(on);
  for (const Part& part : parts_)
    if (part.config->freeze) part.component->eval();
}

void RetrievalModel::to(const at::Device& device) {
  device_ = device;
  root_->to(device);
}

TensorMap RetrievalModel::state() const {
  TensorMap out;
  for (const auto& item : root_->named_parameters()) out[item.key()] = item.value();
  for (const auto& item : root_->named_buffers()) out[item.key()] = item.value();
  return out;
}

void RetrievalModel::load_state(const TensorMap& state, const std::string& source) {
  const TensorMap own = this->state();
  std::vector<std::string> problems;
  for (const auto& [name, tensor] : own) {
    const auto found = state.find(name);
    if (found == state.end())
      problems.push_back(fmt::format("{} is missing", name));
    else if (found->second.sizes() != tensor.sizes())
      problems.push_back(fmt::format("{} is [{}], expected [{}]", name, fmt::join(found->second.sizes(), ", "),
                                     fmt::join(tensor.sizes(), ", ")));
  }
  for (const auto& [name, tensor] : state)
    if (!own.count(name)) problems.push_back(fmt::format("{} is not expected", name));
  if (!problems.empty())
    throw InputError(fmt::format("{}: does not fit the model of this config: {}", source, fmt::join(problems, "; ")));
  at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : own) const_cast<at::Tensor&>(tensor).copy_(state.at(name));
}

std::vector<RetrievalModel::ParameterGroup> RetrievalModel::parameter_groups() const {
  const auto scale_of = [&](const std::string& name) {
    for (const Part& part : parts_)
      if (name.rfind(part.name + ".", 0) == 0) return part.config->lr_scale;
    return 1.0;
  };
  std::map<double, ParameterGroup> groups;
  for (const auto& item : root_->named_parameters()) {
    if (!item.value().requires_grad()) continue;
    const double scale = scale_of(item.key());
    groups[scale].lr_scale = scale;
    groups[scale].parameters.emplace_back(item.key(), item.value());
  }
  std::vector<ParameterGroup> out;
  for (auto& [scale, group] : groups) out.push_back(std::move(group));
  return out;
}

bool RetrievalModel::encoder_is_frozen(Side side) const {
  const ComponentConfig& part = *side_config(side).encoder;
  const ModelComponent& encoder =
      side == Side::image ? static_cast<const ModelComponent&>(image_encoder_.get()) : text_encoder_.get();
  return part.freeze || encoder.parameters().empty();
}

Representation RetrievalModel::checked_encoder_output(Side side, Representation output, int64_t batch) {
  const ComponentRef& ref = side == Side::image ? image_encoder_.ref() : text_encoder_.ref();
  const Widths& made = widths_[index(side)];
  // Values are checked outside training only: inside, the loss shows a fault at once, and find_fault then names it.
  const Finite finite = training_ ? Finite::unchecked : Finite::required;
  Representation kept;
  if (made.global > 0) check_output(ref, "global", output.global, {batch, made.global}, true, finite);
  if (made.tokens > 0) check_output(ref, "tokens", output.tokens, {batch, -1, made.tokens}, true, finite);
  if (reads_.global) kept.global = output.global;
  if (reads_.tokens) {
    kept.tokens = output.tokens;
    kept.token_mask = output.token_mask;
  }
  return kept;
}

Representation RetrievalModel::encode_images(const at::Tensor& images) {
  const at::AutoGradMode gradients(at::GradMode::is_enabled() && !encoder_is_frozen(Side::image));
  Representation output =
      image_encoder_.call("forward", [&](ImageEncoder& encoder) { return encoder.forward(images); });
  return checked_encoder_output(Side::image, std::move(output), images.size(0));
}

Representation RetrievalModel::encode_texts(const TokenBatch& tokens) {
  const at::AutoGradMode gradients(at::GradMode::is_enabled() && !encoder_is_frozen(Side::text));
  Representation output = text_encoder_.call("forward", [&](TextEncoder& encoder) { return encoder.forward(tokens); });
  return checked_encoder_output(Side::text, std::move(output), tokens.ids.size(0));
}

void RetrievalModel::complete(Side side, Representation& representation, const GraphBatch& graphs) {
  const size_t s = index(side);
  const Finite finite = training_ ? Finite::unchecked : Finite::required;
  int64_t batch = representation.global.defined()   ? representation.global.size(0)
                  : representation.tokens.defined() ? representation.tokens.size(0)
                                                    : -1;
  if (graph_encoders_[s]) {
    batch = graphs.mask.size(0);
    Representation made =
        graph_encoders_[s].call("forward", [&](GraphEncoder& encoder) { return encoder.forward(graphs); });
    const ComponentRef& ref = graph_encoders_[s].ref();
    if (widths_[s].nodes > 0)
      check_output(ref, "nodes", made.nodes, {batch, graphs.mask.size(1), widths_[s].nodes}, true, finite);
    if (widths_[s].local > 0) check_output(ref, "local", made.local, {batch, widths_[s].local}, true, finite);
    representation.nodes = made.nodes;
    representation.node_mask = made.node_mask.defined() ? made.node_mask : graphs.mask;
    representation.local = made.local;
  }
  if (reads_.relations) representation.relations = relation_rows(graphs.relations, graphs.mask.size(0));
  representation.embedding =
      fusions_[s].call("forward", [&](Fusion& fusion) { return fusion.forward(representation); });
  check_output(fusions_[s].ref(), "embedding", representation.embedding, {batch, config_.embed_dim}, true, finite);
}

GraphBatch RetrievalModel::collate(Side side, std::span<const Graph* const> graphs) const {
  return to_device(orbweaver::collate(graphs, graph_builder(side).get().feature_width(), labels_, relations_), device_);
}

Parts RetrievalModel::interaction_reads() const {
  Parts out;
  for (const Hosted<Interaction>& interaction : interactions_) out = out | interaction.get().reads();
  return out;
}

at::Tensor RetrievalModel::all_scores(size_t i, const Representation& images, const Representation& texts,
                                      Finite finite) {
  const Hosted<Interaction>& hosted = interactions_[i];
  const at::Tensor scores = hosted.call(
      "score_all", [&](Interaction& interaction) { return interaction.score_all(images, texts, config_.eval.chunk); });
  check_output(hosted.ref(), "scores", scores, {images.embedding.size(0), texts.embedding.size(0)}, true, finite);
  return scores;
}

at::Tensor RetrievalModel::score_all_pairs(const Representation& images, const Representation& texts) {
  at::Tensor scores = config_.embedding_weight * images.embedding.matmul(texts.embedding.t());
  for (size_t i = 0; i < interactions_.size(); ++i)
    scores = scores + config_.interactions[i].interaction.weight * all_scores(i, images, texts, Finite::required);
  return scores;
}

at::Tensor RetrievalModel::score_pairs(const Representation& images, const Representation& texts,
                                       const at::Tensor& pairs) {
  at::Tensor sum;
  for (size_t i = 0; i < interactions_.size(); ++i) {
    const Hosted<Interaction>& hosted = interactions_[i];
    const at::Tensor scores = hosted.call(
        "score_pairs", [&](Interaction& interaction) { return interaction.score_pairs(images, texts, pairs); });
    check_output(hosted.ref(), "scores", scores, {pairs.size(0)}, true);
    const at::Tensor weighted = config_.interactions[i].interaction.weight * scores;
    sum = sum.defined() ? sum + weighted : weighted;
  }
  return sum;
}

at::Tensor RetrievalModel::interaction_scores(const Representation& images, const Representation& texts) {
  std::vector<at::Tensor> out;
  for (size_t i = 0; i < interactions_.size(); ++i) out.push_back(all_scores(i, images, texts, Finite::required));
  return at::stack(out);
}

namespace {

/// [B, B], true at the k pairs of each row and of each column whose scores are highest.
at::Tensor hardest_pairs(const at::Tensor& scores, int64_t k) {
  const auto of_rows = [&](const at::Tensor& rows) {
    return at::zeros_like(rows, rows.options().dtype(at::kBool)).scatter_(1, std::get<1>(rows.topk(k, 1)), true);
  };
  return of_rows(scores).logical_or(of_rows(scores.t()).t());
}

/// [B, B], true at k pairs off the diagonal in each row and in each column: k diagonals of a batch that is shuffled
/// already. Every pair serves both directions.
at::Tensor random_pairs(int64_t size, int64_t k, at::Device device) {
  const at::Tensor shifts = at::randperm(size - 1, at::kLong).slice(0, 0, k) + 1;
  const at::Tensor columns = (at::arange(size, at::kLong).unsqueeze(1) + shifts).remainder(size);
  return at::zeros({size, size}, at::kBool).scatter_(1, columns, true).to(device);
}

}  // namespace

at::Tensor RetrievalModel::interaction_loss(size_t i, const LossInput& batch) {
  const InteractionKeys& part = config_.interactions[i].interaction;
  const Hosted<Interaction>& hosted = interactions_[i];
  const int64_t size = batch.scores.size(0), k = std::min(part.negatives, size - 1);
  const at::Tensor chosen =
      part.training == InteractionKeys::Training::random_negatives
          ? random_pairs(size, k, batch.scores.device())
          : hardest_pairs(batch.scores.detach().masked_fill(batch.negatives.logical_not(), -INFINITY), k);
  const at::Tensor self = at::eye(size, batch.scores.options().dtype(at::kBool));
  const at::Tensor pairs = chosen.logical_and(batch.negatives).logical_or(self).nonzero();
  const at::Tensor scores = hosted.call(
      "score_pairs", [&](Interaction& interaction) { return interaction.score_pairs(batch.image, batch.text, pairs); });
  check_output(hosted.ref(), "scores", scores, {pairs.size(0)}, true, Finite::unchecked);
  // Pairs that were not scored leave both softmaxes.
  const at::Tensor logits = at::full({size, size}, -INFINITY, scores.options())
                                .index_put({pairs.select(1, 0), pairs.select(1, 1)}, scores / part.temperature);
  const auto direction_loss = [&](int64_t dim) { return -logits.log_softmax(dim).diagonal().mean(); };
  return (direction_loss(1) + direction_loss(0)) / 2;
}

RetrievalModel::BatchLoss RetrievalModel::loss(LossInput& batch) {
  const auto on_all_pairs = [&](size_t i) {
    return config_.interactions[i].interaction.training == InteractionKeys::Training::all_pairs;
  };
  const at::Tensor cosine = batch.image.embedding.matmul(batch.text.embedding.t());
  batch.scores = cosine;
  for (size_t i = 0; i < interactions_.size(); ++i) {
    if (!on_all_pairs(i)) continue;
    // The embeddings' own loss is that of the final scores' cosine, so their weight counts only here.
    if (batch.scores.is_same(cosine)) batch.scores = config_.embedding_weight * cosine;
    batch.scores = batch.scores + config_.interactions[i].interaction.weight *
                                      all_scores(i, batch.image, batch.text, Finite::unchecked);
  }
  batch.negatives = negative_mask(batch.image_ids, batch.token_hashes);
  BatchLoss out;
  const auto add = [&](const at::Tensor& term) { out.total = out.total.defined() ? out.total + term : term; };
  for (size_t i = 0; i < losses_.size(); ++i) {
    const Hosted<Loss>& loss = losses_[i];
    const LossOutput made = loss.call("forward", [&](Loss& component) { return component.forward(batch); });
    check_output(loss.ref(), "total", made.total, {}, true, Finite::unchecked);
    add(made.total * config_.losses[i].loss_weight);
    for (const auto& [name, value] : made.parts) out.parts.emplace_back(loss.ref().id + "." + name, value.detach());
  }
  for (size_t i = 0; i < interactions_.size(); ++i) {
    if (on_all_pairs(i)) continue;
    const at::Tensor term = interaction_loss(i, batch);
    add(term);
    out.parts.emplace_back(interactions_.size() == 1 ? "interaction" : "interaction." + interactions_[i].ref().id,
                           term.detach());
  }
  return out;
}

void RetrievalModel::find_fault(const LossInput& batch) const {
  for (const Side side : {Side::image, Side::text}) {
    const size_t s = index(side);
    const Representation& representation = side == Side::image ? batch.image : batch.text;
    const ComponentRef& encoder = side == Side::image ? image_encoder_.ref() : text_encoder_.ref();
    const auto check = [&](const ComponentRef& ref, const char* name) {
      const at::Tensor& tensor = part_of(representation, name);
      if (tensor.defined()) check_output(ref, name, tensor, tensor.sizes().vec(), true);
    };
    check(encoder, "global");
    check(encoder, "tokens");
    if (graph_encoders_[s]) {
      check(graph_encoders_[s].ref(), "nodes");
      check(graph_encoders_[s].ref(), "local");
    }
    check(fusions_[s].ref(), "embedding");
  }
}

namespace {

/// Component, parameters, plugin, and what counts of every file that a parameter names.
void add_identity(Hasher& hasher, const ComponentConfig& config, PluginHost& plugins, ContentHashes& hashes) {
  const Component& component = plugins.find(config.kind, config.id);
  hasher.add(std::string_view(config.kind)).add(std::string_view(config.id));
  hasher.add(std::string_view(PluginHost::plugin_of(component).hash));
  Value params = config.params;
  replace_paths(component.parameters, params, "",
                [&](const std::string&, const std::filesystem::path& path) { return Value(hashes.of_path(path)); });
  hasher.add(std::string_view(to_json(params, -1)));
}

}  // namespace

std::string RetrievalModel::encoder_identity(Side side, ContentHashes& hashes) const {
  Hasher hasher;
  add_identity(hasher, *side_config(side).encoder, plugins_, hashes);
  const ModelComponent& encoder =
      side == Side::image ? static_cast<const ModelComponent&>(image_encoder_.get()) : text_encoder_.get();
  TensorMap tensors;
  for (const auto& item : encoder.named_parameters()) tensors[item.key()] = item.value();
  for (const auto& item : encoder.named_buffers()) tensors[item.key()] = item.value();
  hasher.add(std::string_view(hash_tensors(tensors)));
  hasher.add(std::string_view(encoder.extra_state()));
  if (side == Side::image) {
    const ImageInput input = image_input();
    hasher.add(std::string_view(fmt::format("{}x{} {} {} {} {}", input.height, input.width,
                                            static_cast<int>(input.resize), static_cast<int>(input.interpolation),
                                            fmt::join(input.mean, ","), fmt::join(input.std, ","))));
  }
  return hasher.hex();
}

std::string RetrievalModel::graph_identity(Side side, ContentHashes& hashes) const {
  Hasher hasher;
  add_identity(hasher, *side_config(side).graph, plugins_, hashes);
  return hasher.hex();
}

std::string RetrievalModel::detector_identity(ContentHashes& hashes) const {
  Hasher hasher;
  add_identity(hasher, *config_.image.detector, plugins_, hashes);
  return hasher.hex();
}

}  // namespace orbweaver
