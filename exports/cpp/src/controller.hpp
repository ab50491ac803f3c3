// One exported policy in a control loop: history, chunks, inference, guards. The twin of
// exports.runtime.loop.ControlLoop and ilrobot.control.chunks.ChunkActor.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "contract.hpp"
#include "drawing.hpp"
#include "execution.hpp"
#include "guard.hpp"
#include "session.hpp"
#include "tick_log.hpp"
#include "worker.hpp"

namespace ilrobot {

struct Options {
  double rate = 0;                   // Hz at which `tick` is called (0: the contract's)
  std::optional<Chunking> chunking;  // none: as the contract says
  bool wait = false;                 // predict within the tick, whatever it takes
  int core = -1;                     // of the inference thread (-1: anywhere)
  Noise noise;                       // empty: a generator seeded by `reset`
  std::optional<std::string> trust;  // PEM file of the key that must have signed it (none: nobody)
};

class Controller {
 public:
  // Throws Refused: the file is, or the options do not fit it, or its golden vectors give
  // something else on this machine.
  Controller(const std::string& path, Options options);
  ~Controller();  // breaks a prediction off that is under way

  const Contract& contract() const { return contract_; }

  // Greatest error of the golden vectors on this machine, as a fraction of the command range.
  double golden_error() const { return golden_error_; }

  // The graph alone, for comparisons: history, noise, prefix and weights as the graph takes them
  // (null: none, zeros). Not while an episode runs.
  const Prediction& predict(const float* const* history, const float* noise, const float* prefix,
                            const float* weights);

  // Throws Refused: what the robot holds, or how fast that moves, is not finite; there is nothing to
  // send then until the next reset.
  void reset(std::uint64_t seed, const double* present, const double* velocity,
             const double* pose);

  // Takes in the newest measurement, one array per feature.
  void observe(const float* const* observation, double measured);

  // Predicts the first chunk from what was observed, before the clock starts, and learns how long
  // that takes; false: it was not there after so many seconds.
  bool prepare(double seconds);

  // Corrects where the target of each delta element is; NaN: not known.
  void locate(const double* pose) { guard_.locate(pose); }

  // Writes the command of this tick; false: there is nothing to send, tell the robot to stop.
  bool tick(double now, bool late, double* command);

  // The same, while somebody else chooses the action (null: nobody has one).
  bool override(double now, bool late, const double* action, double* command);

  // Writes the next command on the way to rest, of an episode that ends; false: nothing moves.
  bool brake(double now, bool late, double* command);

  // Keeps every tick from now on in a log. Not while an episode runs; throws Refused.
  void log(const std::string& path, std::size_t ticks);

  Guard& guard() { return guard_; }
  const Guard& guard() const { return guard_; }

  // What the policy says of the action of the last tick, a number for each of the contract's
  // signals; NaN: it did not act.
  const std::vector<double>& signals() const { return signals_; }

 private:
  bool admit(double now, bool late, bool driven);
  std::chrono::steady_clock::time_point logged_time() const;  // now, where there is a log
  bool keep(bool sent, double now, bool late, Source who, const double* wanted,
            const double* command, std::chrono::steady_clock::time_point begun);
  void look();  // see this tick, at which the policy does not act
  bool act();   // fills `action_` and `signals_`; false: no plan reaches this tick
  bool calls_for_help() const;
  void push(const Observation& observation);
  void begin();
  void draw();
  void flush();
  void take();

  std::string path_;
  Contract contract_;
  Session session_;
  Draw draw_;
  std::unique_ptr<Execution> execution_;
  Guard guard_;
  double rate_;  // Hz
  Noise noise_;
  NormalNoise generator_;
  std::optional<std::uint64_t> seed_;  // of the generator, where the next prediction begins with it
  bool wait_;

  Observation newest_, finite_, history_;
  bool seen_finite_ = false, history_empty_ = true;
  bool executes_ = false;  // something was executed since the plan was dropped
  double measured_ = 0;
  std::vector<float> predicted_action_;
  std::vector<std::vector<float>> taken_signals_;  // of the chunk that is executed
  std::vector<double> action_, signals_;
  std::size_t delays_[10] = {}, predictions_ = 0;  // of the last few, in ticks

  // The slot: the plan that a prediction is to keep to, and the chunk that it gave.
  std::vector<float> plan_;
  Prediction drawn_;
  std::size_t planned_ = 0, delay_ = 0;
  double predicting_ = 0;  // s that the last one took, where there is a thread for it
  std::size_t least_ahead_;
  bool obsolete_ = false;  // the chunk that is being predicted is not wanted any more
  bool predicted_ = false;  // where we wait: the chunk is there
  double golden_error_ = 0;
  std::int32_t episode_ = 0;
  bool begun_ = false;  // an episode was begun by who uses this
  std::unique_ptr<TickLog> log_;
  std::unique_ptr<Worker> worker_;  // last, so that it ends first
};

}  // namespace ilrobot
