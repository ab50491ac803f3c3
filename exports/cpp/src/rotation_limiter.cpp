#include "rotation_limiter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ilrobot {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr Turn kUnknown = {kNan, kNan, kNan};
// By which rounding may pass a limit without counting as a violation.
constexpr double kRounding = 1e-6;

}  // namespace

std::unique_ptr<Limiter> command_limiter(const Limits& limits, double rate,
                                         const std::optional<Range>& workspace,
                                         const std::vector<Rotation>& rotations) {
  if (rotations.empty()) return std::make_unique<CommandLimiter>(limits, rate, workspace);
  return std::make_unique<RotationLimiter>(limits, rate, workspace, rotations);
}

Values RotationLimiter::Target::of(const double* elements) const {
  Values values = {};
  std::copy(elements + rotation.start, elements + rotation.start + rotation.size(),
            values.begin());
  return values;
}

bool RotationLimiter::Target::begin(const double* held) {
  place = {0.0, 0.0, 0.0};
  known = false;
  if (held == nullptr) return true;
  last = of(held);
  known = quaternion(last, rotation.unit, at);
  return known;
}

bool RotationLimiter::Target::turns_per_second(const double* velocity, double rate,
                                               double* turns) const {
  std::fill(turns, turns + 3, 0.0);
  if (velocity == nullptr || !known) return true;
  Values came = of(velocity);
  for (std::size_t i = 0; i < rotation.size(); ++i) came[i] = last[i] - came[i] / rate;
  Quaternion before;
  if (!quaternion(came, rotation.unit, before)) return false;
  const Turn turn = between(before, at);
  for (std::size_t i = 0; i < 3; ++i) turns[i] = turn[i] * rate;
  return true;
}

void RotationLimiter::Target::forget() {
  wanted = kUnknown;
  aims = false;
}

Activations RotationLimiter::Target::aim(const double* elements) {
  forget();
  given = of(elements);
  if (!quaternion(given, rotation.unit, goal)) return kActionNotFinite;
  if (rotation.unit != RotationUnit::kRotvec) given = in_unit(goal, rotation.unit);
  given = nearest(given, known ? last : given, rotation.unit);
  Activations flags = 0;
  if (clip(given, flags)) {
    if (!quaternion(given, rotation.unit, goal)) return kActionNotFinite;
    // Its limits are no reason to command what is no rotation.
    if (rotation.unit != RotationUnit::kRotvec) {
      given = nearest(in_unit(goal, rotation.unit), given, rotation.unit);
    }
  }
  const Turn ahead = known ? between(at, goal) : Turn{0.0, 0.0, 0.0};
  for (std::size_t i = 0; i < 3; ++i) wanted[i] = place[i] + ahead[i];
  aims = true;
  return flags;
}

// Into the position limits by the equal answer nearest to them; false: it was within.
bool RotationLimiter::Target::clip(Values& values, Activations& flags) const {
  const EqualAnswers equal = equal_answers(values, rotation.unit);
  const std::size_t size = rotation.size();
  Values best = values, kept = values;
  double least = kInfinity;
  for (std::size_t n = 0; n < equal.count; ++n) {
    const Values& answer = equal.answers[n];
    Values within = {};
    double apart = 0.0;
    for (std::size_t i = 0; i < size; ++i) {
      within[i] = std::min(std::max(answer[i], bounds[i].low), bounds[i].high);
      apart += (answer[i] - within[i]) * (answer[i] - within[i]);
    }
    if (apart < least) {
      best = answer;
      kept = within;
      least = apart;
    }
  }
  if (least == 0.0) return false;
  for (std::size_t i = 0; i < size; ++i) {
    if (std::fabs(best[i] - kept[i]) > kRounding) {
      flags |= best[i] < kept[i] ? bounds[i].at_low : bounds[i].at_high;
    }
  }
  values = kept;
  return true;
}

void RotationLimiter::Target::go(const double* coordinates, double* command) {
  const bool there = std::equal(wanted.begin(), wanted.end(), coordinates);
  const bool still = std::equal(place.begin(), place.end(), coordinates);
  if (aims && (!known || there)) {
    at = goal;
    last = nearest(given, known ? last : given, rotation.unit);
    known = true;
  } else if (!still && known) {
    Turn ahead;
    for (std::size_t i = 0; i < 3; ++i) ahead[i] = coordinates[i] - place[i];
    at = turned(at, ahead);
    last = nearest(in_unit(at, rotation.unit), last, rotation.unit);
  }
  std::copy(coordinates, coordinates + 3, place.begin());
  std::copy(last.begin(), last.begin() + rotation.size(), command + rotation.start);
}

RotationLimiter::RotationLimiter(const Limits& limits, double rate,
                                 const std::optional<Range>& workspace,
                                 const std::vector<Rotation>& rotations)
    : rate_(rate) {
  const std::size_t size = limits.absolute.size();
  std::vector<bool> turning(size, false);
  for (const Rotation& rotation : rotations) {
    Target target = {};
    target.rotation = rotation;
    target.forget();
    for (std::size_t i = 0; i < rotation.size(); ++i) {
      turning[rotation.start + i] = true;
      target.bounds[i] = element_limits(limits, rotation.start + i, rate, workspace);
    }
    targets_.push_back(target);
  }
  for (std::size_t i = 0; i < size; ++i) {
    if (!turning[i]) plain_.push_back(i);
  }
  Limits inner;
  std::optional<Range> box;
  if (workspace) box.emplace();
  for (const std::size_t i : plain_) {
    inner.absolute.push_back(limits.absolute[i]);
    inner.moving.push_back(limits.moving[i]);
    inner.low.push_back(limits.low[i]);
    inner.high.push_back(limits.high[i]);
    inner.velocity.push_back(limits.velocity[i]);
    inner.acceleration.push_back(limits.acceleration[i]);
    inner.jerk.push_back(limits.jerk[i]);
    if (workspace) box->low.push_back(workspace->low[i]);
    if (workspace) box->high.push_back(workspace->high[i]);
  }
  for (const Rotation& rotation : rotations) {
    for (std::size_t i = rotation.axes(); i < rotation.axes() + 3; ++i) {
      inner.absolute.push_back(true);
      inner.moving.push_back(false);
      inner.low.push_back(-kInfinity);
      inner.high.push_back(kInfinity);
      inner.velocity.push_back(limits.velocity[i]);
      inner.acceleration.push_back(limits.acceleration[i]);
      inner.jerk.push_back(limits.jerk[i]);
      if (workspace) box->low.push_back(-kInfinity);
      if (workspace) box->high.push_back(kInfinity);
    }
  }
  limiter_ = std::make_unique<CommandLimiter>(inner, rate, box);
  wanted_.resize(inner.low.size());
  command_.resize(inner.low.size());
  velocity_.resize(inner.low.size());
}

bool RotationLimiter::reset(const double* present, const double* velocity, const double* pose) {
  for (std::size_t n = 0; n < targets_.size(); ++n) {
    double* turns = velocity_.data() + plain_.size() + 3 * n;
    if (!targets_[n].begin(present)) return false;
    if (!targets_[n].turns_per_second(velocity, rate_, turns)) return false;
  }
  std::fill(wanted_.begin(), wanted_.end(), 0.0);
  std::fill(command_.begin(), command_.end(), kNan);
  for (std::size_t i = 0; i < plain_.size(); ++i) {
    if (present != nullptr) wanted_[i] = present[plain_[i]];
    if (velocity != nullptr) velocity_[i] = velocity[plain_[i]];
    if (pose != nullptr) command_[i] = pose[plain_[i]];
  }
  return limiter_->reset(present == nullptr ? nullptr : wanted_.data(),
                         velocity == nullptr ? nullptr : velocity_.data(),
                         pose == nullptr ? nullptr : command_.data());
}

void RotationLimiter::locate(const double* pose) {
  std::fill(command_.begin(), command_.end(), kNan);
  for (std::size_t i = 0; i < plain_.size() && pose != nullptr; ++i) command_[i] = pose[plain_[i]];
  limiter_->locate(command_.data());
}

Activations RotationLimiter::limit(const double* action, double* command) {
  Activations clipped = 0;
  for (Target& target : targets_) clipped |= target.aim(action);
  if (clipped & kActionNotFinite) return clipped;
  coordinates(action, wanted_);
  const Activations limited = limiter_->limit(wanted_.data(), command_.data());
  if (limited & kActionNotFinite) return limited;
  send(command);
  return clipped | limited;
}

bool RotationLimiter::hold(double* command) {
  for (Target& target : targets_) target.forget();
  return moved(limiter_->hold(command_.data()), command);
}

bool RotationLimiter::damp(double* command) {
  for (Target& target : targets_) target.forget();
  return moved(limiter_->damp(command_.data()), command);
}

bool RotationLimiter::retreat(const double* pose, double* command) {
  for (Target& target : targets_) target.aim(pose);
  coordinates(pose, wanted_);
  return moved(limiter_->retreat(wanted_.data(), command_.data()), command);
}

void RotationLimiter::coordinates(const double* elements, std::vector<double>& into) const {
  std::size_t next = 0;
  for (const std::size_t i : plain_) into[next++] = elements[i];
  for (const Target& target : targets_) {
    for (const double coordinate : target.wanted) into[next++] = coordinate;
  }
}

bool RotationLimiter::moved(bool sent, double* command) {
  if (sent) send(command);
  return sent;
}

// The command that coordinates mean, which is from now on the last one.
void RotationLimiter::send(double* command) {
  for (std::size_t i = 0; i < plain_.size(); ++i) command[plain_[i]] = command_[i];
  for (std::size_t n = 0; n < targets_.size(); ++n) {
    targets_[n].go(command_.data() + plain_.size() + 3 * n, command);
  }
}

}  // namespace ilrobot
