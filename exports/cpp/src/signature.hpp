// Whose file it is. The twin of exports/signature.py, which says how a file is signed.
#pragma once

#include <string>

namespace ilrobot {

// Throws Refused: the file with these bytes has no signature beside it (`path`.sig), was altered
// since it was signed, or another key signed it than the public one in the PEM file `key`; or that
// is no such key; or this library was built without OpenSSL.
void require_signature(const std::string& path, const std::string& bytes, const std::string& key);

}  // namespace ilrobot
