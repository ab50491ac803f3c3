#include "element.hpp"

#include <algorithm>
#include <cmath>

#include "braking.hpp"

namespace ilrobot {
namespace {

// Fraction of a limit by which rounding may pass it without counting as a violation.
constexpr double kRounding = 1e-6;
// Roots are found to this fraction of j, the displacement of one tick at greatest jerk.
constexpr double kNear = 1e-6;

// As Python's min(max(value, low), high), of NaN, too.
double clipped(double value, double low, double high) {
  return std::min(std::max(value, low), high);
}

double nearer_to_zero(double a, double b) {
  if (a > 0.0 && b > 0.0) return std::min(a, b);
  if (a < 0.0 && b < 0.0) return std::max(a, b);
  return 0.0;
}

// The greatest change from `stop` up to `change` whose braking stays within the room.
double furthest(double change, double stop, double step, double most, double jerk, double room) {
  if (std::isinf(jerk)) {
    return std::min(change, std::max(stop, greatest_step(room, most) - step));
  }
  const auto beyond = [&](double x) {
    return step + x + greatest_displacement(step + x, x, most, jerk) - room;
  };
  if (beyond(change) <= 0.0) return change;
  if (beyond(stop) >= 0.0) return stop;
  return greatest_root(beyond, stop, change, kNear * std::min(jerk, room));
}

// `keep` where the wanted change is above the braking's: upper limits alone count.
double push(double change, double stop, double step, double most, double jerk, double fastest,
            double room, Activations at_wall, Activations& flags) {
  const double left = fastest - step;
  double limited = std::max(stop, left < 0.0 ? left : greatest_step(left, jerk));
  if (change > limited) {
    if (change - limited > kRounding * std::abs(change)) flags |= kVelocityLimited;
    change = limited;
  }
  if (change > stop && !std::isinf(room)) {
    limited = furthest(change, stop, step, most, jerk, room);
    if (change - limited > kRounding * std::abs(change)) flags |= at_wall;
    change = limited;
  }
  return change;
}

// The change nearest to a wanted one that leads to a safe state; adds which limit is ahead.
double keep(const ElementLimits& limits, const Motion& now, double wanted, Activations& flags) {
  const double jerk = limits.jerk, most = limits.change;
  const double change = std::max(
      std::max(std::min(std::min(wanted, now.change + jerk), most), now.change - jerk), -most);
  const double stop = brake_change(now.step, now.change, most, jerk);
  if (change > stop) {
    return push(change, stop, now.step, most, jerk, limits.fastest, limits.high - now.position,
                limits.at_high, flags);
  }
  if (change < stop) {
    return -push(-change, -stop, -now.step, most, jerk, -limits.slowest,
                 now.position - limits.low, limits.at_low, flags);
  }
  return change;
}

// The change whose braking, relative to the slope, ends at a position.
double aim_at(const ElementLimits& limits, const Motion& now, double target, double slope) {
  const double most = limits.change, jerk = limits.jerk;
  if (!std::isfinite(slope)) slope = 0.0;
  if (std::isinf(jerk)) {
    const double step = slope + signed_greatest_step(target - slope - now.position, most);
    return step - now.step;
  }
  const double relative = now.step - slope;
  const double left = target - now.position - now.step;
  const auto beyond = [&](double x) {
    return x + rest_displacement(relative + x, x, most, jerk) - left;
  };
  const double low = std::max(now.change - jerk, -most), high = std::min(now.change + jerk, most);
  if (beyond(high) <= 0.0) return high;
  if (beyond(low) >= 0.0) return low;
  const double near = kNear * jerk;
  const double stop = brake_change(relative, now.change, most, jerk);
  const double at_stop = beyond(stop);
  if (std::abs(at_stop) <= near) return stop;
  if (at_stop > 0.0) return greatest_root(beyond, low, stop, near);
  return greatest_root(beyond, stop, high, near);
}

// The change from which the target comes to move with what is wanted.
double aim(const ElementLimits& limits, const Motion& now, double target, double slope) {
  if (!limits.delta) {
    return aim_at(limits, now, target, clipped(slope, limits.slowest, limits.fastest));
  }
  if (!std::isfinite(slope)) slope = 0.0;
  slope = clipped(slope, -limits.change, limits.change);
  return slope + signed_greatest_step(target - slope - now.step, limits.jerk);
}

bool settles_at(const ElementLimits& limits, double direct, double relative) {
  return std::abs(relative) <= limits.change && std::abs(relative) <= limits.jerk &&
         std::abs(relative + direct) <= limits.jerk;
}

// Whether, once on the wanted command, it could stay there if that goes on as it did.
bool settles(const ElementLimits& limits, const Motion& now, double direct, double slope) {
  if (limits.delta) return std::abs(direct - slope) <= limits.jerk;
  return settles_at(limits, direct, now.step + direct - slope);
}

// Which limits the wanted step itself exceeds, one after the other.
Activations exceeded(const ElementLimits& limits, const Motion& now, double step) {
  Activations flags = 0;
  const double kept = clipped(step, limits.slowest, limits.fastest);
  if (std::abs(step - kept) > kRounding * std::abs(kept)) flags |= kVelocityLimited;
  double change = kept - now.step;
  if (std::abs(change) > limits.change * (1.0 + kRounding)) flags |= kAccelerationLimited;
  change = clipped(change, -limits.change, limits.change);
  if (std::abs(change - now.change) > limits.jerk * (1.0 + kRounding)) flags |= kJerkLimited;
  return flags;
}

}  // namespace

double follow(const ElementLimits& limits, Motion& now, double wanted, Activations& all) {
  Activations flags = 0, ahead = 0;
  const double target = clipped(wanted, limits.least, limits.greatest);
  if (std::abs(target - wanted) > kRounding * std::abs(target)) {
    const Activations wall = target > wanted ? limits.at_low : limits.at_high;
    flags |= limits.delta ? Activations{kPositionLimited} : wall;
  }
  const double difference = target - now.wanted;
  const double slope = nearer_to_zero(difference, now.slope);
  now.wanted = target;
  now.slope = difference;

  const double step = limits.delta ? target : target - now.position;
  const double direct = step - now.step;
  if (!now.behind || settles(limits, now, direct, slope)) {
    const double change = keep(limits, now, direct, ahead);
    if (change == direct) {
      now.behind = false;
      all |= flags;
      return change;
    }
    ahead = 0;
  }
  const double change = keep(limits, now, aim(limits, now, target, slope), ahead);
  now.behind = true;
  flags |= ahead | exceeded(limits, now, step);
  if (flags == 0 && std::abs(change - direct) > kRounding * std::abs(direct)) {
    // Nothing is exceeded yet: it brakes now, so that nothing will be.
    flags = std::isinf(limits.jerk) ? kAccelerationLimited : kJerkLimited;
  }
  all |= flags;
  return change;
}

double approach(const ElementLimits& limits, const Motion& now, double position) {
  Activations ignored = 0;
  const double target = clipped(position, limits.low, limits.high);
  const double direct = target - now.position - now.step;
  if (settles_at(limits, direct, now.step + direct)) {
    const double change = keep(limits, now, direct, ignored);
    if (change == direct) return change;
  }
  return keep(limits, now, aim_at(limits, now, target, 0.0), ignored);
}

double damp(const ElementLimits& limits, const Motion& now, double kept) {
  Activations ignored = 0;
  double stop = brake_change(now.step, now.change, limits.change, limits.jerk);
  const double ahead = now.step + release(now.change, limits.jerk);
  const double gentle = now.step * kept - now.step;
  if (now.step > 0.0 && ahead > 0.0) {
    stop = std::max(stop, gentle);
  } else if (now.step < 0.0 && ahead < 0.0) {
    stop = std::min(stop, gentle);
  }
  return keep(limits, now, stop, ignored);
}

}  // namespace ilrobot
