#include "framework/train/train.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <malloc.h>
#include <torch/utils.h>

#include <chrono>
#include <cmath>
#include <ctime>
#include <future>
#include <mutex>
#include <optional>

#include "framework/data/random.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/io/lenient.h"
#include "framework/io/tensorboard.h"
#include "framework/io/writable.h"
#include "framework/model/retrieval_model.h"
#include "framework/model/split_inputs.h"
#include "framework/train/checkpoint.h"
#include "framework/train/distributed.h"
#include "framework/train/evaluate.h"
#include "framework/train/optimizer.h"
#include "framework/train/run_folder.h"
#include "framework/train/session.h"
#include "framework/train/step_clock.h"
#include "framework/train/weight_average.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr int64_t steps_between_events = 10;  // of TensorBoard's curve of single steps

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Gives back what was freed: otherwise holes between what stays make the heap grow, epoch by epoch.
void trim_heap() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

/// A file name out of free text.
std::string as_file_name(const std::string& text) {
  std::string out;
  for (const char c : text) out += std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' ? c : '_';
  return out;
}

/// Where a run stands; everything that decides how it goes on.
struct Progress {
  int64_t epoch = 0;    // of the next step, from 0
  int64_t batch = 0;    // of the next step within its epoch
  int64_t step = 0;     // taken so far
  double loss_sum = 0;  // of this epoch so far
  std::vector<std::pair<std::string, double>> part_sums;
  double best = -1;            // validation mR
  int64_t best_epoch = 0;      // from 1; 0: none yet
  int64_t stale = 0;           // validations since
  double seconds = 0;          // of training, over all its sittings
  double epoch_seconds = 0;    // of this epoch so far, likewise
  double own_seconds = 0;      // of these, outside the components, backward and the optimiser
  double waiting_seconds = 0;  // of these, for images
  bool done = false;

  Value to_value() const {
    Value out = Value::object();
    out["epoch"] = epoch;
    out["batch"] = batch;
    out["step"] = step;
    out["loss_sum"] = loss_sum;
    out["part_sums"] = Value::object();
    for (const auto& [name, sum] : part_sums) out["part_sums"][name] = sum;
    out["best"] = best;
    out["best_epoch"] = best_epoch;
    out["stale"] = stale;
    out["seconds"] = seconds;
    out["epoch_seconds"] = epoch_seconds;
    out["own_seconds"] = own_seconds;
    out["waiting_seconds"] = waiting_seconds;
    out["done"] = done;
    return out;
  }
  static Progress from(const Value& value) {
    Progress out;
    out.epoch = value.at("epoch").as_int();
    out.batch = value.at("batch").as_int();
    out.step = value.at("step").as_int();
    out.loss_sum = value.at("loss_sum").as_double();
    for (const auto& [name, sum] : value.at("part_sums").as_object()) out.part_sums.emplace_back(name, sum.as_double());
    out.best = value.at("best").as_double();
    out.best_epoch = value.at("best_epoch").as_int();
    out.stale = value.at("stale").as_int();
    out.seconds = value.at("seconds").as_double();
    // Earlier checkpoints lack them.
    if (const Value* of_epoch = value.find("epoch_seconds")) out.epoch_seconds = of_epoch->as_double();
    if (const Value* own = value.find("own_seconds")) out.own_seconds = own->as_double();
    if (const Value* waiting = value.find("waiting_seconds")) out.waiting_seconds = waiting->as_double();
    out.done = value.at("done").as_bool();
    return out;
  }
};

/// JSON pointers at which two configs differ.
void differences(const Value& a, const Value& b, const std::string& pointer, std::vector<std::string>& out) {
  if (a == b) return;
  if (!a.is_object() || !b.is_object()) {
    out.push_back(fmt::format("{} was {}, is {}", pointer, brief(a), brief(b)));
    return;
  }
  const Value absent;
  for (const auto& [key, value] : a.as_object()) {
    const Value* other = b.find(key);
    differences(value, other ? *other : absent, pointer + "/" + key, out);
  }
  for (const auto& [key, value] : b.as_object())
    if (!a.find(key)) out.push_back(fmt::format("{}/{} was not there, is {}", pointer, key, brief(value)));
}

class Trainer {
 public:
  /// @param replaces  whether the folder holds a run whose place this one takes when it begins
  Trainer(LoadedConfig loaded, RunFolder folder, bool resume, bool replaces, const RunReport& report, RankGroup& ranks)
      : plugins_(std::move(loaded.plugins)),
        config_(std::move(loaded.config)),
        folder_(std::move(folder)),
        outer_(report),
        ranks_(ranks),
        replaces_(replaces) {
    report_ = report;
    report_.line = [this](const std::string& text) {
      if (!ranks_.leads()) return;
      log(text);
      outer_.line(text);
    };
    if (!ranks_.alone())
      report_.progress = [this](const std::string& what, int64_t done, int64_t total, const std::string& unit,
                                const std::string& note) {
        ranks_.check();
        if (ranks_.leads()) outer_.progress(what, done, total, unit, note);
      };
    resume_ = resume;
  }

  /// A training that is refused or interrupted while it is prepared waits for no file to be read.
  ~Trainer() { given_up_ = true; }
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  TrainResult run() {
    if (!ranks_.alone()) share_work();
    set_up_torch(config_);
    const bool resuming = resume_ && fs::exists(folder_.last());
    std::optional<Checkpoint> checkpoint;
    if (resuming) checkpoint = load_checkpoint(folder_.last());
    // Rank 0 first: it fills the caches, the others read them.
    ranks_.first_does([&] {
      prepare(checkpoint ? &*checkpoint : nullptr);
      return data_hash_;
    });
    if (!ranks_.leads()) prepare(checkpoint ? &*checkpoint : nullptr);
    if (!ranks_.alone()) check_same_start();
    if (ranks_.leads()) begin(resuming);
    checkpoint.reset();
    open_events();

    while (!progress_.done) {
      trim_heap();
      if (!train_epoch()) return stopped();
      end_epoch();
    }
    TrainResult result{folder_.path(), true, {}};
    ranks_.first_does([&] {
      result = finish();
      return std::string();
    });
    return result;
  }

 private:
  /// What training with several processes asks of a config.
  void share_work() {
    if (config_.train.batch_size % ranks_.size() != 0)
      throw InputError(
          fmt::format("/train/batch_size: is {}, which {} processes cannot share evenly; it is the batch of all of "
                      "them together",
                      config_.train.batch_size, ranks_.size()));
    if (config_.device == "cuda") config_.device = fmt::format("cuda:{}", ranks_.place().local_rank);
    report_.line(
        fmt::format("{} processes train together (told by {}; {} at {}:{}): each takes {} of a batch's {} "
                    "pairs; this is rank 0, which validates and writes",
                    ranks_.size(), ranks_.place().found_by, ranks_.backend(), ranks_.place().host, ranks_.place().port,
                    own_batch_size(), config_.train.batch_size));
  }

  void check_same_start() {
    ranks_.wait_for_all();
    ranks_.check_same("settings", hash_text(to_json(config_.resolved)), "start all with the same command");
    ranks_.check_same("data", data_hash_, "all must see the same dataset");
    ranks_.check_same("progress", fmt::format("step {}", progress_.step),
                      "the run folder must be on a file system that all share");
    ranks_.check_same("weights", weights_hash(), "all must run the same program with the same plugins");
    size_t norms = 0;
    model_->train(true);
    for (const auto& module : model_->root().modules())
      norms += module->is_training() && module->named_buffers(/*recurse=*/false).contains("running_mean");
    if (norms > 0)
      report_.line(
          fmt::format("{} trained layers of batch normalisation take their statistics from each process's part "
                      "of a batch alone: results differ from one process's",
                      norms));
  }

  std::string weights_hash() const {
    TensorMap all;
    for (const auto& group : model_->parameter_groups()) all.insert(group.parameters.begin(), group.parameters.end());
    return hash_tensors(all);
  }

  int64_t own_batch_size() const { return config_.train.batch_size / ranks_.size(); }
  /// This rank's part of a batch.
  std::span<const int64_t> own_part(std::span<const int64_t> captions) const {
    const auto [begin, end] = ranks_.part(static_cast<int64_t>(captions.size()));
    return captions.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  }

  void prepare(const Checkpoint* checkpoint) {
    open_data(checkpoint);
    make_model(checkpoint);
  }

  void open_data(const Checkpoint* checkpoint) {
    dataset_ = open_dataset(config_, report_);
    if (dataset_.train.captions.empty())
      throw InputError(fmt::format("{}: has no training captions", config_.dataset.root.string()));
    if (dataset_.val.captions.empty())
      throw InputError(fmt::format("{}: has no validation captions; the checkpoint is selected on them",
                                   config_.dataset.root.string()));
    data_hash_ = Hasher().add(std::string_view(dataset_.train.hash())).add(std::string_view(dataset_.val.hash())).hex();
    if (checkpoint && checkpoint->facts.at("data").as_string() != data_hash_)
      throw InputError(fmt::format("{}: was trained on other data than {} holds now; start a new run with --overwrite",
                                   folder_.last().string(), config_.dataset.root.string()));
    if (ranks_.leads()) check_content(checkpoint);
    report_.line(fmt::format("{}: {} training images, {} captions; {} validation images ({})", dataset_.name,
                             dataset_.train.images.size(), dataset_.train.captions.size(), dataset_.val.images.size(),
                             dataset_.val_source));
  }

  /// Lists and captions may be what they were while an image was exchanged.
  void check_content(const Checkpoint* checkpoint) {
    if (!checkpoint) {
      content_made_ = std::async(std::launch::async, [this] {
        Value made = Value::object();
        for (const Split* split : {&dataset_.train, &dataset_.val})
          made[split->name] = content_record(config_, dataset_, *split, &given_up_);
        return made;
      });
      // Only the first checkpoint wants to know: a hundred thousand files are read while the model is made. Where the
      // cache is asked for graphs or features it wants the same hashes at once, and finds them remembered.
      if (config_.image.graph || config_.image.encoder->freeze) {
        while (content_made_.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) report_.stop_point();
        content();
      }
      return;
    }
    for (const Split* split : {&dataset_.train, &dataset_.val}) {
      Value now = content_record(config_, dataset_, *split, report_.stop);
      Value before = member(member(checkpoint->facts, "content"), split->name);
      if (!config_.image.graph) before.erase("detections");
      if (!config_.text.graph) before.erase("triples");
      const std::string other = differing_content(before, now, config_, dataset_, *split, report_.stop);
      if (!other.empty())
        throw InputError(
            fmt::format("{}: was trained on other {} than {} holds now (split {}); start a new run with --overwrite",
                        folder_.last().string(), other, config_.dataset.root.string(), split->name));
      content_[split->name] = std::move(now);
    }
  }

  /// What content_record() made of the splits that are trained on and validated.
  Value& content() {
    if (content_made_.valid()) content_ = content_made_.get();
    return content_;
  }

  void make_model(const Checkpoint* checkpoint) {
    cache_.emplace(open_cache(config_, report_));
    model_ = std::make_unique<RetrievalModel>(config_, *plugins_);
    const SplitInputs::Options options{config_.eval.batch_size, config_.train.workers};
    SplitInputs::Options train_options = options;
    train_options.augmented = config_.train.augment.any();
    train_ = std::make_unique<SplitInputs>(*model_, dataset_.train, dataset_.triples, *cache_, report_, train_options);
    if (ranks_.leads())
      val_ = std::make_unique<SplitInputs>(*model_, dataset_.val, dataset_.triples, *cache_, report_, options);
    // Read now for its errors alone; the graphs, whose names it joins, take a while.
    if (!checkpoint && !config_.synonyms.empty()) SynonymTables::read(config_.synonyms);
    train_->build_graphs();
    if (val_) val_->build_graphs();
    if (checkpoint) {
      model_->restore(checkpoint->extra);
      model_->load_state(checkpoint->model, folder_.last().string());
      progress_ = Progress::from(checkpoint->facts.at("progress"));
    } else {
      FitData fit;
      for (const CaptionRecord& caption : dataset_.train.captions) fit.captions.push_back(caption.text);
      train_->count_names(fit.graph_names);
      model_->fit(fit);
    }
    train_->prepare();
    if (val_) val_->prepare();
    optimizer_ = std::make_unique<Optimizer>(config_.train, model_->parameter_groups());
    average_ = std::make_unique<WeightAverage>(config_.train.average, model_->parameter_groups());
    if (checkpoint) {
      optimizer_->load_state(checkpoint->training, folder_.last().string());
      average_->load_state(checkpoint->training, folder_.last().string());
    }

    int64_t trainable = 0;
    for (const auto& group : model_->parameter_groups())
      for (const auto& [name, tensor] : group.parameters) {
        trainable += tensor.numel();
        parameters_.push_back(tensor);
      }
    steps_per_epoch_ = epoch_batches(0).size();
    if (steps_per_epoch_ == 0)
      throw InputError(
          fmt::format("/train/batch_size: is {}, but there are only {} training captions; make it smaller or set "
                      "train.drop_last=false",
                      config_.train.batch_size, train_->caption_count()));
    if (const int64_t rest = train_->caption_count() % config_.train.batch_size;
        !config_.train.drop_last && rest > 0 && rest < ranks_.size())
      throw InputError(
          fmt::format("/train/drop_last: is false, and the last batch of {} pairs is too small for {} "
                      "processes; set it to true, or change train.batch_size",
                      rest, ranks_.size()));
    report_.line(fmt::format(
        "{} trainable parameters, {} steps an epoch, {} threads{}", trainable, steps_per_epoch_, config_.train.threads,
        checkpoint ? fmt::format("; resuming at epoch {} step {}", progress_.epoch + 1, progress_.batch) : ""));
  }

  /// Everything is checked and made. Until here the folder holds what it held: a training that is refused costs no run.
  void begin(bool resuming) {
    if (resuming) return folder_.keep_metrics_until(progress_.epoch);
    if (!resume_ && !replaces_) return;
    // Also where nothing is replaced: a kill may have come between an epoch's line and the checkpoint of its end, or
    // while a run was being replaced.
    folder_.remove_results();
    if (!replaces_) return;
    fs::remove_all(folder_.tensorboard());
    fs::remove(folder_.log());
    // Last: under the old config there are only files of the old run, under the new one none.
    write_atomically(folder_.config(), to_json(config_.resolved) + "\n");
    const std::lock_guard guard(log_mutex_);
    replaces_ = false;
    for (const auto& [time, line] : held_lines_) folder_.append_log(line, time);
  }

  /// The log is the old run's until that is gone.
  void log(const std::string& text) {
    const std::lock_guard guard(log_mutex_);
    if (replaces_)
      held_lines_.emplace_back(std::time(nullptr), text);
    else
      folder_.append_log(text);
  }

  void open_events() {
    if (!config_.train.tensorboard || progress_.done || !ranks_.leads()) return;
    // Stopped between an epoch's last step and its validation: the epoch's own event comes again, at that step.
    const bool pending = progress_.batch == steps_per_epoch_;
    events_.emplace(folder_.tensorboard(), progress_.step - (pending ? 1 : 0));
  }

  EpochBatches epoch_batches(int64_t epoch) const {
    return EpochBatches(static_cast<uint64_t>(config_.seed), epoch, train_->caption_count(), config_.train.batch_size,
                        config_.train.drop_last);
  }

  /// @return false when told to stop, after saving.
  bool train_epoch() {
    const EpochBatches batches = epoch_batches(progress_.epoch);
    const std::unique_ptr<ImageLoader> loader = train_->loads_images() ? load_epoch(batches) : nullptr;
    if (progress_.batch == 0) {
      progress_.loss_sum = 0;
      progress_.part_sums.clear();
    }
    model_->train(true);
    last_save_ = Clock::now();
    sitting_ = Clock::now();
    const std::string name = fmt::format("epoch {}/{}", progress_.epoch + 1, config_.train.epochs);
    while (progress_.batch < batches.size()) {
      const RankGroup::Wishes wishes = step(batches.batch(progress_.batch), loader.get());
      ++progress_.batch;
      ++progress_.step;
      report_.progress(name, progress_.batch, batches.size(), "steps",
                       fmt::format("loss {:.4g}", progress_.loss_sum / static_cast<double>(progress_.batch)));
      if (wishes.stop) {
        note_time();
        save_last_alone();
        return false;
      }
      if (wishes.save && progress_.batch < batches.size()) {
        note_time();
        save_last_alone();
        last_save_ = Clock::now();
      }
    }
    note_time();
    return true;
  }

  /// The images of this rank's part of an epoch in its order, moved where the config says so.
  std::unique_ptr<ImageLoader> load_epoch(const EpochBatches& batches) {
    std::vector<int64_t> captions, images;
    for (int64_t b = 0; b < batches.size(); ++b) {
      const std::span<const int64_t> part = own_part(batches.batch(b));
      captions.insert(captions.end(), part.begin(), part.end());
    }
    for (const int64_t caption : captions) images.push_back(train_->caption_images()[static_cast<size_t>(caption)]);
    if (!config_.train.augment.any()) return train_->load_images(images, own_batch_size(), progress_.batch);

    // One slot per position: each is written by one worker, before the batch that holds it is handed over.
    moved_graphs_.assign(model_->has_graphs(Side::image) ? captions.size() : 0, {});
    return train_->load_images(images, own_batch_size(), progress_.batch,
                               [this, captions, epoch = progress_.epoch](Image& image, int64_t position) {
                                 const size_t at = static_cast<size_t>(position);
                                 const CaptionRecord& caption =
                                     dataset_.train.captions[static_cast<size_t>(captions[at])];
                                 const Motion motion = draw_motion(
                                     config_.train.augment, image.width, image.height, names_direction(caption.text),
                                     static_cast<uint64_t>(config_.seed), epoch, captions[at]);
                                 image = moved(image, motion);
                                 if (!moved_graphs_.empty())
                                   moved_graphs_[at] = train_->moved_graph(caption.image, image, motion);
                               });
  }

  /// The graphs of the batch that the loader gave last.
  GraphBatch image_graphs(std::span<const int64_t> images) {
    if (moved_graphs_.empty()) return train_->graphs(Side::image, images);
    std::vector<const Graph*> graphs;
    const size_t first = static_cast<size_t>(progress_.batch * own_batch_size());
    for (size_t i = 0; i < images.size(); ++i) graphs.push_back(&moved_graphs_[first + i]);
    GraphBatch batch = model_->collate(Side::image, graphs);
    for (size_t i = 0; i < images.size(); ++i) moved_graphs_[first + i] = {};
    return batch;
  }

  /// Dropout and whatever else draws random numbers is a function of (seed, step): nothing to save, nothing to restore.
  /// @param stream  another one for each rank where ranks must draw differently.
  void seed_draws(int64_t stream) {
    torch::manual_seed(Random(static_cast<uint64_t>(config_.seed), 0x5eed + static_cast<uint64_t>(stream),
                              static_cast<uint64_t>(progress_.step))
                           .next() >>
                       1);
  }

  RankGroup::Wishes step(std::span<const int64_t> captions, ImageLoader* loader) {
    seed_draws(ranks_.alone() ? 0 : 1 + ranks_.rank());
    LossInput batch = make_batch(captions, loader);
    if (!ranks_.alone()) {
      ranks_.gather(batch, static_cast<int64_t>(captions.size()), model_->batch_reads());
      seed_draws(0);
    }
    const RetrievalModel::BatchLoss loss = clock_.computing([&] { return model_->loss(batch); });
    const double value = clock_.computing([&] { return loss.total.item<double>(); });  // a GPU computes until here
    if (!std::isfinite(value)) fail_on_loss(captions, batch, value);
    optimizer_->zero_grad();
    clock_.computing([&] {
      if (ranks_.alone())
        loss.total.backward();
      else
        loss.total.backward(at::full_like(loss.total, 1.0 / static_cast<double>(ranks_.size())));
    });
    const bool save_now = ranks_.leads() && seconds_since(last_save_) >= config_.train.checkpoint_every;
    const RankGroup::Wishes wishes = ranks_.sum_gradients(parameters_, {report_.stopping(), save_now});
    clock_.computing([&] {
      optimizer_->step(learning_rate(config_.train, progress_.step, steps_per_epoch_));
      average_->update(progress_.step);
    });

    progress_.loss_sum += value;
    if (progress_.part_sums.empty())
      for (const auto& part : loss.parts) progress_.part_sums.emplace_back(part.first, 0.0);
    for (size_t i = 0; i < loss.parts.size(); ++i) progress_.part_sums[i].second += loss.parts[i].second.item<double>();

    // Never at an epoch's last step, which is the place of the epoch's own event.
    const int64_t taken = progress_.step + 1;
    if (events_ && taken % steps_between_events == 0 && progress_.batch + 1 < steps_per_epoch_)
      events_->append(taken, {{"step/loss", value}});
    return wishes;
  }

  /// This rank's part of a batch, with the image ids and token hashes of the whole.
  LossInput make_batch(std::span<const int64_t> captions, ImageLoader* loader) {
    std::vector<int64_t> images, texts, image_ids, hashes;
    for (const int64_t caption : captions) {
      image_ids.push_back(train_->caption_images()[static_cast<size_t>(caption)]);
      hashes.push_back(train_->token_hash(caption));
    }
    for (const int64_t caption : own_part(captions)) {
      images.push_back(train_->caption_images()[static_cast<size_t>(caption)]);
      texts.push_back(train_->caption_texts()[static_cast<size_t>(caption)]);
    }
    LossInput batch;
    at::Tensor pixels;
    if (loader) pixels = train_->pixels(*clock_.waiting([&] { return loader->next(); }));
    clock_.computing([&] {
      batch.image = train_->encode_images(images, pixels);
      batch.text = train_->encode_texts(texts);
    });
    batch.image_graphs = image_graphs(images);
    batch.text_graphs = train_->graphs(Side::text, texts);
    clock_.computing([&] {
      model_->complete(Side::image, batch.image, batch.image_graphs);
      model_->complete(Side::text, batch.text, batch.text_graphs);
    });
    const auto tensor = [&](const std::vector<int64_t>& numbers) {
      return at::tensor(numbers, at::kLong).to(model_->device());
    };
    batch.image_ids = tensor(image_ids);
    batch.token_hashes = tensor(hashes);
    return batch;
  }

  [[noreturn]] void fail_on_loss(std::span<const int64_t> captions, const LossInput& batch, double value) {
    if (!ranks_.leads()) throw Error(fmt::format("the loss is {}; rank 0 tells more", value));
    Value items = Value::list();
    for (const int64_t caption : captions) {
      const CaptionRecord& record = dataset_.train.captions[static_cast<size_t>(caption)];
      Value item = Value::object();
      item["caption"] = caption;
      item["text"] = record.text;
      item["image"] = dataset_.train.images[static_cast<size_t>(record.image)].name;
      items.push_back(item);
    }
    Value out = Value::object();
    out["epoch"] = progress_.epoch + 1;
    out["step"] = progress_.step + 1;
    out["loss"] = Value(fmt::format("{}", value));
    out["items"] = std::move(items);
    const fs::path file = folder_.bad_batch();
    write_atomically(file, to_json(out) + "\n");
    std::string fault = "the losses themselves";
    try {
      model_->find_fault(batch);
    } catch (const Error& error) {
      fault = error.what();
    }
    const std::string text = fmt::format(
        "the loss is {} at epoch {}, step {}; its batch is written to {}; first fault: {}; a smaller "
        "train.lr or train.clip_norm may help",
        value, progress_.epoch + 1, progress_.step + 1, file.string(), fault);
    folder_.append_log(text);
    throw Error(text);
  }

  /// Rank 0 validates, saves and decides, the others wait for its word.
  void end_epoch() {
    if (!ranks_.alone())
      ranks_.check_same("weights", weights_hash(),
                        "all ranks must run on machines of one kind, whose arithmetic agrees");
    const std::string next = ranks_.first_does([&] {
      finish_epoch();
      return std::string(progress_.done ? "done" : "go on");
    });
    if (ranks_.leads()) return;
    ++progress_.epoch;
    progress_.batch = 0;
    progress_.done = next == "done";
  }

  void finish_epoch() {
    const int64_t epoch = ++progress_.epoch;
    const double steps = static_cast<double>(progress_.batch);
    progress_.batch = 0;
    const bool last = epoch == config_.train.epochs;
    Value line = Value::object();
    line["epoch"] = epoch;
    line["step"] = progress_.step;
    line["lr"] = learning_rate(config_.train, progress_.step - 1, steps_per_epoch_);
    line["loss"] = progress_.loss_sum / steps;
    for (const auto& [name, sum] : progress_.part_sums) line["parts"][name] = sum / steps;
    std::string text = fmt::format("epoch {}: loss {:.4g}", epoch, progress_.loss_sum / steps);
    if (epoch % config_.train.validate_every == 0 || last) {
      average_->swap();
      const RetrievalMetrics metrics = plain_metrics(*model_, *val_, config_.eval, report_);
      line["val"] = to_value(metrics);
      const bool better = metrics.mean_recall() > progress_.best;
      text += fmt::format(", validation mR {:.2f}{}", metrics.mean_recall(), better ? " (best)" : "");
      if (better) {
        progress_.best = metrics.mean_recall();
        progress_.best_epoch = epoch;
        progress_.stale = 0;
        save_best();
      } else {
        ++progress_.stale;
      }
      average_->swap();
    }
    const bool early = config_.train.early_stopping > 0 && progress_.stale >= config_.train.early_stopping;
    progress_.done = last || early;
    line["seconds"] = progress_.epoch_seconds;
    line["own_seconds"] = progress_.own_seconds;
    line["waiting_seconds"] = progress_.waiting_seconds;
    line["pairs_per_second"] =
        steps * static_cast<double>(config_.train.batch_size) / std::max(progress_.epoch_seconds, 1e-9);
    text += fmt::format(", {:.1f} s", progress_.epoch_seconds);
    if (early && !last) text += fmt::format("; stopping early: no better validation for {}", progress_.stale);
    progress_.epoch_seconds = progress_.own_seconds = progress_.waiting_seconds = 0;
    folder_.append_metrics(line);
    if (events_) events_->append(progress_.step, epoch_scalars(line));
    report_.line(text);
    save_last();
  }

  void note_time() {
    const double seconds = seconds_since(sitting_);
    sitting_ = Clock::now();
    progress_.epoch_seconds += seconds;
    progress_.own_seconds += seconds - clock_.computing_seconds();
    progress_.waiting_seconds += clock_.waiting_seconds();
    progress_.seconds += seconds;
    clock_ = StepClock();
  }

  void save_best() {
    Value facts = Value::object();
    facts["epoch"] = progress_.best_epoch;
    facts["val_mR"] = progress_.best;
    save_checkpoint(folder_.best(), {model_->state(), {}, model_->extra_states(), facts});
  }

  /// By rank 0, while the others wait.
  void save_last_alone() {
    ranks_.first_does([&] {
      save_last();
      return std::string();
    });
  }

  void save_last() {
    Value facts = Value::object();
    facts["progress"] = progress_.to_value();
    facts["data"] = Value(data_hash_);
    facts["content"] = content();
    TensorMap training = optimizer_->state();
    training.merge(average_->state());
    save_checkpoint(folder_.last(), {model_->state(), training, model_->extra_states(), facts});
  }

  TrainResult stopped() {
    report_.line(fmt::format("stopped at epoch {}, step {}; saved. Continue with: orbweaver train {} --resume",
                             progress_.epoch + 1, progress_.batch, folder_.path().string()));
    return {folder_.path(), false, {}};
  }

  TrainResult finish() {
    Value record = Value::object();
    record["name"] = Value(config_.name);
    record["seed"] = config_.seed;
    record["selection"]["split"] = Value("val");
    record["selection"]["metric"] = Value("mR");
    record["selection"]["tie_rule"] = Value("strict");
    record["selection"]["source"] = Value(dataset_.val_source);
    record["selection"]["epoch"] = progress_.best_epoch;
    record["selection"]["mR"] = progress_.best;
    record["epochs"] = progress_.epoch;
    record["steps"] = progress_.step;
    record["train_seconds"] = progress_.seconds;
    record["weights"] = Value(hash_file(folder_.best()));
    record["dataset"] = dataset_record(dataset_);
    // What an evaluation of the run is made on.
    content()["test"] = content_record(config_, dataset_, dataset_.test);
    for (const auto& [split, hashes] : content().as_object()) record["dataset"]["splits"][split]["content"] = hashes;
    record["environment"] = environment_record(config_, *plugins_);
    if (!ranks_.alone()) {
      record["environment"]["processes"] = ranks_.size();
      record["environment"]["backend"] = Value(ranks_.backend());
    }
    // Resuming a finished run changes nothing: what was evaluated on these weights stays, beside the split it was
    // evaluated on, whose data may have been exchanged since.
    if (fs::exists(folder_.record())) {
      const Value before = read_json(folder_.record());
      const Value& evaluations = member(before, "evaluations");
      if (evaluations.is_object() && member(before, "weights") == record.at("weights")) {
        record["evaluations"] = evaluations;
        for (const auto& [split, evaluation] : evaluations.as_object())
          if (const Value& then = member(member(member(before, "dataset"), "splits"), split); then.is_object())
            record["dataset"]["splits"][split] = then;
      }
    }
    write_atomically(folder_.record(), to_json(record) + "\n");
    report_.line(fmt::format("best epoch {}: validation mR {:.2f}; run folder {}", progress_.best_epoch, progress_.best,
                             folder_.path().string()));
    return {folder_.path(), true, std::move(record)};
  }

  std::unique_ptr<PluginHost> plugins_;
  Config config_;
  RunFolder folder_;
  const RunReport& outer_;
  RankGroup& ranks_;
  RunReport report_;
  bool resume_ = false;
  bool replaces_;                                                // a run that is still there
  std::vector<std::pair<std::time_t, std::string>> held_lines_;  // of log.txt, until that run is gone
  std::mutex log_mutex_;
  Dataset dataset_;
  std::string data_hash_;
  Value content_;                      // by split, of rank 0
  std::atomic<bool> given_up_{false};  // ends what makes it
  std::future<Value> content_made_;    // it, until content() wants it; reads the config and the dataset above
  std::optional<FeatureCache> cache_;
  std::unique_ptr<RetrievalModel> model_;
  std::unique_ptr<SplitInputs> train_, val_;
  std::vector<Graph> moved_graphs_;  // by position in the epoch; empty unless images with graphs are augmented
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<WeightAverage> average_;
  std::vector<at::Tensor> parameters_;  // that are trained
  std::optional<EventFile> events_;
  Progress progress_;
  int64_t steps_per_epoch_ = 0;
  Clock::time_point sitting_, last_save_;
  StepClock clock_;  // since the sitting began
};

/// Paths may move with the machine; everything else must be the same for a run to continue.
void check_same_config(const RunFolder& folder, const Value& now) {
  std::vector<std::string> differing;
  differences(read_json(folder.config()), now, "", differing);
  // It adds a file and changes nothing else.
  std::erase_if(differing, [](const std::string& line) { return line.starts_with("/train/tensorboard "); });
  if (differing.empty()) return;
  throw InputError(fmt::format("{}: holds a run of another config: {}; use another --out, or --overwrite",
                               folder.path().string(), fmt::join(differing, "; ")));
}

/// Refuses a folder that holds another run, and writes the config where none is to be replaced.
/// @return whether one is
bool open_folder(const RunFolder& folder, const TrainOptions& options, const Config& config) {
  if (options.overwrite && (folder.started() || folder.saved())) {
    require_writable(folder.config());
    return true;
  }
  if (folder.started()) {
    if (!options.resume)
      throw InputError(
          fmt::format("{}: holds a run already; --resume continues it, --overwrite starts again, --out DIR puts the "
                      "new one elsewhere",
                      folder.path().string()));
    // A training that was killed before its first state begins anew; one whose state was taken away would lose what it
    // saved.
    if (!fs::exists(folder.last()) && (fs::exists(folder.record()) || folder.epochs() > 1))
      throw InputError(
          fmt::format("{}: does not exist, and without its state the run cannot go on; put the file back, or start "
                      "again with --overwrite. orbweaver eval needs best.safetensors alone",
                      folder.last().string()));
    check_same_config(folder, config.resolved);
  } else if (folder.saved()) {
    throw InputError(
        fmt::format("{}: does not exist, but its folder holds files of a run; put the file back, start again with "
                    "--overwrite, or choose another folder with --out",
                    folder.config().string()));
  }
  write_atomically(folder.config(), to_json(config.resolved) + "\n");
  return false;
}

TrainResult train_as(RankGroup& ranks, const TrainOptions& options, const RunReport& report) {
  LoadedConfig loaded = load_config(options.config_or_run, options.overrides);
  fs::path path = options.folder;
  if (path.empty() && fs::is_directory(options.config_or_run)) path = options.config_or_run;
  if (path.empty())
    path = loaded.config.output / fmt::format("{}-{}-s{}", as_file_name(loaded.config.name),
                                              as_file_name(loaded.config.dataset.name), loaded.config.seed);
  const RunFolder folder(fs::absolute(path).lexically_normal());
  std::optional<RunClaim> claim;  // of rank 0
  try {
    bool replaces = false;
    ranks.first_does([&] {
      claim.emplace(folder, options.locked);
      replaces = open_folder(folder, options, loaded.config);
      if (!claim->unlocked().empty())
        report.line(fmt::format("{}; a second training in this folder would not be noticed", claim->unlocked()));
      return std::string();
    });
    return Trainer(std::move(loaded), folder, options.resume, replaces, report, ranks).run();
  } catch (...) {
    if (claim) claim->take_back();
    throw;
  }
}

}  // namespace

TrainResult train(const TrainOptions& options, const RunReport& report) {
  const std::optional<RankPlace> place = find_rank_place();
  if (!place) {
    RankGroup alone;
    return train_as(alone, options, report);
  }
  RankGroup ranks(*place, RankOptions::from_environment());
  try {
    TrainResult result = train_as(ranks, options, report);
    ranks.leave();
    return result;
  } catch (const std::exception& error) {
    ranks.announce_failure(error.what());
    throw;
  }
}

}  // namespace orbweaver
