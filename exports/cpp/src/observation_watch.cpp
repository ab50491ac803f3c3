#include "observation_watch.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace ilrobot {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

double ticks(const std::optional<double>& seconds, double rate) {
  return seconds ? std::max(1.0, std::ceil(*seconds * rate - 1e-9)) : kInfinity;
}

ObservationWatch::ObservationWatch(const Contract& contract, double rate)
    : stale_after_(contract.stale_after),
      period_(1.0 / rate),
      most_frozen_(ticks(contract.fallback_frozen, rate)),
      most_outside_(ticks(contract.fallback_out_of_range, rate)) {
  for (std::size_t i = 0; i < contract.observations.size(); ++i) {
    const Feature& feature = contract.observations[i];
    const Range& range = contract.training_range[i];
    const bool picture = feature.is_picture();
    checks_.push_back({i, picture, {range.low.begin(), range.low.end()},
                       {range.high.begin(), range.high.end()}, std::vector<float>(feature.size)});
    watches_bits_ = watches_bits_ || (!picture && std::isfinite(most_frozen_));
  }
  reset();
}

void ObservationWatch::reset() {
  newest_ = -kInfinity;
  seen_ = false;
  frozen_ = outside_ = 0;
}

bool ObservationWatch::look(const Observation& observation, double age, double measured,
                            bool moved, bool driven, Activations& found) {
  bool in_range = true;
  for (const RangeCheck& check : checks_) {
    const std::vector<float>& values = observation[check.feature];
    bool inside = true, finite = true;
    for (std::size_t i = 0; i < values.size(); ++i) {
      inside = inside && check.low[i] <= values[i] && values[i] <= check.high[i];
      finite = finite && std::isfinite(values[i]);
    }
    if (!finite) {
      found |= kObservationNotFinite;
      return false;
    }
    in_range = in_range && (inside || check.picture);
  }
  bool admitted = true;
  // Written so that a time of NaN counts as reordered.
  if (!(measured >= newest_ - period_)) {
    found |= kObservationReordered;
    admitted = false;
  } else if (measured > newest_ && age > -stale_after_) {
    // A measurement of the future would make all true ones after it look reordered.
    newest_ = measured;
  }
  if (!(-stale_after_ < age && age < stale_after_)) {
    found |= kObservationStale;
    admitted = false;
  }
  if (watches_bits_ && is_frozen(observation, moved)) {
    found |= kObservationFrozen;
    admitted = false;
  }
  if (!in_range) found |= kObservationOutOfRange;
  outside_ = in_range || driven ? 0 : outside_ + 1;
  return admitted && outside_ < most_outside_;
}

bool ObservationWatch::is_frozen(const Observation& observation, bool moved) {
  bool same = seen_;
  for (RangeCheck& check : checks_) {
    if (check.picture) continue;
    const std::vector<float>& values = observation[check.feature];
    same = same && std::memcmp(values.data(), check.before.data(),
                               values.size() * sizeof(float)) == 0;
    check.before = values;
  }
  seen_ = true;
  if (!same) {
    frozen_ = 0;
  } else if (moved) {
    frozen_ += 1;
  }
  return frozen_ >= most_frozen_;
}

LateWatch::LateWatch(const Contract& contract) : most_(contract.fallback_late.value_or(kInfinity)) {}

void LateWatch::reset() {
  overrun_ = false;
  run_ = 0;
}

bool LateWatch::look(bool late) {
  if (late == overrun_) {
    run_ = 0;
  } else if (++run_ >= most_) {
    overrun_ = late;
    run_ = 0;
  }
  return overrun_;
}

}  // namespace ilrobot
