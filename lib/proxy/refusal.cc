// Bodies of refusals.
#include "proxy/refusal.h"

#include "base/json.h"

namespace cardea::proxy {

namespace {

Bytes trim(Bytes s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// RFC 9110 12.4.2 in thousandths; what is malformed weighs nothing.
int weight(Bytes parameters) {
  while (!parameters.empty()) {
    const size_t end = std::min(parameters.find(';'), parameters.size());
    const Bytes one = trim(parameters.substr(0, end));
    parameters.remove_prefix(std::min(end + 1, parameters.size()));
    if (one.size() < 2 || (one[0] | 0x20) != 'q' || one[1] != '=') continue;
    const Bytes digits = one.substr(2);
    if (digits.empty() || (digits[0] != '0' && digits[0] != '1') || digits.size() > 5 ||
        (digits.size() > 1 && digits[1] != '.'))
      return 0;
    int value = (digits[0] - '0') * 1000, place = 100;
    for (size_t i = 2; i < digits.size(); ++i, place /= 10) {
      if (digits[i] < '0' || digits[i] > '9') return 0;
      value += (digits[i] - '0') * place;
    }
    return value > 1000 ? 0 : value;
  }
  return 1000;
}

std::string escaped(Bytes text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += (static_cast<unsigned char>(c) < 0x20) ? '?' : c;
    }
  }
  return out;
}

std::string joined(const policy::Reasons& reasons) {
  std::string out;
  for (std::string_view r : reasons) out.append(out.empty() ? "" : ", ").append(r);
  return out;
}

std::string text_body(const Refusal& r) {
  std::string out = std::to_string(r.status) + " ";
  out.append(r.phrase);
  if (!r.route.empty()) out.append(" (route ").append(r.route).append(")");
  if (r.reasons && !r.reasons->empty()) out += "\nreasons: " + joined(*r.reasons);
  out.append("\nrequest id ").append(r.request_id).append("\n");
  return out;
}

std::string json_body(const Refusal& r) {
  std::string out = "{\"error\":";
  append_json_string(out, r.phrase);
  out += ",\"status\":" + std::to_string(r.status) + ",\"request_id\":";
  append_json_string(out, r.request_id);
  if (!r.route.empty()) {
    out += ",\"route\":";
    append_json_string(out, r.route);
  }
  if (r.reasons) {
    out += ",\"reasons\":[";
    for (std::string_view reason : *r.reasons) {
      if (out.back() != '[') out += ',';
      append_json_string(out, reason);
    }
    out += ']';
  }
  return out + "}\n";
}

std::string html_body(const Refusal& r) {
  const std::string status = std::to_string(r.status), phrase = escaped(r.phrase);
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\"><title>" +
      status + " " + phrase +
      "</title>\n<style>body{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em;"
      "color:#222;background:#fff}h1{font-size:1.4em}p{color:#555}code{font-size:.9em}"
      "@media(prefers-color-scheme:dark){body{color:#ddd;background:#1b1b1b}p{color:#aaa}}</style></head>\n<body><h1>" +
      status + ": " + phrase + "</h1>\n";
  if (!r.route.empty()) out += "<p>Route: " + escaped(r.route) + "</p>\n";
  if (r.reasons && !r.reasons->empty()) out += "<p>Reasons: " + escaped(joined(*r.reasons)) + "</p>\n";
  return out + "<p>When you ask for help, name this request: <code>" + escaped(r.request_id) +
         "</code></p></body></html>\n";
}

}  // namespace

Form preferred_form(const http::RequestHead& head) {
  int html = 0, json = 0;
  for (const http::Field& f : head.fields) {
    if (f.id != http::FieldId::accept) continue;
    for (Bytes rest = f.value; !rest.empty();) {
      const size_t end = std::min(rest.find(','), rest.size());
      const Bytes range = trim(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const size_t semicolon = std::min(range.find(';'), range.size());
      const Bytes type = trim(range.substr(0, semicolon));
      const int q = weight(range.substr(std::min(semicolon + 1, range.size())));
      if (http::equal_no_case(type, "text/html") || http::equal_no_case(type, "application/xhtml+xml")) {
        html = std::max(html, q);
      } else if (http::equal_no_case(type, "application/json")) {
        json = std::max(json, q);
      }
    }
  }
  if (!html && !json) return Form::text;
  return html >= json ? Form::html : Form::json;
}

const char* content_type(Form form) {
  switch (form) {
    case Form::html:
      return "text/html; charset=utf-8";
    case Form::json:
      return "application/json";
    default:
      return "text/plain; charset=utf-8";
  }
}

Bytes refusal_body(Form form, const Refusal& refusal, Arena& arena) {
  return arena.copy(form == Form::html   ? html_body(refusal)
                    : form == Form::json ? json_body(refusal)
                                         : text_body(refusal));
}

Bytes percent_encoded(Bytes text, Arena& arena) {
  static const char kHex[] = "0123456789ABCDEF";
  char* out = arena.take(3 * text.size());
  size_t n = 0;
  for (char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out[n++] = c;
      continue;
    }
    out[n++] = '%';
    out[n++] = kHex[static_cast<unsigned char>(c) >> 4];
    out[n++] = kHex[static_cast<unsigned char>(c) & 15];
  }
  return {out, n};
}

}  // namespace cardea::proxy
