// Descriptions of the sections that the framework itself reads.
#include "framework/config/config.h"

namespace orbweaver {

void TrainParams::describe(ParamSpec<TrainParams>& p) {
  p.field("epochs", &TrainParams::epochs, "Passes over all training captions").range(1, 100000);
  p.field("batch_size", &TrainParams::batch_size, "Image-caption pairs per step").range(2, 1 << 20);
  p.field("optimizer", &TrainParams::optimizer,
          {{"adam", Optimizer::adam}, {"adamw", Optimizer::adamw}, {"sgd", Optimizer::sgd}}, "Update rule");
  p.field("lr", &TrainParams::lr, "Learning rate at the start (after warm-up)").range(0, 100);
  p.field("weight_decay", &TrainParams::weight_decay, "L2 penalty (adam, sgd) or decoupled decay (adamw)").range(0, 10);
  p.field("momentum", &TrainParams::momentum, "Momentum of sgd").range(0, 1);
  p.field("betas", &TrainParams::betas, "Decay rates of adam and adamw").range(0, 1).min_items(2);
  p.field("schedule", &TrainParams::schedule,
          {{"constant", Schedule::constant}, {"step", Schedule::step}, {"cosine", Schedule::cosine}},
          "How the learning rate falls");
  p.field("step_epochs", &TrainParams::step_epochs, "schedule step: epochs between two falls").range(1, 100000);
  p.field("step_factor", &TrainParams::step_factor, "schedule step: factor of each fall").range(0, 1);
  p.field("final_lr", &TrainParams::final_lr, "schedule cosine: learning rate at the end").range(0, 100);
  p.field("warmup_epochs", &TrainParams::warmup_epochs, "Epochs of linear rise from 0; fractions allowed")
      .range(0, 100000);
  p.field("clip_norm", &TrainParams::clip_norm, "Largest norm of all gradients together; 0 does not clip")
      .range(0, 1e9);
  p.field("average", &TrainParams::average,
          "Decay of a moving average of the weights, which then is validated and kept as best; 0 keeps the weights")
      .range(0, 0.99999);
  p.field("early_stopping", &TrainParams::early_stopping,
          "Stop after this many validations without a better mR; 0 never")
      .range(0, 100000);
  p.field("validate_every", &TrainParams::validate_every, "Epochs between validations").range(1, 100000);
  p.field("checkpoint_every", &TrainParams::checkpoint_every,
          "Seconds between checkpoints inside an epoch; one is written at each epoch's end as well")
      .range(0, 1e9);
  p.field("threads", &TrainParams::threads, "Threads of a tensor operation; 0: all processors, written down in the run")
      .range(0, 4096);
  p.field("workers", &TrainParams::workers, "Threads that decode and prepare images").range(1, 1024);
  p.field("drop_last", &TrainParams::drop_last, "Leave out an epoch's last, smaller batch");
  p.field("tensorboard", &TrainParams::tensorboard, "Write the curves as event files of TensorBoard, too");
  p.field("augment", &TrainParams::augment, "How training images are moved at random, objects with them");
}

void EvalParams::describe(ParamSpec<EvalParams>& p) {
  p.field("batch_size", &EvalParams::batch_size, "Images or captions encoded at a time").range(1, 1 << 20);
  p.field("chunk", &EvalParams::chunk, "Pairs that an interaction scores at a time: bounds its memory")
      .range(1, 1 << 30);
}

}  // namespace orbweaver
