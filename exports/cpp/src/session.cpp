#include "session.hpp"

#include <algorithm>

#include "refused.hpp"

namespace ilrobot {
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
    : env_(ORT_LOGGING_LEVEL_ERROR, "ilrobot") {
  try {
    session_ = Ort::Session(env_, model.data(), model.size(), session_options());
  } catch (const Ort::Exception& error) {
    throw Refused("ONNX Runtime cannot load the model: " + one_line(error.what()));
  }
  for (const Feature& feature : contract.observations) {
    add_input(feature.name, joined(contract.n_obs, feature.shape));
  }
  const std::size_t optional = names_.size();
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
  binding_ = Ort::IoBinding(session_);
  inputs_.resize(none + 1);
  for (std::size_t i = 0; i < none; ++i) {
    std::size_t size = 1;
    for (const std::int64_t length : shapes_[i]) size *= static_cast<std::size_t>(length);
    inputs_[i].assign(size, 0.0f);
    binding_.BindInput(names_[i].c_str(),
                       Ort::Value::CreateTensor<float>(memory, inputs_[i].data(), size,
                                                       shapes_[i].data(), shapes_[i].size()));
  }
  const auto out = batched(joined(contract.horizon, contract.action.shape));
  chunk_.assign(contract.horizon * contract.action.size, 0.0f);
  if (contract.choices > 0) {
    choices_.assign(chunk_.size(), 0);
    binding_.BindOutput(kOutput, Ort::Value::CreateTensor<std::int64_t>(
                                     memory, choices_.data(), choices_.size(), out.data(),
                                     out.size()));
  } else {
    binding_.BindOutput(kOutput, Ort::Value::CreateTensor<float>(memory, chunk_.data(),
                                                                 chunk_.size(), out.data(),
                                                                 out.size()));
  }
  if (!contract.doubts) return;
  const auto row = batched({contract.horizon});
  for (auto [name, buffer] : {std::pair{"doubt", &doubt_}, std::pair{"novelty", &novelty_}}) {
    buffer->assign(contract.horizon, 0.0f);
    binding_.BindOutput(name, Ort::Value::CreateTensor<float>(memory, buffer->data(),
                                                              buffer->size(), row.data(),
                                                              row.size()));
  }
}

const std::vector<float>& Session::run() {
  session_.Run(run_options_, binding_);
  std::copy(choices_.begin(), choices_.end(), chunk_.begin());
  return chunk_;
}

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
  if (session_.GetInputCount() != names_.size()) differs("number of inputs");
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const std::string name = session_.GetInputNameAllocated(i, allocator).get();
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) differs("input ('" + name + "')");
    const auto place = static_cast<std::size_t>(found - names_.begin());
    check(session_.GetInputTypeInfo(i), name, shapes_[place], ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
  }
  const std::size_t outputs = contract.doubts ? 3 : 1;
  if (session_.GetOutputCount() != outputs) differs("number of outputs");
  for (std::size_t i = 0; i < outputs; ++i) {
    const std::string name = session_.GetOutputNameAllocated(i, allocator).get();
    if (name == kOutput) {
      check(session_.GetOutputTypeInfo(i), name,
            batched(joined(contract.horizon, contract.action.shape)),
            contract.choices > 0 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64
                                 : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
    } else if (contract.doubts && (name == "doubt" || name == "novelty")) {
      check(session_.GetOutputTypeInfo(i), name, batched({contract.horizon}),
            ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
    } else {
      differs("output ('" + name + "')");
    }
  }
}

}  // namespace ilrobot
