// The graph in ONNX Runtime: one thread that does not spin, buffers bound once. The twin of
// exports.runtime.session.BoundSession.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "contract.hpp"

namespace ilrobot {

class Session {
 public:
  // Throws Refused: ONNX Runtime cannot load the model, or its inputs and output are others than
  // the contract says.
  Session(const std::string& model, const Contract& contract);
  ~Session();
  Session(Session&&) noexcept;

  // Where an input lies, to be filled before `run`; batch 1, so without a batch axis. Of an
  // observation n_obs * size numbers, oldest tick first.
  std::vector<float>& observation(std::size_t index) { return inputs_[index]; }
  std::vector<float>& noise() { return inputs_[noise_]; }                   // none: empty
  std::vector<float>& prefix() { return inputs_[prefix_]; }                 // none: empty
  std::vector<float>& prefix_weights() { return inputs_[prefix_weights_]; }  // none: empty

  // Computes the chunk from the inputs as they are. Throws a std::exception where it cannot.
  const Prediction& run();

  // The same from these: of each observation its history; null: zeros.
  const Prediction& run(const float* const* history, const float* noise, const float* prefix,
                        const float* prefix_weights);

  // From any thread: a `run` that is under way ends by throwing, and so does every later one.
  void cancel();

  // The last one; before that one of the same sizes.
  const Prediction& prediction() const { return prediction_; }

 private:
  struct Engine;  // ONNX Runtime's own

  void add_input(const std::string& name, const Shape& shape);
  void check_signature(const Contract& contract) const;

  std::unique_ptr<Engine> engine_;
  std::vector<std::string> names_;
  std::vector<std::vector<std::int64_t>> shapes_;
  std::vector<std::vector<float>> inputs_;
  std::size_t observations_ = 0, noise_ = 0, prefix_ = 0, prefix_weights_ = 0;
  Prediction prediction_;
  std::vector<std::int64_t> choices_;  // as the graph gives them; empty: actions are continuous
};

}  // namespace ilrobot
