// Which action of which chunk is executed now, and when the next chunk is asked for. The twin of
// ilrobot/control/execution.py, operation for operation; nothing here allocates between ticks.
#pragma once

#include <cstddef>
#include <vector>

#include "rotation_units.hpp"

namespace ilrobot {

// What is planned from this tick on: `count` actions one after the other (0: nothing).
struct Plan {
  const float* actions = nullptr;
  std::size_t count = 0;
};

// At each tick: `take` where `takes` and the chunk is there; where `asks`, begin a prediction from
// the present observation and say so by `asked`, then `take` likewise; `next`. When a chunk is
// taken, as many of its actions are passed over as others were executed since it was asked for.
class Execution {
 public:
  virtual ~Execution() = default;

  virtual void forget() = 0;       // drop what was planned, and what was asked for
  virtual bool asks() const = 0;   // a prediction begins at this tick
  virtual void asked() = 0;        // one was begun
  virtual bool takes() const = 0;  // the chunk asked for is due at this tick
  virtual void take(const float* chunk) = 0;  // horizon * size numbers, copied
  virtual void drop() = 0;         // the chunk asked for is not to be taken any more
  virtual bool next(float* action) = 0;  // size numbers; false: the plan has run out
  virtual Plan rest() const { return {}; }

  std::size_t executed = 0;  // which action of the newest chunk `next` was about
  std::size_t waited = 0;    // ticks since a chunk was last asked for
  std::size_t ahead = 0;     // ticks that a prediction is expected to take
};

// Execute the first actions of a chunk, then those of the next, which is not taken before `delay`
// ticks have passed since it was asked for.
class Receding : public Execution {
 public:
  Receding(std::size_t horizon, std::size_t size, std::size_t execute, std::size_t delay);

  void forget() override;
  bool asks() const override;
  void asked() override;
  bool takes() const override { return awaited_ && (waited >= delay_ || has_run_out()); }
  void take(const float* chunk) override;
  void drop() override;
  bool next(float* action) override;
  Plan rest() const override;

 private:
  bool has_run_out() const { return element_ >= horizon_; }

  std::size_t horizon_, size_, execute_, delay_;
  std::vector<float> chunk_;
  bool awaited_ = false;
  std::size_t element_, executed_meanwhile_ = 0;  // without a chunk the element is the horizon
};

// Predict at every tick, and execute the weighted mean of all that was predicted for it, the
// oldest with weight 1, the next with exp(-decay), ...; choices are voted for.
class TemporalEnsemble : public Execution {
 public:
  // choices: how many there are (0: actions are continuous); rotations: of an action that is a
  // target. What is averaged of these are quaternions, behind the elements that are no rotation, as
  // in ilrobot/control/rotation_means.py.
  TemporalEnsemble(std::size_t horizon, std::size_t size, double decay, std::size_t choices,
                   const std::vector<Rotation>& rotations);

  void forget() override;
  bool asks() const override { return !awaited_; }
  void asked() override;
  bool takes() const override { return awaited_; }
  void take(const float* chunk) override;
  void drop() override { awaited_ = false; }
  bool next(float* action) override;

 private:
  void add(const float* action, double weight, double* sums);

  std::size_t horizon_, size_, width_, choices_;
  std::vector<Rotation> rotations_;
  std::vector<std::size_t> plain_;  // the elements that are no rotation
  std::vector<double> weights_, totals_, sums_;  // sums: horizon * width
  std::vector<std::size_t> counts_;
  bool awaited_ = false;
  std::size_t element_ = 0, executed_meanwhile_ = 0;
};

}  // namespace ilrobot
