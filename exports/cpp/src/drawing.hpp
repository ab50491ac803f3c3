// How a chunk is drawn from a policy: freely, as the one of several that keeps to what is planned,
// or led to it. The twin of ilrobot/control/drawing.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "contract.hpp"
#include "execution.hpp"
#include "session.hpp"

namespace ilrobot {

// Fills a buffer with standard normal noise.
using Noise = std::function<void(float* into, std::size_t count)>;

// xoshiro256++ (Blackman and Vigna 2021) and Marsaglia's polar method.
class NormalNoise {
 public:
  void seed(std::uint64_t seed);
  void fill(float* into, std::size_t count);

 private:
  std::uint64_t bits();
  double uniform();  // in (-1, 1)

  std::uint64_t state_[4] = {1, 2, 3, 4};
};

class Draw {
 public:
  // Throws Refused: the mode does not fit the policy.
  Draw(const Contract& contract, const Chunking& chunking);

  // Draws a chunk, whose observations lie in the session already. Throws a std::exception where
  // it cannot be computed.
  // rest: what is planned from this tick on. delay: how many of those are expected to be executed
  // before the chunk is there.
  void operator()(Session& session, const Noise& noise, Plan rest, std::size_t delay,
                  Prediction& into);

  // What executes these chunks.
  std::unique_ptr<Execution> execution(const Contract& contract) const;

 private:
  double weight(std::size_t step, std::size_t tick, std::size_t delay) const;
  double loss(const std::vector<float>& chunk, Plan plan);
  void tell_nearest(Plan plan);

  Chunking chunking_;
  std::size_t size_, samples_ = 1;
  bool choices_;
  std::vector<double> scale_;
  std::vector<Rotation> rotations_;  // that are targets
  std::size_t horizon_, execute_;
  std::vector<float> prefix_, told_;  // told: the chunk whose loss it is, as near as it can be told
};

}  // namespace ilrobot
