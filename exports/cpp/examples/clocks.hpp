// Our clock, and the robot's seen from it.
#pragma once

#include <time.h>

#include <algorithm>
#include <limits>

inline double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// How far our clock is ahead of the robot's, at least: the greatest difference between when a
// message of ours was sent and when it came, over the last seconds.
class ClockOffset {
 public:
  double least() const { return std::max(recent_, older_); }
  void add(double sent, double received) {
    constexpr double kHalf = 1.0;
    if (!(received - turned_ >= 0 && received - turned_ < kHalf)) {
      const bool fresh = received < turned_ || received - turned_ > 2 * kHalf;
      older_ = fresh ? -kInfinity : recent_;
      recent_ = -kInfinity;
      turned_ = received;
    }
    recent_ = std::max(recent_, sent - received);
  }
  void forget() { recent_ = older_ = turned_ = -kInfinity; }

 private:
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double recent_ = -kInfinity, older_ = -kInfinity, turned_ = -kInfinity;
};
