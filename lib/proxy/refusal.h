// What a refused client reads: in the form that it asks for, without a resource from elsewhere.
#pragma once

#include "http/http.h"
#include "policy/policy.h"

namespace cardea::proxy {

enum class Form : uint8_t { text, html, json };
// By Accept (RFC 9110 12.5.1): text/html or application/json where one is named, the one with the higher weight, HTML
// before JSON; plain text for everybody else ("*/*" names nothing).
Form preferred_form(const http::RequestHead& head);
const char* content_type(Form form);

struct Refusal {
  uint16_t status = 0;
  Bytes phrase;  // "access is denied"
  Bytes route;   // its name; empty: none
  Bytes request_id;
  const policy::Reasons* reasons = nullptr;  // told only where the route allows it
};
// In `arena`. Whatever is in the texts cannot leave its place in the page.
Bytes refusal_body(Form form, const Refusal& refusal, Arena& arena);

// Everything but RFC 3986's unreserved characters as %XX.
Bytes percent_encoded(Bytes text, Arena& arena);

}  // namespace cardea::proxy
