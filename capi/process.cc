// Versions, errors, logging and the options' table.
#include "base/log.h"
#include "capi.h"

using namespace cardea;

namespace {

struct ErrorRow {
  int code;
  const char* name;
  const char* text;
};
constexpr ErrorRow kErrors[] = {
    {CARDEA_OK, "CARDEA_OK", "no error"},
    {CARDEA_EINVAL, "CARDEA_EINVAL", "an argument is out of its domain"},
    {CARDEA_ENOMEM, "CARDEA_ENOMEM", "out of memory"},
    {CARDEA_EINTERNAL, "CARDEA_EINTERNAL", "a defect in Cardea; please report it"},
    {CARDEA_ESEALED, "CARDEA_ESEALED", "the object is sealed and cannot be changed"},
    {CARDEA_ECONFIG, "CARDEA_ECONFIG", "the configuration is not valid"},
    {CARDEA_EIO, "CARDEA_EIO", "the operating system refused"},
    {CARDEA_ETLS, "CARDEA_ETLS", "a key or certificate is not usable"},
    {CARDEA_EADDRINUSE, "CARDEA_EADDRINUSE", "the address is in use"},
    {CARDEA_ENOTFOUND, "CARDEA_ENOTFOUND", "there is none"},
    {CARDEA_ENOTSUP, "CARDEA_ENOTSUP", "not supported here"},
    {CARDEA_ESTALE, "CARDEA_ESTALE", "what the token named is over"},
    {CARDEA_EREENTRANT, "CARDEA_EREENTRANT", "not from inside a callback of the same worker"},
    {CARDEA_EWRONGTHREAD, "CARDEA_EWRONGTHREAD", "not from this thread"},
    {CARDEA_ECLOSED, "CARDEA_ECLOSED", "the worker is closed or closing"},
    {CARDEA_ETIMEDOUT, "CARDEA_ETIMEDOUT", "it took too long"},
    {CARDEA_EFORKED, "CARDEA_EFORKED", "the process was forked after the worker was made"},
    {CARDEA_EEXIST, "CARDEA_EEXIST", "it is there already"},
    {CARDEA_EAGAIN, "CARDEA_EAGAIN", "not now; try again"},
};

const ErrorRow* error_row(int code) {
  for (const ErrorRow& row : kErrors) {
    if (row.code == code) return &row;
  }
  return nullptr;
}

static_assert(kEinval == CARDEA_EINVAL && kEnomem == CARDEA_ENOMEM && kEinternal == CARDEA_EINTERNAL &&
              kEsealed == CARDEA_ESEALED && kEconfig == CARDEA_ECONFIG && kEio == CARDEA_EIO && kEtls == CARDEA_ETLS &&
              kEaddrinuse == CARDEA_EADDRINUSE && kEnotfound == CARDEA_ENOTFOUND && kEnotsup == CARDEA_ENOTSUP &&
              kEstale == CARDEA_ESTALE && kEreentrant == CARDEA_EREENTRANT && kEwrongthread == CARDEA_EWRONGTHREAD &&
              kEclosed == CARDEA_ECLOSED && kEtimedout == CARDEA_ETIMEDOUT && kEforked == CARDEA_EFORKED &&
              kEexist == CARDEA_EEXIST && kEagain == CARDEA_EAGAIN);
static_assert(sizeof(cardea_event) == 64);

// The header's option numbers are the table's.
#define GLOBAL_OPTION(id, name, ...) static_assert(CARDEA_OPT_GLOBAL_##name == id);
#define LISTENER_OPTION(id, name, ...) static_assert(CARDEA_OPT_LISTENER_##name == id);
#define ROUTE_OPTION(id, name, ...) static_assert(CARDEA_OPT_ROUTE_##name == id);
#define CLUSTER_OPTION(id, name, ...) static_assert(CARDEA_OPT_CLUSTER_##name == id);
#include "config/options.def"

}  // namespace

extern "C" {

const char* cardea_strerror(int code) {
  const ErrorRow* row = error_row(code);
  return row ? row->text : "unknown error code";
}
const char* cardea_errname(int code) {
  const ErrorRow* row = error_row(code);
  return row ? row->name : "CARDEA_E?";
}

int cardea_error_code(const cardea_error* e) {
  return e ? e->code : CARDEA_OK;
}
const char* cardea_error_message(const cardea_error* e) {
  return e ? e->message.c_str() : "";
}
int64_t cardea_error_source_code(const cardea_error* e) {
  return e ? e->source_code : 0;
}
void cardea_error_free(cardea_error* e) {
  delete e;
}

int cardea_init(uint32_t version_num, uint32_t flags, const void* alloc) {
  if (flags) return CARDEA_EINVAL;
  if (alloc) return CARDEA_ENOTSUP;
  if (version_num >> 16 != CARDEA_VERSION_MAJOR) return CARDEA_ENOTSUP;
  return (version_num >> 8 & 0xff) <= CARDEA_VERSION_MINOR ? CARDEA_OK : CARDEA_ENOTSUP;
}
uint32_t cardea_version(void) {
  return CARDEA_VERSION_NUM;
}
const char* cardea_version_string(void) {
  return CARDEA_VERSION_TEXT;
}
uint32_t cardea_features(void) {
  return CARDEA_FEATURE_TLS | CARDEA_FEATURE_HTTP2 | CARDEA_FEATURE_DNS;
}

void cardea_set_log(cardea_log_fn fn, void* ud, int level) {
  log::set_sink(fn, ud, level);
}

int cardea_option_by_name(int owner, const char* name, size_t n) {
  if (owner < CARDEA_OWNER_GLOBAL || owner > CARDEA_OWNER_CLUSTER || !name) return CARDEA_EINVAL;
  const config::OptionRow* row = config::option_by_key(config::Owner(owner - 1), capi::text(name, n));
  return row ? row->id : CARDEA_ENOTFOUND;
}
int cardea_option_next(int option) {
  const config::OptionRow* row = option ? config::option_by_id(option) : nullptr;
  if (option && !row) return CARDEA_ENOTFOUND;
  row = config::option_next(row);
  return row ? row->id : 0;
}
const char* cardea_option_name(int option) {
  const config::OptionRow* row = config::option_by_id(option);
  return row ? row->key : nullptr;
}
const char* cardea_option_doc(int option) {
  const config::OptionRow* row = config::option_by_id(option);
  return row ? row->doc : nullptr;
}
int cardea_option_owner(int option) {
  const config::OptionRow* row = config::option_by_id(option);
  return row ? int(row->owner) + 1 : CARDEA_ENOTFOUND;
}
int cardea_option_type(int option) {
  const config::OptionRow* row = config::option_by_id(option);
  return row ? int(row->type) + 1 : CARDEA_ENOTFOUND;
}
int cardea_option_range(int option, int64_t* def, int64_t* min, int64_t* max) {
  const config::OptionRow* row = config::option_by_id(option);
  if (!row) return CARDEA_ENOTFOUND;
  if (row->type == config::Type::string || row->type == config::Type::strings) return CARDEA_EINVAL;
  if (def) *def = row->default_value;
  if (min) *min = row->min;
  if (max) *max = row->max;
  return CARDEA_OK;
}

}  // extern "C"
