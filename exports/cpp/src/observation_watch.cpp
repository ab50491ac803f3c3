#include "observation_watch.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "turns.hpp"

namespace ilrobot {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kPi = 3.141592653589793;

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
    std::vector<bool> turning(feature.size);
    for (std::size_t j = 0; j < feature.units.size(); ++j) turning[j] = feature.units[j] == "rad";
    for (const Rotation& rotation : feature.rotations) {
      for (std::size_t j = 0; j < rotation.size(); ++j) turning[rotation.start + j] = true;
    }
    checks_.push_back({i, picture, {range.low.begin(), range.low.end()},
                       {range.high.begin(), range.high.end()}, std::vector<float>(feature.size),
                       std::move(turning), feature.rotations});
    watches_bits_ = watches_bits_ || (!picture && std::isfinite(most_frozen_));
  }
  reset();
}

bool ObservationWatch::RangeCheck::holds(std::size_t element, double value) const {
  const auto rounded = static_cast<float>(value);
  return low[element] <= rounded && rounded <= high[element];
}

bool ObservationWatch::RangeCheck::holds_turned(const std::vector<float>& values) const {
  std::size_t next = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!turning[i]) {
      if (!holds(i, values[i])) return false;
    } else if (next < rotations.size() && rotations[next].start == i) {
      const Rotation& rotation = rotations[next++];
      Values given = {};
      for (std::size_t j = 0; j < rotation.size(); ++j) given[j] = values[i + j];
      const EqualAnswers equal = equal_answers(given, rotation.unit);
      bool found = false;
      for (std::size_t n = 0; n < equal.count && !found; ++n) {
        found = true;
        for (std::size_t j = 0; j < rotation.size(); ++j) {
          found = found && holds(i + j, equal.answers[n][j]);
        }
      }
      if (!found) return false;
      i += rotation.size() - 1;
    } else {
      const double middle = 0.5 * (static_cast<double>(low[i]) + static_cast<double>(high[i]));
      const double turns = std::floor((values[i] - middle) / (2.0 * kPi) + 0.5);
      if (!holds(i, values[i] - 2.0 * kPi * turns)) return false;
    }
  }
  return true;
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
      inside = inside && check.holds(i, values[i]);
      finite = finite && std::isfinite(values[i]);
    }
    if (!finite) {
      found |= kObservationNotFinite;
      return false;
    }
    in_range = in_range && (inside || check.picture || check.holds_turned(values));
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
