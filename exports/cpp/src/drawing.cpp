#include "drawing.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "refused.hpp"
#include "turns.hpp"

namespace ilrobot {
namespace {

constexpr double kCoherenceDecay = 0.5;

std::uint64_t rotated(std::uint64_t x, int by) { return x << by | x >> (64 - by); }

}  // namespace

void NormalNoise::seed(std::uint64_t seed) {
  for (std::uint64_t& word : state_) {  // splitmix64
    seed += 0x9e3779b97f4a7c15;
    std::uint64_t z = seed;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    word = z ^ z >> 31;
  }
}

std::uint64_t NormalNoise::bits() {
  const std::uint64_t result = rotated(state_[0] + state_[3], 23) + state_[0];
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = rotated(state_[3], 45);
  return result;
}

double NormalNoise::uniform() {
  return (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-52 - 1.0;
}

void NormalNoise::fill(float* into, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 2) {
    double u = 0, v = 0, s = 0;
    do {
      u = uniform();
      v = uniform();
      s = u * u + v * v;
    } while (s >= 1.0 || s == 0.0);
    const double stretch = std::sqrt(-2.0 * std::log(s) / s);
    into[i] = static_cast<float>(u * stretch);
    if (i + 1 < count) into[i + 1] = static_cast<float>(v * stretch);
  }
}

Draw::Draw(const Contract& contract, const Chunking& chunking)
    : chunking_(chunking),
      size_(contract.action.size),
      choices_(contract.choices > 0),
      scale_(contract.scale()),
      rotations_(contract.target_rotations()),
      horizon_(contract.horizon),
      execute_(contract.execute),
      told_(contract.horizon * contract.action.size) {
  const auto count = static_cast<std::size_t>(chunking.number);
  const std::size_t horizon = contract.horizon, execute = contract.execute;
  const auto refuse = [](const std::string& why) {
    throw Refused("chunks: " + why + "; take receding");
  };
  if (chunking.mode == Mode::kEnsemble && horizon == 1) {
    refuse("this policy predicts one action at a time, so there is nothing to average");
  }
  if (chunking.mode == Mode::kCoherent) {
    if (!contract.noise_shape) {
      refuse("this policy does not sample, so there is nothing to choose from");
    }
    samples_ = count;
  }
  if (chunking.leads() && !contract.sampler_steps) {
    refuse("this policy's sampler cannot be led");
  }
  if ((chunking.mode == Mode::kCoherent || chunking.mode == Mode::kWarm) && execute >= horizon) {
    refuse("this policy executes its whole chunks, so nothing of the last one is left to keep to");
  }
  if (!chunking.leads()) return;
  if (const std::size_t steps = *contract.sampler_steps;
      chunking.mode == Mode::kWarm && count >= steps) {
    refuse("this policy's sampler has " + std::to_string(steps) + " steps, of which one must be "
           "free");
  }
  if (const std::size_t most = std::min(execute, horizon - execute);
      chunking.mode == Mode::kRealtime && count > most) {
    refuse("the delay of this policy can be at most " + std::to_string(most) + " ticks");
  }
  prefix_.assign(horizon * size_, 0.0f);
}

// How far the sampler is led at one of its steps towards the plan for one tick, as
// ilrobot.control.drawing.realtime_weights (Black et al. 2025, eq. 5) and warm_weights.
double Draw::weight(std::size_t step, std::size_t tick, std::size_t delay) const {
  const auto least = static_cast<std::size_t>(chunking_.number);
  if (chunking_.mode == Mode::kWarm) return step < least && tick < horizon_ - execute_ ? 1.0 : 0.0;
  delay = std::max(std::min(delay, std::min(execute_, horizon_ - execute_)), least);
  if (tick < delay) return 1.0;
  const double left = static_cast<double>(horizon_) - static_cast<double>(execute_) -
                      static_cast<double>(tick);
  const double span = static_cast<double>(horizon_ - execute_ - delay + 1);
  const double c = std::min(std::max(left / span, 0.0), 1.0);
  return c * std::expm1(c) / std::expm1(1.0);
}

std::unique_ptr<Execution> Draw::execution(const Contract& contract) const {
  if (chunking_.mode == Mode::kEnsemble) {
    return std::make_unique<TemporalEnsemble>(contract.horizon, size_, chunking_.number,
                                              contract.choices, rotations_);
  }
  const auto delay =
      chunking_.mode == Mode::kRealtime ? static_cast<std::size_t>(chunking_.number) : 0;
  return std::make_unique<Receding>(contract.horizon, size_, contract.execute, delay);
}

void Draw::operator()(Session& session, const Noise& noise, Plan rest, std::size_t delay,
                      Prediction& into) {
  std::vector<float>& prefix = session.prefix();
  std::vector<float>& weights = session.prefix_weights();
  if (chunking_.leads() && rest.count > 0) {
    std::copy(rest.actions, rest.actions + rest.count * size_, prefix_.begin());
    std::copy(prefix_.begin(), prefix_.end(), prefix.begin());
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const std::size_t tick = i % horizon_;
      weights[i] = tick < rest.count ? static_cast<float>(weight(i / horizon_, tick, delay)) : 0.0f;
    }
  } else {
    std::fill(prefix.begin(), prefix.end(), 0.0f);
    std::fill(weights.begin(), weights.end(), 0.0f);
  }
  const std::size_t samples = rest.count > 0 ? samples_ : 1;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < samples; ++i) {
    std::vector<float>& given = session.noise();
    if (!given.empty()) noise(given.data(), given.size());
    const Prediction& drawn = session.run();
    const double apart = samples > 1 ? loss(drawn.chunk, rest) : 0.0;
    if (i > 0 && !(apart < least)) continue;
    least = apart;
    into = drawn;
  }
}

double Draw::loss(const std::vector<float>& chunk, Plan plan) {
  std::copy(chunk.begin(), chunk.begin() + plan.count * size_, told_.begin());
  if (!rotations_.empty()) tell_nearest(plan);
  double total = 0.0, decay = 1.0;
  for (std::size_t tick = 0; tick < plan.count; ++tick, decay *= kCoherenceDecay) {
    double squares = 0.0;
    for (std::size_t i = 0; i < size_; ++i) {
      const float difference = told_[tick * size_ + i] - plan.actions[tick * size_ + i];
      const double scaled =
          choices_ ? (difference != 0.0f ? 1.0 : 0.0) : static_cast<double>(difference) / scale_[i];
      squares += scaled * scaled;
    }
    total += std::sqrt(squares) * decay;
  }
  return total;
}

// Each rotation by that of its equal answers that is nearest to the plan's.
void Draw::tell_nearest(Plan plan) {
  const auto finite = [](float value) { return std::isfinite(value); };
  const std::size_t count = plan.count * size_;
  if (!std::all_of(told_.begin(), told_.begin() + count, finite) ||
      !std::all_of(plan.actions, plan.actions + count, finite)) {
    return;
  }
  for (std::size_t tick = 0; tick < plan.count; ++tick) {
    for (const Rotation& rotation : rotations_) {
      const std::size_t first = tick * size_ + rotation.start;
      Values values = {}, planned = {};
      for (std::size_t i = 0; i < rotation.size(); ++i) {
        values[i] = told_[first + i];
        planned[i] = plan.actions[first + i];
      }
      values = nearest(values, planned, rotation.unit);
      for (std::size_t i = 0; i < rotation.size(); ++i) {
        told_[first + i] = static_cast<float>(values[i]);
      }
    }
  }
}

}  // namespace ilrobot
