// The graph in ONNX Runtime: one thread that does not spin, buffers bound once. The twin of
// exports.runtime.session.BoundSession.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <onnxruntime_cxx_api.h>

#include "contract.hpp"

namespace ilrobot {

class Session {
 public:
  // Throws Refused: ONNX Runtime cannot load the model, or its inputs and output are others than
  // the contract says.
  Session(const std::string& model, const Contract& contract);

  // Where an input lies, to be filled before `run`; batch 1, so without a batch axis. Of an
  // observation n_obs * size numbers, oldest tick first.
  std::vector<float>& observation(std::size_t index) { return inputs_[index]; }
  std::vector<float>& noise() { return inputs_[noise_]; }                   // none: empty
  std::vector<float>& prefix() { return inputs_[prefix_]; }                 // none: empty
  std::vector<float>& prefix_weights() { return inputs_[prefix_weights_]; }  // none: empty

  // Computes the chunk, horizon * action size numbers, from the inputs as they are. Throws
  // Ort::Exception.
  const std::vector<float>& run();

  // Of an ensemble, about each action of the last chunk (else empty).
  const std::vector<float>& doubt() const { return doubt_; }
  const std::vector<float>& novelty() const { return novelty_; }

 private:
  void add_input(const std::string& name, const Shape& shape);
  void check_signature(const Contract& contract) const;

  Ort::Env env_;
  Ort::Session session_{nullptr};
  Ort::RunOptions run_options_;
  std::vector<std::string> names_;
  std::vector<std::vector<std::int64_t>> shapes_;
  std::vector<std::vector<float>> inputs_;
  std::size_t noise_ = 0, prefix_ = 0, prefix_weights_ = 0;
  std::vector<float> chunk_, doubt_, novelty_;
  std::vector<std::int64_t> choices_;  // as the graph gives them; empty: actions are continuous
  Ort::IoBinding binding_{nullptr};
};

}  // namespace ilrobot
