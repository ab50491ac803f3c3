// Between robot and policy: what is checked at every tick, in a fixed order. The twin of
// ilrobot/control/guard.py.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "contract.hpp"
#include "limiter.hpp"

namespace ilrobot {

class Guard {
 public:
  Guard(const Contract& contract, double rate);

  // Begins an episode; the counts go on.
  void reset(const double* present, const double* velocity);

  // Begins a tick: whether the policy may act on this observation, one array per feature.
  bool admit(const std::vector<std::vector<float>>& observation, double age, bool late);

  // The command for the policy's action, or the fallback; false: there is nothing to send.
  bool limit(const float* action, double* command);

  // The fallback, and why, where that is not among the flags yet; false: there is nothing to send.
  bool hold(Activations cause, double* command);

  // What happened since the last `admit`.
  Activations flags() const { return flags_; }

  // How many ticks each kind of activation happened at.
  const std::uint64_t* counts() const { return counts_; }

 private:
  void raise(Activations kinds);

  struct RangeCheck {
    std::size_t feature;
    std::vector<float> low, high;
  };

  double stale_after_;
  std::vector<RangeCheck> checks_;
  std::unique_ptr<Limiter> limiter_;
  Activations flags_ = 0;
  std::uint64_t counts_[kActivations] = {};
};

}  // namespace ilrobot
