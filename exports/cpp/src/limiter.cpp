#include "limiter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "braking.hpp"

namespace ilrobot {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Seconds in which damping takes a velocity to 1/e.
constexpr double kDampingTime = 0.25;

// A limit as a float's number, rounded so that it lies within the true one.
double inward(double limit, int side) {
  auto rounded = static_cast<float>(limit);
  if (static_cast<double>(rounded) * side > limit * side) {
    rounded = std::nextafter(rounded, static_cast<float>(-side * kInfinity));
  }
  return rounded;
}

}  // namespace

ElementLimits element_limits(const Limits& limits, std::size_t i, double rate,
                             const std::optional<Range>& workspace) {
  double low = inward(limits.low[i], -1), high = inward(limits.high[i], 1);
  // A commanded velocity does not become less in a shorter tick, as a displacement does.
  const double ticks = limits.moving[i] ? 1.0 : rate;
  const double velocity = limits.velocity[i] / ticks;
  const double change = limits.acceleration[i] / (ticks * rate);
  const double jerk = change > 0.0 ? limits.jerk[i] / (ticks * rate * rate) : kInfinity;
  const bool bounded = workspace && !limits.moving[i];  // a velocity is at no place
  const double box_low = bounded ? inward(workspace->low[i], -1) : -kInfinity;
  const double box_high = bounded ? inward(workspace->high[i], 1) : kInfinity;
  if (!limits.absolute[i]) {
    const double least = std::min(low, 0.0), greatest = std::max(high, 0.0);
    return {true, least, greatest, box_low, box_high, std::max(least, -velocity),
            std::min(greatest, velocity), change, jerk, kWorkspaceLimited, kWorkspaceLimited};
  }
  const Activations at_low = box_low > low ? kWorkspaceLimited : kPositionLimited;
  const Activations at_high = box_high < high ? kWorkspaceLimited : kPositionLimited;
  low = std::max(low, box_low);
  high = std::min(high, box_high);
  return {false, low, high, low, high, -velocity, velocity, change, jerk, at_low, at_high};
}

namespace {

// A box of states that are safe wherever they lie within a margin of the walls.
struct Ease {
  double margin, slowest, fastest, change;
};

Ease ease_of(const ElementLimits& limits) {
  const double span = limits.high - limits.low;
  const bool walled = std::isfinite(limits.low) || std::isfinite(limits.high);
  const double slowest = std::max(limits.slowest, -span), fastest = std::min(limits.fastest, span);
  double share = std::isinf(limits.jerk) ? 1.0 : 0.5;
  while (share > 1e-6) {
    const double spare = (1.0 - share) * std::min(fastest, -slowest);
    double change =
        std::isnan(spare) ? limits.jerk : limits.jerk + greatest_step(spare, limits.jerk);
    change = std::min(change, limits.change);
    const double greatest = share * std::max(fastest, -slowest);
    if (!walled) return {0.0, share * slowest, share * fastest, change};
    if (std::isinf(greatest)) break;  // no margin before a single wall suffices
    const double margin = greatest_displacement(greatest, change, limits.change, limits.jerk);
    if (margin <= span / 8.0) return {margin, share * slowest, share * fastest, change};
    share /= 2.0;
  }
  return {0.0, 0.0, 0.0, 0.0};
}

}  // namespace

bool CommandLimiter::Element::at_ease() const {
  const double step = value - base, change = step - last_step, jerk = change - last_change;
  if (!(lower[0] <= value && value <= upper[0] && lower[1] <= step && step <= upper[1] &&
        lower[2] <= change && change <= upper[2] && lower[3] <= jerk && jerk <= upper[3])) {
    return false;
  }
  const double ahead = place + value;
  return place_low <= ahead && ahead <= place_high;
}

void CommandLimiter::Element::look() {
  motion.position = bounded.delta ? place : base;
  motion.step = last_step;
  motion.change = last_change;
  if (!motion.behind) {
    motion.wanted = bounded.delta ? last_step : base;
    motion.slope = bounded.delta ? last_change : last_step;
  }
}

void CommandLimiter::Element::find_ease() {
  const ElementLimits& now = limits();
  const Ease ease = ease_of(now);
  place_low = now.delta && known ? now.low + ease.margin : -kInfinity;
  place_high = now.delta && known ? now.high - ease.margin : kInfinity;
  lower[0] = now.delta ? now.least : now.low + ease.margin;
  upper[0] = now.delta ? now.greatest : now.high - ease.margin;
  lower[1] = ease.slowest, upper[1] = ease.fastest;
  lower[2] = -ease.change, upper[2] = ease.change;
  lower[3] = -now.jerk, upper[3] = now.jerk;
}

double CommandLimiter::Element::command(double change) const {
  const ElementLimits& now = limits();
  const double step = motion.step + change;
  if (now.delta) {
    if (now.least <= motion.step && motion.step <= now.greatest) {
      return std::min(std::max(step, now.least), now.greatest);
    }
    return step;
  }
  const double position = motion.position + step;
  if (now.low <= motion.position && motion.position <= now.high) {
    return std::min(std::max(position, now.low), now.high);
  }
  return position;
}

void CommandLimiter::Element::send(bool located) {
  const double step = value - base, change = step - last_step;
  base = bounded.delta ? 0.0 : value;
  last_step = step;
  last_change = change;
  if (located) place += value;
}

CommandLimiter::CommandLimiter(const Limits& limits, double rate,
                               const std::optional<Range>& workspace)
    : rate_(rate),
      kept_by_damping_(std::exp(-1.0 / (rate * kDampingTime))),
      elements_(limits.absolute.size()) {
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    elements_[i].moving = limits.moving[i];
    elements_[i].anywhere = element_limits(limits, i, rate, std::nullopt);
    elements_[i].bounded = element_limits(limits, i, rate, workspace);
    elements_[i].find_ease();
  }
  reset(nullptr, nullptr, nullptr);
}

bool CommandLimiter::reset(const double* present, const double* velocity, const double* pose) {
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    const bool held = present != nullptr && (!elements_[i].bounded.delta || elements_[i].moving);
    if (held && !std::isfinite(present[i])) return false;
    if (velocity != nullptr && !std::isfinite(velocity[i])) return false;
  }
  started_ = present != nullptr;
  behind_ = false;
  bool all_delta = true;
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    Element& element = elements_[i];
    const bool delta = element.bounded.delta;
    all_delta = all_delta && delta;
    const double held = present == nullptr ? 0.0 : present[i];
    const double moved = velocity == nullptr ? 0.0 : velocity[i] / rate_;
    element.base = delta ? 0.0 : held;
    element.last_step = element.moving ? held : moved;
    element.last_change = element.moving ? moved : 0.0;
    element.motion = {};
  }
  started_ = started_ || all_delta;
  locate(pose);
  return true;
}

void CommandLimiter::locate(const double* pose) {
  located_ = false;
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    Element& element = elements_[i];
    const bool known = pose != nullptr && std::isfinite(pose[i]) && element.bounded.delta;
    element.place = known ? pose[i] : 0.0;
    located_ = located_ || known;
    if (known == element.known) continue;
    element.known = known;
    element.find_ease();
  }
}

bool CommandLimiter::workspace_unknown() const {
  for (const Element& element : elements_) {
    const ElementLimits& limits = element.bounded;
    if (limits.delta && !element.known && std::isfinite(std::min(-limits.low, limits.high))) {
      return true;
    }
  }
  return false;
}

Activations CommandLimiter::limit(const double* action, double* command) {
  for (std::size_t i = 0; i < elements_.size(); ++i) elements_[i].value = action[i];
  return started_ ? limit_values(command) : first(command);
}

bool CommandLimiter::moving() const {
  for (const Element& element : elements_) {
    if (element.last_step != 0.0 || element.last_change != 0.0) return true;
  }
  return false;
}

Activations CommandLimiter::first(double* command) {
  for (const Element& element : elements_) {
    if (!std::isfinite(element.value)) return kActionNotFinite;
  }
  Activations flags = 0;
  for (Element& element : elements_) {
    const ElementLimits& limits = element.limits();
    if (!limits.delta) {
      const double wanted = element.value;
      element.value = std::min(std::max(wanted, limits.low), limits.high);
      if (element.value != wanted) flags |= wanted < limits.low ? limits.at_low : limits.at_high;
    }
    element.base = limits.delta ? 0.0 : element.value;
  }
  started_ = true;
  return flags | limit_values(command);
}

Activations CommandLimiter::limit_values(double* command) {
  bool finite = true, all_at_ease = true;
  for (const Element& element : elements_) {
    finite = finite && std::isfinite(element.value);
    all_at_ease = all_at_ease && element.at_ease();
  }
  if (!finite) return kActionNotFinite;
  Activations flags = 0;
  if (behind_ || !all_at_ease) {
    behind_ = false;
    for (Element& element : elements_) {
      if (element.motion.behind || !element.at_ease()) {
        element.look();
        const double change = follow(element.limits(), element.motion, element.value, flags);
        element.value = element.motion.behind ? element.command(change) : element.motion.wanted;
      }
      behind_ = behind_ || element.motion.behind;
    }
  }
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    command[i] = elements_[i].value;
    elements_[i].send(located_);
  }
  return flags;
}

template <typename Choose>
bool CommandLimiter::move(const Choose& choose, double* command) {
  if (!started_) return false;
  for (std::size_t i = 0; i < elements_.size(); ++i) {
    Element& element = elements_[i];
    element.look();
    element.value = element.command(choose(element, i));
    element.motion.behind = false;
    command[i] = element.value;
    element.send(located_);
  }
  behind_ = false;
  return true;
}

bool CommandLimiter::hold(double* command) {
  return move(
      [](const Element& element, std::size_t) {
        const ElementLimits& limits = element.limits();
        return brake_change(element.motion.step, element.motion.change, limits.change,
                            limits.jerk);
      },
      command);
}

bool CommandLimiter::damp(double* command) {
  return move(
      [this](const Element& element, std::size_t) {
        return ilrobot::damp(element.limits(), element.motion, kept_by_damping_);
      },
      command);
}

bool CommandLimiter::retreat(const double* pose, double* command) {
  return move(
      [pose](const Element& element, std::size_t i) {
        const ElementLimits& limits = element.limits();
        if (std::isnan(pose[i]) || (limits.delta && !element.known)) {
          return brake_change(element.motion.step, element.motion.change, limits.change,
                              limits.jerk);
        }
        return approach(limits, element.motion, pose[i]);
      },
      command);
}

bool ChoiceLimiter::reset(const double* present, const double*, const double*) {
  if (present != nullptr && !std::isfinite(present[0])) return false;
  command_ = present == nullptr ? 0.0 : present[0];
  return true;
}

Activations ChoiceLimiter::limit(const double* action, double* command) {
  if (!std::isfinite(*action)) return kActionNotFinite;
  const double most = static_cast<double>(choices_ - 1);
  *command = command_ = std::min(std::max(std::trunc(*action), 0.0), most);
  return command_ != *action ? kPositionLimited : 0u;
}

bool ChoiceLimiter::hold(double* command) {
  *command = command_;
  return true;
}

}  // namespace ilrobot
