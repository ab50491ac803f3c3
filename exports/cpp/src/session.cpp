#include "session.hpp"

#include <algorithm>

#include <onnxruntime_cxx_api.h>

#include "refused.hpp"

namespace ilrobot {

struct Session::Engine {
  Ort::Env env{ORT_LOGGING_LEVEL_ERROR, "ilrobot"};
  Ort::Session session{nullptr};
  Ort::RunOptions options;
  Ort::IoBinding binding{nullptr};
};

namespace {

constexpr const char* kOutput = "action";

Ort::SessionOptions session_options() {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  options.SetInterOpNumThreads(1);
  options.AddConfigEntry("session.intra_op.allow_spinning", "0");
  return options;
}

std::vector<std::int64_t> batched(const Shape& shape) {
  std::vector<std::int64_t> result{1};
  result.insert(result.end(), shape.begin(), shape.end());
  return result;
}

Shape joined(std::size_t first, const Shape& rest) {
  Shape result{first};
  result.insert(result.end(), rest.begin(), rest.end());
  return result;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

Session::Session(const std::string& model, const Contract& contract)
    : engine_(std::make_unique<Engine>()) {
  try {
    engine_->session =
        Ort::Session(engine_->env, model.data(), model.size(), session_options());
  } catch (const Ort::Exception& error) {
    throw Refused("ONNX Runtime cannot load the model: " + one_line(error.what()));
  }
  for (const Feature& feature : contract.observations) {
    add_input(feature.name, joined(contract.n_obs, feature.shape));
  }
  const std::size_t optional = observations_ = names_.size();
  if (contract.noise_shape) add_input("noise", *contract.noise_shape);
  if (contract.sampler_steps) {
    add_input("prefix", joined(contract.horizon, contract.action.shape));
    add_input("prefix_weights", {*contract.sampler_steps, contract.horizon});
  }
  // What is not there stands for itself as an empty buffer behind the inputs.
  const std::size_t none = names_.size();
  noise_ = contract.noise_shape ? optional : none;
  prefix_ = contract.sampler_steps ? none - 2 : none;
  prefix_weights_ = contract.sampler_steps ? none - 1 : none;
  check_signature(contract);

  // Only now, when the graph has agreed to these sizes.
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  Ort::IoBinding& binding = engine_->binding;
  binding = Ort::IoBinding(engine_->session);
  inputs_.resize(none + 1);
  for (std::size_t i = 0; i < none; ++i) {
    std::size_t size = 1;
    for (const std::int64_t length : shapes_[i]) size *= static_cast<std::size_t>(length);
    inputs_[i].assign(size, 0.0f);
    binding.BindInput(names_[i].c_str(),
                       Ort::Value::CreateTensor<float>(memory, inputs_[i].data(), size,
                                                       shapes_[i].data(), shapes_[i].size()));
  }
  const auto out = batched(joined(contract.horizon, contract.action.shape));
  std::vector<float>& chunk = prediction_.chunk;
  chunk.assign(contract.horizon * contract.action.size, 0.0f);
  if (contract.choices > 0) {
    choices_.assign(chunk.size(), 0);
    binding.BindOutput(kOutput, Ort::Value::CreateTensor<std::int64_t>(
                                    memory, choices_.data(), choices_.size(), out.data(),
                                    out.size()));
  } else {
    binding.BindOutput(kOutput, Ort::Value::CreateTensor<float>(memory, chunk.data(), chunk.size(),
                                                                out.data(), out.size()));
  }
  const auto row = batched({contract.horizon});
  prediction_.signals.assign(contract.signals.size(), std::vector<float>(contract.horizon));
  for (std::size_t i = 0; i < contract.signals.size(); ++i) {
    std::vector<float>& buffer = prediction_.signals[i];
    binding.BindOutput(contract.signals[i].name.c_str(),
                       Ort::Value::CreateTensor<float>(memory, buffer.data(), buffer.size(),
                                                       row.data(), row.size()));
  }
}

Session::~Session() = default;
Session::Session(Session&&) noexcept = default;

const Prediction& Session::run() {
  engine_->session.Run(engine_->options, engine_->binding);
  std::copy(choices_.begin(), choices_.end(), prediction_.chunk.begin());
  return prediction_;
}

const Prediction& Session::run(const float* const* history, const float* noise,
                               const float* prefix, const float* prefix_weights) {
  const auto fill = [](std::vector<float>& into, const float* from) {
    if (from != nullptr) {
      std::copy(from, from + into.size(), into.begin());
    } else {
      std::fill(into.begin(), into.end(), 0.0f);
    }
  };
  for (std::size_t i = 0; i < observations_; ++i) fill(inputs_[i], history[i]);
  fill(inputs_[noise_], noise);
  fill(inputs_[prefix_], prefix);
  fill(inputs_[prefix_weights_], prefix_weights);
  return run();
}

void Session::cancel() { engine_->options.SetTerminate(); }

void Session::add_input(const std::string& name, const Shape& shape) {
  names_.push_back(name);
  shapes_.push_back(batched(shape));
}

void Session::check_signature(const Contract& contract) const {
  const auto differs = [](const std::string& what) {
    throw Refused("the graph takes or gives another " + what +
                  " than its contract says; export the policy again");
  };
  const auto check = [&](const Ort::TypeInfo& type, const std::string& name,
                         const std::vector<std::int64_t>& shape, ONNXTensorElementDataType of) {
    if (type.GetONNXType() != ONNX_TYPE_TENSOR) differs("'" + name + "'");
    const auto tensor = type.GetTensorTypeAndShapeInfo();
    if (tensor.GetShape() != shape || tensor.GetElementType() != of) differs("'" + name + "'");
  };
  Ort::AllocatorWithDefaultOptions allocator;
  const Ort::Session& session = engine_->session;
  if (session.GetInputCount() != names_.size()) differs("number of inputs");
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const std::string name = session.GetInputNameAllocated(i, allocator).get();
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) differs("input ('" + name + "')");
    const auto place = static_cast<std::size_t>(found - names_.begin());
    check(session.GetInputTypeInfo(i), name, shapes_[place], ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
  }
  const std::vector<Signal>& signals = contract.signals;
  const std::size_t outputs = 1 + signals.size();
  if (session.GetOutputCount() != outputs) differs("number of outputs");
  for (std::size_t i = 0; i < outputs; ++i) {
    const std::string name = session.GetOutputNameAllocated(i, allocator).get();
    if (name == kOutput) {
      check(session.GetOutputTypeInfo(i), name,
            batched(joined(contract.horizon, contract.action.shape)),
            contract.choices > 0 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64
                                 : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
    } else if (std::any_of(signals.begin(), signals.end(),
                           [&](const Signal& signal) { return signal.name == name; })) {
      check(session.GetOutputTypeInfo(i), name, batched({contract.horizon}),
            ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
    } else {
      differs("output ('" + name + "')");
    }
  }
}

}  // namespace ilrobot
