#include "framework/sweep/worker.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "framework/cache/file_hashes.h"
#include "framework/eval/ability_oracle.h"
#include "framework/eval/evaluation.h"
#include "framework/eval/named_reranker.h"
#include "framework/eval/saved_ranks.h"
#include "framework/io/file_lock.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/io/npy.h"
#include "framework/sweep/identity.h"
#include "framework/sweep/local_launcher.h"
#include "framework/sweep/outcome.h"
#include "framework/train/evaluate.h"
#include "framework/train/run_folder.h"
#include "framework/train/session.h"
#include "framework/train/train.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

/// One process at a time in a run folder: the one of an earlier launch may
/// still be at work, on a cluster for long.
void wait_for(FileLock& lock, const RunReport& report) {
  for (bool said = false; !lock.take_if_free(); said = true) {
    if (!said) report.line("waiting: another process is at work in this run folder");
    report.stop_point();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

double peak_memory_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;  // kibibytes on Linux
}

const Scores scores_of(const NpyMatrix& matrix) {
  return std::visit([](const auto& held) -> Scores { return held.view(); }, matrix);
}

class Worker {
 public:
  Worker(const fs::path& job_file, std::string token, const RunReport& report)
      : job_(read_json(job_file)),
        folder_(job_.at("folder").as_string()),
        run_(folder_.path()),
        split_(job_.at("split").as_string()),
        report_(report) {
    outcome_.launch = std::move(token);
    outcome_.training = hash_value(job_.at("training"));
    outcome_.evaluation = job_.at("evaluation").as_string();
  }

  bool run() {
    fs::create_directories(folder_.path());
    FileLock lock(folder_.lock());
    wait_for(lock, report_);
    lock.sign();
    remove_leftovers(folder_.path());
    if (const auto before = folder_.read_outcome(); before && before->training == outcome_.training) {
      // An evaluation made again keeps what the training took; a training that
      // goes on adds to it.
      seconds_before_ = outcome_.seconds = before->seconds;
      outcome_.peak_memory_mib = before->peak_memory_mib;
      outcome_.trained_as = before->trained_as;
    }
    try {
      return work();
    } catch (const std::exception& error) {
      leave_failure(error.what());
      throw;
    }
  }

 private:
  bool work() {
    trained_before_ = folder_.trained(outcome_.training);
    const Changes now = changes();
    refuse(now.training);
    refuse(now.evaluation);
    if (!trained_before_ && !adopt() && !train_as_planned()) return false;
    write_config();
    std::vector<EvaluationRow> rows = evaluate_it();
    outcome_.rows = to_value(rows);
    describe_training();
    if (!trained_before_) note_costs();
    outcome_.status = "finished";
    outcome_.token = outcome_.launch;
    folder_.write(outcome_);
    return true;
  }

  /// What is no longer as it was planned, each "" where nothing is.
  struct Changes {
    std::string training, evaluation;
  };

  /// The identity is the plan's; while a run waits or trains, the plugins, weights and data under it can change, and
  /// what comes out must not be recorded as what was planned.
  Changes changes() const {
    ConfigSource source;
    source.value = job_.at("config");
    source.file = folder_.job().string();
    PluginHost::Options host;
    host.search_paths = plugin_search_paths(source);
    PluginHost plugins(host);
    const Config config = resolve_config(source, plugins);
    ContentHashes hashes(job_.at("hashes").as_string(), static_cast<int>(config.train.workers));
    Identifier identifier(hashes);
    Changes out;
    const std::vector<std::string> lines = value_differences(job_.at("training"), identifier.training(config, plugins));
    if (!lines.empty()) out.training = lines[0];
    if (hash_value(identifier.evaluation(config, plugins, outcome_.training, split_)) != outcome_.evaluation)
      out.evaluation = "a reranker's plugin or files, or the dataset's abilities.json, changed";
    return out;
  }

  void refuse(const std::string& change) const {
    if (!change.empty())
      throw InputError(
          fmt::format("{}: {} since the sweep was planned; run the sweep again", folder_.path().string(), change));
  }

  /// @return false when told to stop. What was trained while its plugins, weights or data changed, or became
  /// unreadable, is nobody's: it loses its identity, so that nothing is made of it even where they are put back.
  bool train_as_planned() {
    const bool finished = train_it();
    Changes now;
    try {
      now = changes();
    } catch (const std::exception& error) {
      disown(error.what());
      throw InputError(
          fmt::format("{}: what it was trained from cannot be read any more, so its training is not used: {}",
                      folder_.path().string(), error.what()));
    }
    if (!now.training.empty()) disown(now.training);
    refuse(now.training);
    if (finished) refuse(now.evaluation);
    return finished;
  }

  void disown(const std::string& change) const {
    Value parts = job_.at("training");
    parts["changed_meanwhile"] = Value(change);
    write_identity(parts);
  }

  /// What its processes took until now.
  void note_costs() {
    outcome_.seconds = seconds_before_ + std::chrono::duration<double>(Clock::now() - start_).count();
    outcome_.peak_memory_mib = peak_memory_mib();
  }

  /// Where it was told to stop, what was thrown is that and no failure.
  void leave_failure(const std::string& text) {
    outcome_.status = report_.stopping() ? "stopped" : "failed";
    outcome_.token.clear();  // set already where the outcome itself could not be written
    if (!report_.stopping()) outcome_.reason = text.substr(0, text.find('\n'));
    if (!trained_before_) note_costs();
    folder_.write(outcome_);
  }

  void write_config() const { write_atomically(run_.config(), to_json(job_.at("config")) + "\n"); }

  /// What is here from another identity goes; the identity goes last, so that a
  /// kill in between leaves it to be done again.
  void clear() const {
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      const fs::path name = entry.path().filename();
      if (name != "job.json" && name != "lock" && name != "process.log" && name != "identity.json")
        fs::remove_all(entry.path());
    }
    fs::remove(folder_.identity());
  }

  /// Makes the folder this training's: begun before, or empty.
  void claim_folder() {
    const auto parts = folder_.identity_parts();
    if (parts && *parts == job_.at("training")) return;
    if (!parts && run_.started())
      throw InputError(
          fmt::format("{}: holds a run that no sweep made; move it away, or "
                      "give the sweep another folder with --out",
                      folder_.path().string()));
    clear();
    seconds_before_ = 0;
    outcome_.trained_as.clear();
    write_identity(job_.at("training"));
  }
  void write_identity(const Value& parts) const { write_atomically(folder_.identity(), to_json(parts) + "\n"); }

  /// Takes over another run's files where that has the same training. @return
  /// whether it did; where that is gone since the sweep was planned, this run
  /// has to train itself.
  bool adopt() {
    const Value& from = job_.at("adopt");
    if (from.is_null()) return false;
    const SweepRunFolder other(from.as_string());
    if (!other.trained(outcome_.training)) {
      report_.line(fmt::format("{}: the training that this run shares is not there any more; it trains itself",
                               other.path().string()));
      return false;
    }
    clear();
    for (const auto& entry : fs::directory_iterator(other.path())) {
      const std::string name = entry.path().filename().string();
      const bool own = name == "job.json" || name == "lock" || name == "process.log" || name == "outcome.json" ||
                       name == "identity.json" || name == "config.json" || name.starts_with(".");
      if (!own && entry.is_regular_file())
        write_atomically(folder_.path() / name,
                         [&](int descriptor) { write_all(descriptor, MappedFile(entry.path()).bytes()); });
    }
    outcome_.trained_as = job_.at("adopt_name").as_string();
    // Before the identity, which makes the training this run's: a kill in between must not lose where it came from.
    RunOutcome adopted = outcome_;
    adopted.status = "stopped";
    folder_.write(adopted);
    write_identity(job_.at("training"));
    report_.line(fmt::format("shares the training of {}", outcome_.trained_as));
    return true;
  }

  /// @return false when told to stop.
  bool train_it() {
    claim_folder();
    write_config();
    TrainOptions options;
    options.config_or_run = options.folder = folder_.path();
    // Without a checkpoint there is nothing to go on from, and what a killed
    // process wrote beside it goes.
    options.resume = fs::exists(run_.last());
    options.overwrite = !options.resume;
    options.locked = true;
    if (train(options, report_).finished) return true;
    outcome_.status = "stopped";
    note_costs();
    folder_.write(outcome_);
    return false;
  }

  void describe_training() {
    const Value record = read_json(run_.record());
    outcome_.best_epoch = record.at("selection").at("epoch").as_int();
    outcome_.val_mean_recall = record.at("selection").at("mR").as_double();
    double sum = 0;
    int64_t epochs = 0;
    for (const std::string& line : read_lines(run_.metrics())) {
      const Value entry = parse_json(line, run_.metrics().string());
      if (const Value* taken = entry.find("seconds")) sum += taken->as_double(), ++epochs;
    }
    if (epochs > 0) outcome_.epoch_seconds = sum / static_cast<double>(epochs);
  }

  std::vector<EvaluationRow> evaluate_it() {
    const Value record = read_json(run_.record());
    const Value* evaluations = record.find("evaluations");
    const Value* evaluation = evaluations ? evaluations->find(split_) : nullptr;
    const bool saved = evaluation && evaluation->at("protocol").at("weights") == record.at("weights") &&
                       fs::exists(folder_.scores(split_));
    if (saved)
      if (auto rows = rows_from_scores(record, evaluation->at("rows"))) return std::move(*rows);
    EvalOptions options;
    options.config_or_run = folder_.path();
    options.split = split_;
    options.scores = folder_.scores(split_);
    EvalResult result = evaluate_run(options, report_);
    if (!result.unkept.empty()) throw Error(result.unkept);
    return std::move(result.rows);
  }

  /// The rows of the job's rerankers from the scores that an evaluation saved,
  /// or nothing where one of them needs more than these or they are not those of
  /// the evaluation that `known` is the rows of.
  std::optional<std::vector<EvaluationRow>> rows_from_scores(Value record, const Value& known) const {
    const LoadedConfig loaded = load_config(folder_.path(), {});
    EvaluationInput input;
    for (const ComponentConfig& part : loaded.config.rerankers) {
      NamedReranker named{part.id, part.params, {}};
      if (const Value* tuning = part.keys.find("tuning")) named.tuning = *tuning;
      input.rerankers.push_back(open_reranker(*loaded.plugins, named));
      if (input.rerankers.back().needs_bank) return {};
    }
    const Dataset dataset = open_dataset(loaded.config, report_);
    const Split& split = split_ == "train" ? dataset.train : split_ == "val" ? dataset.val : dataset.test;
    const NpyMatrix i2t = read_npy(folder_.scores(split_));
    std::optional<NpyMatrix> t2i;
    if (fs::exists(folder_.scores_t2i(split_))) t2i = read_npy(folder_.scores_t2i(split_));
    input.i2t = scores_of(i2t);
    if (t2i) input.t2i = scores_of(*t2i);
    if (query_count(input.i2t) != static_cast<int64_t>(split.images.size()) ||
        gallery_count(input.i2t) != static_cast<int64_t>(split.captions.size()))
      return {};
    std::vector<int64_t> caption_image;
    std::vector<std::string> texts;
    for (const CaptionRecord& caption : split.captions) {
      caption_image.push_back(caption.image);
      texts.push_back(caption.text);
    }
    const std::vector<int64_t> text_ids = text_ids_of(texts);
    input.caption_image = caption_image;
    input.text_ids = text_ids;
    const std::optional<AbilityPairs> abilities = ability_pairs_of(loaded.config.dataset, dataset, split);
    if (abilities) input.pairs = abilities->pairs;
    std::vector<EvaluationRow> rows = evaluate(input);
    const std::string name = folder_.scores(split_).filename().string();
    if (!give_plain_row(*rows.front().ranks, known)) {
      report_.line(fmt::format("{} gives other metrics than the evaluation that is kept; evaluated anew", name));
      return {};
    }
    report_.line(fmt::format("evaluated from {}", name));

    write_ranks(folder_.path() / ranks_file_name(split_),
                {split_, split.hash(), record.at("weights").as_string(), caption_image, ranked_rows(rows),
                 saved_pairs(input.pairs, rows)});
    Value& evaluation = record["evaluations"][split_];
    evaluation["rows"] = to_value(rows);
    evaluation.erase("abilities");
    if (abilities) {
      put_beside(rows.front().abilities, oracle_rows(abilities->pairs, split, dataset.triples));
      evaluation["abilities"] = abilities_record(*abilities, rows.front().abilities);
    }
    write_atomically(run_.record(), to_json(record) + "\n");
    return rows;
  }

  const Clock::time_point start_ = Clock::now();
  double seconds_before_ = 0;    // of earlier processes of this training
  bool trained_before_ = false;  // its evaluation alone is made here
  Value job_;
  SweepRunFolder folder_;
  RunFolder run_;
  std::string split_;
  const RunReport& report_;
  RunOutcome outcome_;
};

}  // namespace

bool run_sweep_job(const fs::path& job_file, const std::string& token, const RunReport& report) {
  end_with_parent();
  return Worker(job_file, token, report).run();
}

}  // namespace orbweaver
