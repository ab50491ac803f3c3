#include "signature.hpp"

#include "refused.hpp"

#ifdef ILROBOT_SIGNATURES

#include <unistd.h>

#include <memory>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "file_bytes.hpp"

namespace ilrobot {
namespace {

constexpr std::size_t kLength = 64;  // of an Ed25519 signature (RFC 8032)

struct Free {
  void operator()(BIO* source) const { BIO_free(source); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// What OpenSSL notes of errors here leaves nothing behind for the program that loaded us.
class OwnErrors {
 public:
  OwnErrors() { ERR_set_mark(); }
  ~OwnErrors() { ERR_pop_to_mark(); }
};

const unsigned char* unsigned_bytes(const std::string& bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// Without it OpenSSL asks on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

std::unique_ptr<EVP_PKEY, Free> read_public_key(const std::string& path) {
  constexpr const char* kMake =
      "; make it of the private key by `openssl pkey -in key.pem -pubout -out key.pub`";
  const std::string text = read_bytes(path);
  if (text.find("PRIVATE KEY-----") != std::string::npos) {
    throw Refused(path + " is a private key, which no robot should hold" + kMake);
  }
  const std::unique_ptr<BIO, Free> source(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  std::unique_ptr<EVP_PKEY, Free> key(
      source ? PEM_read_bio_PUBKEY(source.get(), nullptr, &no_passphrase, nullptr) : nullptr);
  if (!key) throw Refused(path + " is no public key in PEM form" + kMake);
  if (!EVP_PKEY_is_a(key.get(), "ED25519")) {
    throw Refused(path + " is a public key of another kind than Ed25519" + kMake);
  }
  return key;
}

}  // namespace

void require_signature(const std::string& path, const std::string& bytes, const std::string& key) {
  const OwnErrors own;
  const std::unique_ptr<EVP_PKEY, Free> trusted = read_public_key(key);
  const std::string beside = path + ".sig";
  if (access(beside.c_str(), F_OK) != 0) {
    throw Refused(path + " is not signed (there is no " + beside +
                  "), and to be run it must be, by the owner of " + key +
                  "; write it with ilrobot export --sign");
  }
  const std::string signature = read_bytes(beside);
  if (signature.size() != kLength) {
    throw Refused(beside + " holds " + std::to_string(signature.size()) +
                  " bytes, and a signature has " + std::to_string(kLength) + "; copy it again");
  }
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  if (!context ||
      EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, trusted.get()) != 1) {
    throw Refused("OpenSSL cannot check the signature of " + path +
                  ": it has no Ed25519 here; install an OpenSSL 3 that does");
  }
  if (EVP_DigestVerify(context.get(), unsigned_bytes(signature), signature.size(),
                       unsigned_bytes(bytes), bytes.size()) != 1) {
    throw Refused(path + " was altered after it was signed, or signed by another key than " + key +
                  "; do not run it; fetch file and signature again from who signed them");
  }
}

}  // namespace ilrobot

#else

namespace ilrobot {

void require_signature(const std::string& path, const std::string&, const std::string& key) {
  throw Refused(path + " shall be signed by the owner of " + key +
                ", and this library was built without OpenSSL, so it cannot tell; install "
                "libssl-dev and build it again");
}

}  // namespace ilrobot

#endif
