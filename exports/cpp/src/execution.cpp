#include "execution.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "turns.hpp"

namespace ilrobot {

Receding::Receding(std::size_t horizon, std::size_t size, std::size_t execute, std::size_t delay)
    : horizon_(horizon),
      size_(size),
      execute_(execute),
      delay_(delay),
      chunk_(horizon * size),
      element_(horizon) {
  ahead = delay;
}

void Receding::forget() {
  awaited_ = false;
  element_ = horizon_;
  executed_meanwhile_ = waited = 0;
}

bool Receding::asks() const {
  return !awaited_ && (executed_meanwhile_ >= execute_ || horizon_ - element_ <= ahead);
}

void Receding::asked() {
  awaited_ = true;
  executed_meanwhile_ = waited = 0;
}

void Receding::take(const float* chunk) {
  std::copy(chunk, chunk + chunk_.size(), chunk_.begin());
  awaited_ = false;
  element_ = executed_meanwhile_;
}

void Receding::drop() {
  awaited_ = false;
  executed_meanwhile_ = execute_;
}

bool Receding::next(float* action) {
  ++waited;
  if (has_run_out()) return false;
  executed = element_++;
  ++executed_meanwhile_;
  const float* from = chunk_.data() + executed * size_;
  std::copy(from, from + size_, action);
  return true;
}

Plan Receding::rest() const {
  if (has_run_out()) return {};
  return {chunk_.data() + element_ * size_, horizon_ - element_};
}

TemporalEnsemble::TemporalEnsemble(std::size_t horizon, std::size_t size, double decay,
                                   std::size_t choices, const std::vector<Rotation>& rotations)
    : horizon_(horizon),
      size_(size),
      choices_(choices),
      rotations_(rotations),
      weights_(horizon),
      totals_(horizon),
      counts_(horizon) {
  std::vector<bool> turning(size, false);
  for (const Rotation& rotation : rotations_) {
    for (std::size_t i = 0; i < rotation.size(); ++i) turning[rotation.start + i] = true;
  }
  for (std::size_t i = 0; i < size; ++i) {
    if (!turning[i]) plain_.push_back(i);
  }
  width_ = choices > 0 ? choices : plain_.size() + 4 * rotations_.size();
  sums_.resize(horizon * width_);
  for (std::size_t i = 0; i < horizon; ++i) {
    weights_[i] = std::exp(-decay * static_cast<double>(i));
  }
}

void TemporalEnsemble::forget() {
  awaited_ = false;
  executed = waited = executed_meanwhile_ = 0;
  std::fill(counts_.begin(), counts_.end(), 0);
  std::fill(totals_.begin(), totals_.end(), 0.0);
  std::fill(sums_.begin(), sums_.end(), 0.0);
}

void TemporalEnsemble::asked() {
  awaited_ = true;
  waited = executed_meanwhile_ = 0;
}

void TemporalEnsemble::take(const float* chunk) {
  const std::size_t passed = executed_meanwhile_;
  for (std::size_t tick = 0; tick + passed < horizon_; ++tick) {
    const double weight = weights_[std::min(counts_[tick], horizon_ - 1)];
    double* sums = sums_.data() + tick * width_;
    if (choices_ > 0) {
      const float choice = chunk[tick + passed];
      if (std::isnan(choice)) {  // it could not be predicted: unknown, as a mean with it would be
        std::fill(sums, sums + width_, std::numeric_limits<double>::quiet_NaN());
      } else if (choice >= 0 && choice < static_cast<float>(choices_)) {
        sums[static_cast<std::size_t>(choice)] += weight;
      }
    } else {
      add(chunk + (tick + passed) * size_, weight, sums);
    }
    totals_[tick] += weight;
    ++counts_[tick];
  }
  element_ = passed;
  awaited_ = false;
}

void TemporalEnsemble::add(const float* action, double weight, double* sums) {
  for (const std::size_t i : plain_) *sums++ += static_cast<double>(action[i]) * weight;
  for (const Rotation& rotation : rotations_) {
    Values values = {};
    std::copy(action + rotation.start, action + rotation.start + rotation.size(), values.begin());
    Quaternion q;
    if (!quaternion(values, rotation.unit, q)) q.fill(std::numeric_limits<double>::quiet_NaN());
    const double along = (q[0] * sums[0] + q[1] * sums[1]) + (q[2] * sums[2] + q[3] * sums[3]);
    for (const double number : q) *sums++ += (along < 0.0 ? -number : number) * weight;
  }
}

bool TemporalEnsemble::next(float* action) {
  ++waited;
  if (counts_[0] == 0) return false;
  ++executed_meanwhile_;
  executed = element_++;
  const auto width = static_cast<std::ptrdiff_t>(width_);
  if (choices_ > 0) {
    const auto best = std::max_element(sums_.begin(), sums_.begin() + width);
    *action = std::isnan(*best) ? std::numeric_limits<float>::quiet_NaN()
                                : static_cast<float>(best - sums_.begin());
  } else {
    const double* mean = sums_.data();
    for (const std::size_t i : plain_) action[i] = static_cast<float>(*mean++ / totals_[0]);
    for (const Rotation& rotation : rotations_) {
      Quaternion q;
      for (double& number : q) number = *mean++ / totals_[0];
      Values values;
      values.fill(std::numeric_limits<double>::quiet_NaN());
      if (quaternion(q, RotationUnit::kQuatWxyz, q)) values = in_unit(q, rotation.unit);
      for (std::size_t i = 0; i < rotation.size(); ++i) {
        action[rotation.start + i] = static_cast<float>(values[i]);
      }
    }
  }
  std::copy(counts_.begin() + 1, counts_.end(), counts_.begin());
  std::copy(totals_.begin() + 1, totals_.end(), totals_.begin());
  std::copy(sums_.begin() + width, sums_.end(), sums_.begin());
  counts_.back() = 0;
  totals_.back() = 0.0;
  std::fill(sums_.end() - width, sums_.end(), 0.0);
  return true;
}

}  // namespace ilrobot
