#include "guard.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ilrobot {

Guard::Guard(const Contract& contract, double rate) : stale_after_(contract.stale_after) {
  for (std::size_t i = 0; i < contract.observations.size(); ++i) {
    const Range& range = contract.training_range[i];
    RangeCheck check{i, {range.low.begin(), range.low.end()}, {range.high.begin(), range.high.end()}};
    if (contract.observations[i].dtype == "uint8") {  // a picture is in range by its type
      std::fill(check.low.begin(), check.low.end(), -std::numeric_limits<float>::infinity());
      std::fill(check.high.begin(), check.high.end(), std::numeric_limits<float>::infinity());
    }
    checks_.push_back(std::move(check));
  }
  if (contract.limits) {
    limiter_ = std::make_unique<CommandLimiter>(*contract.limits, rate, contract.workspace);
  } else {
    limiter_ = std::make_unique<ChoiceLimiter>(contract.choices);
  }
}

void Guard::reset(const double* present, const double* velocity) {
  limiter_->reset(present, velocity, nullptr);
}

bool Guard::admit(const std::vector<std::vector<float>>& observation, double age, bool late) {
  flags_ = 0;
  if (late) raise(kDeadlineMissed);
  bool in_range = true;
  for (const RangeCheck& check : checks_) {
    const std::vector<float>& values = observation[check.feature];
    bool inside = true, finite = true;
    for (std::size_t i = 0; i < values.size(); ++i) {
      inside = inside && check.low[i] <= values[i] && values[i] <= check.high[i];
      finite = finite && std::isfinite(values[i]);
    }
    if (!finite) {
      raise(kObservationNotFinite);
      return false;
    }
    in_range = in_range && inside;
  }
  // Written so that an age of NaN counts as stale.
  if (!(age < stale_after_)) {
    raise(kObservationStale);
    return false;
  }
  if (!in_range) raise(kObservationOutOfRange);
  return true;
}

bool Guard::limit(const float* action, double* command) {
  const Activations activation = limiter_->limit(action, command);
  raise(activation);
  return activation & kActionNotFinite ? hold(0, command) : true;
}

bool Guard::hold(Activations cause, double* command) {
  raise(cause | kFallback);
  return limiter_->hold(command);
}

void Guard::raise(Activations kinds) {
  for (std::size_t i = 0; i < kActivations; ++i) {
    if (kinds & ~flags_ & 1u << i) ++counts_[i];
  }
  flags_ |= kinds;
}

}  // namespace ilrobot
