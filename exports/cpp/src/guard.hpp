// Between robot and policy: what is checked at every tick, in a fixed order. The twin of
// ilrobot/control/guard.py.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "contract.hpp"
#include "limiter.hpp"
#include "observation_watch.hpp"

namespace ilrobot {

class Guard {
 public:
  Guard(const Contract& contract, double rate);

  // Begins an episode; the counts go on, and so does an emergency stop. From what is not finite
  // none begins: there is nothing to send until the next reset.
  void reset(const double* present, const double* velocity, const double* pose);

  // Where the target of each delta element is now (NaN: not known), which else is summed up.
  void locate(const double* pose) { limiter_->locate(pose); }

  // Whether the contract's workspace cannot be kept: nobody said where the target of a delta is.
  bool workspace_unknown() const { return limiter_->workspace_unknown(); }
  bool moving() const { return limiter_->moving(); }

  // Begins a tick: whether the policy, or a person who drives, may act on this observation.
  bool admit(const Observation& observation, double age, double measured, bool late, bool driven);

  // The command for an action, or the fallback; false: there is nothing to send.
  // calling: whether the policy calls for help.
  bool limit(const double* action, bool calling, double* command);

  // The command of the fallback, and why, where that is not among the flags yet; false: there is
  // nothing to send.
  bool hold(Activations cause, double* command);

  // The next command on the way to rest, of an episode that is over. False: the commanded target is
  // at rest already.
  bool brake(double* command);

  // The emergency stop: latched from any thread or signal handler, until it is released.
  void press() noexcept { pressed_.store(true, std::memory_order_relaxed); }
  void release() noexcept { pressed_.store(false, std::memory_order_relaxed); }

  // What happened since the last `admit`, and at how many ticks each kind of it did.
  Activations flags() const { return flags_; }
  const std::uint64_t* counts() const { return counts_; }

 private:
  void raise(Activations kinds);

  ObservationWatch watch_;
  LateWatch late_watch_;
  std::unique_ptr<Limiter> limiter_;
  bool damps_;
  double most_calling_, calling_ = 0;  // ticks
  bool lost_ = false;  // nobody knows what the robot holds
  std::optional<std::vector<double>> retreat_;  // none: it does not
  std::atomic<bool> pressed_{false};
  Activations flags_ = 0;
  std::uint64_t counts_[kActivations] = {};
};

}  // namespace ilrobot
