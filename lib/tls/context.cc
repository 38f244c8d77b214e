// What server and client contexts have in common: errors, names, ALPN lists, the base of an SSL_CTX.
#include <cstring>

#include "tls/openssl.h"

namespace cardea::tls {
namespace {

// Handshake messages without application data between them that a peer may send after the handshake
// (KeyUpdate, NewSessionTicket), and warnings that it may draw from us (refused renegotiations).
constexpr uint8_t kMaxControl = 32;
constexpr uint8_t kMaxWarnings = 4;

void on_info(const SSL* ssl, int where, int) {
  Link& link = link_of(ssl);
  if (!link.open || !link.reading) return;
  if ((where & SSL_CB_LOOP) && ++link.control > kMaxControl) link.flooded = true;
  if (where == SSL_CB_WRITE_ALERT && ++link.warnings > kMaxWarnings) link.flooded = true;
}

}  // namespace

Reason take_reason() {
  Reason reason;
  reason.code = ERR_get_error();
  if (reason.code == 0) {
    reason.text = "no reason given";
  } else if (ERR_SYSTEM_ERROR(reason.code)) {
    reason.text = std::strerror(ERR_GET_REASON(reason.code));
  } else {
    const char* text = ERR_reason_error_string(reason.code);
    reason.text = text ? text : "unknown error " + std::to_string(reason.code);
  }
  ERR_clear_error();
  return reason;
}

Error tls_error(std::string message) {
  return Error{kEtls, std::move(message)};
}

bool normalize_name(Bytes raw, std::string& out) {
  out.clear();
  if (!raw.empty() && raw.back() == '.') raw.remove_suffix(1);
  if (raw.empty() || raw.size() > 253) return false;
  bool letters = false;  // all digits and dots is an IPv4 address, which is no name
  char before = '.';
  size_t label = 0;
  for (char c : raw) {
    if (c >= 'A' && c <= 'Z') c = char(c + ('a' - 'A'));
    bool letter = (c >= 'a' && c <= 'z') || c == '-' || c == '_';
    if (!letter && c != '.' && !(c >= '0' && c <= '9')) return out.clear(), false;
    label = c == '.' ? 0 : label + 1;
    if ((c == '.' && before == '.') || label > 63) return out.clear(), false;
    letters |= letter;
    before = c;
    out.push_back(c);
  }
  if (!letters) out.clear();
  return letters;
}

Result<std::string> alpn_wire(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255)
      return Error{kEinval, "ALPN protocol names have 1 to 255 bytes, \"" + protocol + "\" has " +
                                std::to_string(protocol.size())};
    wire.push_back(char(protocol.size()));
    wire += protocol;
  }
  if (wire.size() > 65535) return Error{kEinval, "the list of ALPN protocols is longer than 65535 bytes"};
  return wire;
}

Result<SslCtxPtr> make_ssl_ctx(const SSL_METHOD* method) {
  // Everything is set explicitly: the host's openssl.cnf must neither weaken nor break us.
  constexpr const char* kSuites12 =
      "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
      "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
  constexpr const char* kSuites13 = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
  ERR_clear_error();
  SslCtxPtr ctx(SSL_CTX_new(method));
  if (!ctx) return tls_error("cannot set up TLS: " + take_reason().text);
  SSL_CTX* c = ctx.get();
  SSL_CTX_set_security_level(c, 2);
  SSL_CTX_clear_options(c, SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION | SSL_OP_LEGACY_SERVER_CONNECT |
                               SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
  SSL_CTX_set_options(
      c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_read_ahead(c, 0);  // our BIO is memory: nothing to gain, and leftovers would hide in OpenSSL
  SSL_CTX_set_max_early_data(c, 0);
  SSL_CTX_set_recv_max_early_data(c, 0);
  SSL_CTX_set_info_callback(c, on_info);
  if (!SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) || !SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) ||
      !SSL_CTX_set_cipher_list(c, kSuites12) || !SSL_CTX_set_ciphersuites(c, kSuites13))
    return tls_error("cannot set up TLS: " + take_reason().text);
  return ctx;
}

}  // namespace cardea::tls
