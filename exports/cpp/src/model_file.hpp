// An exported policy as a file: its bytes, its contract's text, and the proof that they belong
// together. The twin of ilrobot/control/model_file.py, which says how both are hashed.
#pragma once

#include <string>

namespace ilrobot {

struct ModelFile {
  std::string bytes;     // the whole file, for the inference engine
  std::string contract;  // JSON text in UTF-8, whose digests were found right
};

// From the bytes of a file; `where` is named in messages. Throws Refused: it is no ONNX model, has no
// contract, is truncated or altered, or of another schema.
ModelFile parse_model_file(std::string bytes, const std::string& where);

}  // namespace ilrobot
