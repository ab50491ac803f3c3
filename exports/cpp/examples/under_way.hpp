// The commands that were sent and that the robot has not said to have heard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

class UnderWay {
 public:
  explicit UnderWay(std::size_t size) : size_(size), values_(kMost * size), sum_(size) {}

  void clear() { first_ = count_ = 0; }

  // One more, by the number of its message; where there are too many the oldest is forgotten.
  void add(std::uint64_t number, const double* command) {
    if (count_ == kMost) drop();
    const std::size_t place = (first_ + count_++) % kMost;
    numbers_[place] = number;
    for (std::size_t i = 0; i < size_; ++i) values_[place * size_ + i] = command[i];
  }

  // The robot has every message up to this one.
  void heard(std::uint64_t number) {
    while (count_ > 0 && numbers_[first_] <= number) drop();
  }

  // Where the targets of deltas will be once all of them are executed.
  const double* after(const std::vector<double>& pose) {
    sum_ = pose;
    for (std::size_t n = 0; n < count_; ++n) {
      const double* command = values_.data() + (first_ + n) % kMost * size_;
      for (std::size_t i = 0; i < size_; ++i) sum_[i] += command[i];
    }
    return sum_.data();
  }

 private:
  static constexpr std::size_t kMost = 1000;

  void drop() {
    first_ = (first_ + 1) % kMost;
    --count_;
  }

  std::size_t size_, first_ = 0, count_ = 0;
  std::uint64_t numbers_[kMost] = {};
  std::vector<double> values_, sum_;
};
